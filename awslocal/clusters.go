package awslocal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sts"
)

// PlacedCluster is a cluster with what follows from where it is. Its defaults
// are filled in.
type PlacedCluster struct {
	Cluster
	AccountID string
	Partition string
	Created   time.Time
}

// ARN is arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME.
func (c PlacedCluster) ARN() arn.ARN {
	return ClusterARN(c.Partition, c.Region, c.AccountID, c.Name)
}

// ClusterARN is arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME.
func ClusterARN(partition, region, account, name string) arn.ARN {
	return arn.ARN{Partition: partition, Service: "eks", Region: region, AccountID: account, Resource: "cluster/" + name}
}

// place fills in what a record does not say.
func (c ClusterRecord) place(tx *bbolt.Tx) (PlacedCluster, error) {
	account, err := accountOf(tx, c.Account)
	if err != nil {
		return PlacedCluster{}, err
	}
	placed := PlacedCluster{Cluster: c.cluster(), AccountID: c.Account, Partition: account.Partition, Created: c.Created}
	placed.AuthenticationMode, placed.OIDCIssuer = c.AuthenticationMode, c.issuer()
	return placed, nil
}

// Clusters are all clusters, in the order of the world file: by account, and
// within one as they stand there.
func (s *Store) Clusters() ([]PlacedCluster, error) {
	var list []PlacedCluster
	err := s.db.View(func(tx *bbolt.Tx) error {
		records, err := clusterTable.all(tx)
		if err != nil {
			return err
		}
		accounts, err := accountTable.all(tx)
		if err != nil {
			return err
		}
		ordered := inOrder(records, func(c ClusterRecord) int { return c.Order })
		slices.SortStableFunc(ordered, func(a, b ClusterRecord) int {
			return cmp.Compare(accounts[a.Account].Order, accounts[b.Account].Order)
		})
		for _, c := range ordered {
			placed, err := c.place(tx)
			if err != nil {
				return err
			}
			list = append(list, placed)
		}
		return nil
	})
	return list, err
}

// Cluster finds a cluster by its ARN, or by its name if only one has it.
// sts.ErrNotFound says that there is none.
func (s *Store) Cluster(nameOrARN string) (PlacedCluster, error) {
	all, err := s.Clusters()
	if err != nil {
		return PlacedCluster{}, err
	}
	var found []PlacedCluster
	for _, c := range all {
		if c.Name == nameOrARN || c.ARN().String() == nameOrARN {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return PlacedCluster{}, fmt.Errorf("cluster %s: %w", quote(nameOrARN), sts.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return PlacedCluster{}, fmt.Errorf("there are %d clusters called %s: name one by its ARN, such as %s", len(found), quote(nameOrARN), found[0].ARN())
}

// SetClusterEndpoint says where a cluster's API server is now, and by which CA
// it is to be known (PEM, or base64 of PEM). Both empty say that it is nowhere.
// The cluster is named as in Cluster.
func (s *Store) SetClusterEndpoint(nameOrARN, endpoint, ca string) error {
	if endpoint != "" {
		if err := checkURL(endpoint); err != nil {
			return fmt.Errorf("endpoint of cluster %s: %w", nameOrARN, err)
		}
	}
	ca, err := certificates(ca)
	if err != nil {
		return fmt.Errorf("certificate authority of cluster %s: %w", nameOrARN, err)
	}
	return s.changeCluster(nameOrARN, func(c *ClusterRecord) { c.Endpoint, c.CertificateAuthority = endpoint, ca })
}

// SetClusterIssuer says what the issuer of a cluster's service-account tokens
// is called now; "" says that there is none. A cluster whose world names its
// issuer keeps that one. The cluster is named as in Cluster.
//
// The provider that the issuer is to its account, and the trust policies with
// the cluster's service accounts, follow at once.
func (s *Store) SetClusterIssuer(nameOrARN, issuer string) error {
	if issuer != "" {
		if err := CheckIssuer(issuer); err != nil {
			return fmt.Errorf("issuer of cluster %s: %w", nameOrARN, err)
		}
	}
	return s.changeCluster(nameOrARN, func(c *ClusterRecord) { c.RunningIssuer = issuer })
}

func (s *Store) changeCluster(nameOrARN string, change func(*ClusterRecord)) error {
	c, err := s.Cluster(nameOrARN)
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		key := clusterKey(c.AccountID, c.Region, c.Name)
		record, found, err := clusterTable.get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return errors.New("the cluster is gone")
		}
		change(&record)
		return clusterTable.put(tx, key, record)
	})
}

