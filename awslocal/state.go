package awslocal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// state is the content of all tables.
type state struct {
	accounts map[string]AccountRecord
	users    map[string]UserRecord
	roles    map[string]RoleRecord
	keys     map[string]KeyRecord
	clusters map[string]ClusterRecord

	providers map[string]ProviderRecord
	groups    map[string]GroupRecord
	policies  map[string]PolicyRecord
}

func newState() *state {
	return &state{
		accounts: map[string]AccountRecord{}, users: map[string]UserRecord{}, roles: map[string]RoleRecord{}, keys: map[string]KeyRecord{},
		clusters: map[string]ClusterRecord{}, providers: map[string]ProviderRecord{}, groups: map[string]GroupRecord{}, policies: map[string]PolicyRecord{},
	}
}

func load(tx *bbolt.Tx) (*state, error) {
	s := &state{}
	var err error
	if s.accounts, err = accountTable.all(tx); err != nil {
		return nil, err
	}
	if s.users, err = userTable.all(tx); err != nil {
		return nil, err
	}
	if s.roles, err = roleTable.all(tx); err != nil {
		return nil, err
	}
	if s.keys, err = keyTable.all(tx); err != nil {
		return nil, err
	}
	if s.providers, err = providerTable.all(tx); err != nil {
		return nil, err
	}
	if s.groups, err = groupTable.all(tx); err != nil {
		return nil, err
	}
	if s.policies, err = policyTable.all(tx); err != nil {
		return nil, err
	}
	s.clusters, err = clusterTable.all(tx)
	return s, err
}

// check says whether everything belongs to something that is there.
func (s *state) check() error {
	for key, u := range s.users {
		if _, ok := s.accounts[u.Account]; !ok {
			return fmt.Errorf("the user %s has no account", key)
		}
	}
	for key, r := range s.roles {
		if _, ok := s.accounts[r.Account]; !ok {
			return fmt.Errorf("the role %s has no account", key)
		}
	}
	for key, k := range s.keys {
		_, ofUser := s.users[k.owner()]
		_, ofRoot := s.accounts[k.Account]
		if k.User != "" && !ofUser || !ofRoot {
			return fmt.Errorf("the access key %s has no owner", key)
		}
	}
	for key, c := range s.clusters {
		if _, ok := s.accounts[c.Account]; !ok {
			return fmt.Errorf("the cluster %s has no account", key)
		}
	}
	for key, p := range s.providers {
		if _, ok := s.accounts[p.Account]; !ok {
			return fmt.Errorf("the identity provider %s has no account", key)
		}
	}
	for key, g := range s.groups {
		if _, ok := s.accounts[g.Account]; !ok {
			return fmt.Errorf("the group %s has no account", key)
		}
	}
	for key, p := range s.policies {
		if _, ok := s.accounts[p.Account]; !ok {
			return fmt.Errorf("the policy %s has no account", key)
		}
	}
	return nil
}

func (s *state) save(tx *bbolt.Tx) error {
	if err := accountTable.replace(tx, s.accounts); err != nil {
		return err
	}
	if err := userTable.replace(tx, s.users); err != nil {
		return err
	}
	if err := roleTable.replace(tx, s.roles); err != nil {
		return err
	}
	if err := keyTable.replace(tx, s.keys); err != nil {
		return err
	}
	if err := providerTable.replace(tx, s.providers); err != nil {
		return err
	}
	if err := groupTable.replace(tx, s.groups); err != nil {
		return err
	}
	if err := policyTable.replace(tx, s.policies); err != nil {
		return err
	}
	return clusterTable.replace(tx, s.clusters)
}

// inOrder lists records in the order of the world file.
func inOrder[T any](records map[string]T, order func(T) int) []T {
	keys := slices.SortedFunc(maps.Keys(records), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(records[a]), order(records[b])), cmp.Compare(a, b))
	})
	list := make([]T, len(keys))
	for i, key := range keys {
		list[i] = records[key]
	}
	return list
}
