package awslocal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
)

// IAM is what IAM has of one account, in one transaction of the store: nobody
// sees half of what it writes. It is of no use after the function that it was
// given to.
type IAM struct {
	Account AccountRecord
	Now     time.Time // whole seconds, UTC

	tx *bbolt.Tx
}

// ReadIAM calls f with an account as it is now.
func (s *Store) ReadIAM(account string, f func(*IAM) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return s.iam(tx, account, f) })
}

// WriteIAM calls f with an account to change. When it returns nil, what f did is
// on the disk; if f fails, nothing is. Within f the store has no other methods.
func (s *Store) WriteIAM(account string, f func(*IAM) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return s.iam(tx, account, f) })
}

func (s *Store) iam(tx *bbolt.Tx, account string, f func(*IAM) error) error {
	record, err := accountOf(tx, account)
	if err != nil {
		return err
	}
	return f(&IAM{Account: record, Now: s.now().UTC().Truncate(time.Second), tx: tx})
}

// Records are an account's records of one kind.
type Records[T any] struct {
	tx     *bbolt.Tx
	table  table[T]
	prefix string
	key    func(name string) string
}

// Users are by name; the case of names does not count.
func (i *IAM) Users() Records[UserRecord] { return named(i, userTable) }

// Roles are by name; the case of names does not count.
func (i *IAM) Roles() Records[RoleRecord] { return named(i, roleTable) }

// Groups are by name; the case of names does not count.
func (i *IAM) Groups() Records[GroupRecord] { return named(i, groupTable) }

// Policies are the account's own, by name; the case of names does not count.
func (i *IAM) Policies() Records[PolicyRecord] { return named(i, policyTable) }

// Providers are by URL.
func (i *IAM) Providers() Records[ProviderRecord] {
	return Records[ProviderRecord]{i.tx, providerTable, i.Account.ID + "/", func(url string) string { return url }}
}

func named[T any](i *IAM, t table[T]) Records[T] {
	return Records[T]{i.tx, t, i.Account.ID + "/", strings.ToLower}
}

// Get finds a record.
func (r Records[T]) Get(name string) (record T, found bool, err error) {
	return r.table.get(r.tx, r.prefix+r.key(name))
}

// Put writes a record, in place of one of the same name.
func (r Records[T]) Put(name string, record T) error {
	return r.table.put(r.tx, r.prefix+r.key(name), record)
}

// Delete removes a record, if it is there.
func (r Records[T]) Delete(name string) error { return r.table.delete(r.tx, r.prefix+r.key(name)) }

// All lists the records in the order of their names.
func (r Records[T]) All() ([]T, error) {
	var list []T
	err := r.table.eachAt(r.tx, r.prefix, func(record T) { list = append(list, record) })
	return list, err
}

// Count is how many records there are.
func (r Records[T]) Count() (n int, err error) {
	b := r.tx.Bucket([]byte(r.table))
	if b == nil {
		return 0, fmt.Errorf("there is no table %s", r.table)
	}
	cursor, prefix := b.Cursor(), []byte(r.prefix)
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		n++
	}
	return n, nil
}

// behindWorlds is a place behind all that a world file can have.
const behindWorlds = 1 << 32

// NextOrder is the place of a new record: behind all that there are.
func (r Records[T]) NextOrder() (int, error) {
	n, err := r.tx.Bucket([]byte(r.table)).NextSequence()
	return behindWorlds + int(n), err
}