// ReadCluster finds a cluster of an account and a region as it is kept.
// sts.ErrNotFound says that there is none.
func (s *Store) ReadCluster(account, region, name string) (c ClusterRecord, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c, err = clusterAt(tx, account, region, name)
		return err
	})
	return c, err
}

func clusterAt(tx *bbolt.Tx, account, region, name string) (ClusterRecord, error) {
	c, found, err := clusterTable.get(tx, clusterKey(account, region, name))
	if err == nil && !found {
		err = fmt.Errorf("cluster %s: %w", quote(name), sts.ErrNotFound)
	}
	return c, err
}

// ChangeCluster calls f with a cluster and keeps what it has changed. When it
// returns nil that is on the disk; if f fails, nothing is. now is the time of the
// change.
func (s *Store) ChangeCluster(account, region, name string, f func(c *ClusterRecord, now time.Time) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		c, err := clusterAt(tx, account, region, name)
		if err != nil {
			return err
		}
		if err := f(&c, s.now().UTC().Truncate(time.Second)); err != nil {
			return err
		}
		return clusterTable.put(tx, clusterKey(account, region, name), c)
	})
}

// CreateCluster keeps a new cluster. ok is false if there is one of that name, which
// is returned.
func (s *Store) CreateCluster(c ClusterRecord) (kept ClusterRecord, ok bool, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		key := clusterKey(c.Account, c.Region, c.Name)
		there, found, err := clusterTable.get(tx, key)
		if ok = !found; err != nil || found {
			kept = there
			return err
		}
		owner, _, err := accountTable.get(tx, c.Account)
		if err != nil {
			return err
		}
		if err := pinCluster(tx, c.Account, c.Name, owner.Partition); err != nil {
			return err
		}
		n, err := tx.Bucket([]byte(clusterTable)).NextSequence()
		if err != nil {
			return err
		}
		c.Order, c.Created = behindWorlds+int(n), s.now().UTC().Truncate(time.Second)
		kept = c
		return clusterTable.put(tx, key, c)
	})
	return kept, ok, err
}

// DeleteCluster removes a cluster with all that belongs to it. Roles that trust its
// service accounts keep the statements.
func (s *Store) DeleteCluster(account, region, name string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		c, err := clusterAt(tx, account, region, name)
		if err != nil {
			return err
		}
		owner, _, err := accountTable.get(tx, account)
		if err != nil {
			return err
		}
		if err := releaseCluster(tx, c, owner.Partition); err != nil {
			return err
		}
		return clusterTable.delete(tx, clusterKey(account, region, name))
	})
}

// DescribeCluster finds the cluster of an account and a region by its name.
func (s *Store) DescribeCluster(account, region, name string) (PlacedCluster, error) {
	var placed PlacedCluster
	err := s.db.View(func(tx *bbolt.Tx) error {
		record, found, err := clusterTable.get(tx, clusterKey(account, region, name))
		if err != nil {
			return err
		}
		if !found {
			return sts.ErrNotFound
		}
		placed, err = record.place(tx)
		return err
	})
	return placed, err
}

// ListClusters returns up to limit names, sorted, of an account's clusters in a
// region, from those that come after a name; more says that there are others.
func (s *Store) ListClusters(account, region, after string, limit int) (names []string, more bool, err error) {
	prefix := clusterKey(account, region, "")
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte(clusterTable)).Cursor()
		for key, _ := cursor.Seek([]byte(prefix + after)); key != nil; key, _ = cursor.Next() {
			name, ours := strings.CutPrefix(string(key), prefix)
			if !ours {
				break
			}
			if name == after {
				continue
			}
			if more = len(names) == limit; more {
				break
			}
			names = append(names, name)
		}
		return nil
	})
	return names, more, err
}
