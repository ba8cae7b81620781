package awslocal

import (
	"slices"

	"go.etcd.io/bbolt"
)

// Roles name the clusters whose service accounts they trust, and clusters come and go
// by the API. What is exported must be a world all the same, and nobody's trust may
// move to another cluster of the name.

// pinCluster makes what roles call a cluster by its name say which one that is, before
// another of the name comes.
func pinCluster(tx *bbolt.Tx, account, name, partition string) error {
	return changeRoles(tx, account, func(r *RoleRecord) (bool, error) {
		changed := false
		for i, s := range r.ServiceAccounts {
			if s.Cluster != name {
				continue
			}
			c, err := r.trustedCluster(tx, partition, name)
			if err != nil || c.Name == "" {
				return false, err
			}
			r.ServiceAccounts[i].Cluster, changed = ClusterARN(partition, c.Region, account, c.Name).String(), true
		}
		return changed, nil
	})
}

// releaseCluster writes out whom roles trust of a cluster that goes: the statements
// stay, as they do in AWS, and trust nobody until such an issuer comes again.
func releaseCluster(tx *bbolt.Tx, c ClusterRecord, partition string) error {
	return changeRoles(tx, c.Account, func(r *RoleRecord) (bool, error) {
		var its, others []ServiceAccount
		for _, s := range r.ServiceAccounts {
			named, err := r.trustedCluster(tx, partition, s.Cluster)
			if err != nil {
				return false, err
			}
			if named.Region == c.Region && named.Name == c.Name {
				its = append(its, s)
			} else {
				others = append(others, s)
			}
		}
		if len(its) == 0 {
			return false, nil
		}
		gone := *r
		gone.ServiceAccounts = its
		statements, err := gone.serviceAccountStatements(tx, partition)
		if err != nil {
			return false, err
		}
		if r.TrustPolicy, err = addStatements(r.TrustPolicy, statements); err != nil {
			return false, err
		}
		if r.ServiceAccounts = others; r.TrustPolicy == "" && len(others) == 0 {
			r.TrustPolicy = trustsNobody(c.Account) // the cluster had no issuer
		}
		return true, nil
	})
}

// trustsNobody is a policy for a role that has to have one.
func trustsNobody(account string) PolicyDocument {
	return PolicyDocument(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`)
}

func changeRoles(tx *bbolt.Tx, account string, change func(*RoleRecord) (bool, error)) error {
	var roles []RoleRecord
	if err := roleTable.eachOf(tx, account, func(r RoleRecord) { roles = append(roles, r) }); err != nil {
		return err
	}
	for _, r := range roles {
		r.ServiceAccounts = slices.Clone(r.ServiceAccounts)
		changed, err := change(&r)
		if err != nil {
			return err
		}
		if changed {
			if err := roleTable.put(tx, nameKey(r.Account, r.Name), r); err != nil {
				return err
			}
		}
	}
	return nil
}