// Keys are the access keys of a user, or with "" of the root, from the oldest.
func (i *IAM) Keys(user string) ([]KeyRecord, error) {
	var list []KeyRecord
	owner := nameKey(i.Account.ID, user)
	err := keyTable.each(i.tx, func(_ string, k KeyRecord) error {
		if k.owner() == owner {
			list = append(list, k)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b KeyRecord) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Key finds an access key of the account.
func (i *IAM) Key(id string) (k KeyRecord, found bool, err error) {
	k, found, err = keyTable.get(i.tx, id)
	if k.Account != i.Account.ID {
		return KeyRecord{}, false, err
	}
	return k, found, err
}

// PutKey writes an access key.
func (i *IAM) PutKey(k KeyRecord) error { return keyTable.put(i.tx, k.ID, k) }

// DeleteKey removes an access key.
func (i *IAM) DeleteKey(id string) error { return keyTable.delete(i.tx, id) }

// NewKey makes an access key for a user; PutKey keeps it.
func (i *IAM) NewKey(user string) (KeyRecord, error) {
	n, err := i.tx.Bucket([]byte(keyTable)).NextSequence()
	return KeyRecord{
		ID: newAccessKeyID(), Secret: newSecret(), Active: true, Account: i.Account.ID, User: user, Created: i.Now,
		Order: maxAccessKeys + int(n),
	}, err
}

// NewUserID makes a user's unique id; likewise the others.
func NewUserID() string   { return newUniqueID(userIDPrefix) }
func NewRoleID() string   { return newUniqueID(roleIDPrefix) }
func NewGroupID() string  { return newUniqueID(groupIDPrefix) }
func NewPolicyID() string { return newUniqueID(policyIDPrefix) }

// TrustDocument is the trust policy of a role in force: its own, and what its
// service accounts stand for. A role that trusts nobody has one that says so.
func (i *IAM) TrustDocument(r RoleRecord) (PolicyDocument, error) {
	document, err := r.trustDocument(i.tx, i.Account.Partition)
	if err == nil && document == "" {
		document = `{"Version":"2012-10-17","Statement":[]}`
	}
	return document, err
}

// ManagedDocument finds the document in force of a managed policy by its ARN: of
// this account's, or of AWS's own.
func (i *IAM) ManagedDocument(policyARN string) (document PolicyDocument, found bool, err error) {
	return managedDocument(i.tx, i.Account, policyARN)
}

// ClusterIssuers are the issuers of the account's clusters that are providers of
// it without a record of their own.
func (i *IAM) ClusterIssuers() ([]ProviderRecord, error) {
	var list []ProviderRecord
	err := clusterTable.eachOf(i.tx, i.Account.ID, func(c ClusterRecord) {
		if url := c.issuer(); url != "" && !c.Unregistered {
			list = append(list, ProviderRecord{Account: i.Account.ID, URL: url, ClientIDs: []string{podAudience}, Created: c.Created})
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b ProviderRecord) int { return cmp.Compare(a.URL, b.URL) })
	list = slices.CompactFunc(list, func(a, b ProviderRecord) bool { return a.URL == b.URL })
	return slices.DeleteFunc(list, func(p ProviderRecord) bool {
		_, found, getErr := i.Providers().Get(p.URL)
		err = cmp.Or(err, getErr)
		return found
	}), err
}

// UnregisterIssuer has the clusters of an issuer no longer make it a provider.
func (i *IAM) UnregisterIssuer(url string) error {
	var of []ClusterRecord
	err := clusterTable.eachOf(i.tx, i.Account.ID, func(c ClusterRecord) {
		if c.issuer() == url {
			of = append(of, c)
		}
	})
	if err != nil {
		return err
	}
	for _, c := range of {
		c.Unregistered = true
		if err := clusterTable.put(i.tx, clusterKey(c.Account, c.Region, c.Name), c); err != nil {
			return err
		}
	}
	return nil
}

// Principal reports whether a user or a role is there. known is false for one of
// an account that is not in the store: of those nobody can say.
func (i *IAM) Principal(p arn.Principal) (found, known bool, err error) {
	account, known, err := accountTable.get(i.tx, p.AccountID)
	if err != nil || !known {
		return false, false, err
	}
	var path, name string
	switch p.Kind {
	case arn.User:
		var u UserRecord
		u, found, err = userTable.get(i.tx, nameKey(p.AccountID, p.Name))
		path, name = u.Path, u.Name
	case arn.Role:
		var r RoleRecord
		r, found, err = roleTable.get(i.tx, nameKey(p.AccountID, p.Name))
		path, name = r.Path, r.Name
	default:
		return account.Partition == p.Partition, true, nil
	}
	// Policies compare ARNs with their case, so one that differs in it is nobody.
	return found && path == p.Path && name == p.Name && account.Partition == p.Partition, true, err
}

// SetAlias names the account; "" takes its name away. ok is false if another
// account has it.
func (i *IAM) SetAlias(alias string) (ok bool, err error) {
	taken := false
	err = accountTable.each(i.tx, func(id string, a AccountRecord) error {
		taken = taken || alias != "" && a.Alias == alias && id != i.Account.ID
		return nil
	})
	if err != nil || taken {
		return false, err
	}
	i.Account.Alias = alias
	return true, accountTable.put(i.tx, i.Account.ID, i.Account)
}
