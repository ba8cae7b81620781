package awslocal

import "go.etcd.io/bbolt"

// World is all that the store has, what was generated included: the secrets of
// all access keys are in it. Applied to another store it makes the same world.
func (s *Store) World() (*World, error) {
	var st *state
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		st, err = load(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return st.world(), nil
}

func (st *state) world() *World {
	w := &World{}
	place := map[string]int{}
	for i, a := range inOrder(st.accounts, func(a AccountRecord) int { return a.Order }) {
		place[a.ID] = i
		account := Account{ID: a.ID, Alias: a.Alias, Partition: unless(a.Partition, defaultPartition)}
		if _, there := st.users[nameKey(a.ID, administrator)]; !there {
			account.Administrator = new(bool) // deleted, or called otherwise: they must not come back
		}
		w.Accounts = append(w.Accounts, account)
	}
	keys := st.accessKeys()
	for id, i := range place {
		w.Accounts[i].RootAccessKeys = keys[nameKey(id, "")]
	}
	for _, u := range inOrder(st.users, func(u UserRecord) int { return u.Order }) {
		a := &w.Accounts[place[u.Account]]
		user := User{
			Name: u.Name, Path: unless(u.Path, defaultPath), ID: u.ID, AccessKeys: AccessKeys{}, Groups: u.Groups,
			ManagedPolicies: u.Managed, InlinePolicies: u.Inline, PermissionsBoundary: u.Boundary, Tags: u.Tags,
		}
		if k := keys[nameKey(u.Account, u.Name)]; k != nil {
			user.AccessKeys = k
		}
		a.Users = append(a.Users, user)
	}
	for _, r := range inOrder(st.roles, func(r RoleRecord) int { return r.Order }) {
		a := &w.Accounts[place[r.Account]]
		a.Roles = append(a.Roles, Role{
			Name: r.Name, Path: unless(r.Path, defaultPath), ID: r.ID, ServiceAccounts: r.ServiceAccounts, TrustPolicy: r.TrustPolicy,
			MaxSessionDuration: unless(r.MaxSessionDuration, defaultMaxSessionDuration), Description: r.Description,
			ManagedPolicies: r.Managed, InlinePolicies: r.Inline, PermissionsBoundary: r.Boundary, Tags: r.Tags,
		})
	}
	for _, g := range inOrder(st.groups, func(g GroupRecord) int { return g.Order }) {
		a := &w.Accounts[place[g.Account]]
		a.Groups = append(a.Groups, Group{
			Name: g.Name, Path: unless(g.Path, defaultPath), ID: g.ID, ManagedPolicies: g.Managed, InlinePolicies: g.Inline,
		})
	}
	for _, p := range inOrder(st.policies, func(p PolicyRecord) int { return p.Order }) {
		a := &w.Accounts[place[p.Account]]
		a.Policies = append(a.Policies, p.managedPolicy())
	}
	for _, p := range inOrder(st.providers, func(p ProviderRecord) int { return p.Order }) {
		a := &w.Accounts[place[p.Account]]
		a.OIDCProviders = append(a.OIDCProviders, OIDCProvider{URL: p.URL, ClientIDs: p.ClientIDs, Thumbprints: p.Thumbprints, Tags: p.Tags})
	}
	for _, c := range inOrder(st.clusters, func(c ClusterRecord) int { return c.Order }) {
		a := &w.Accounts[place[c.Account]]
		a.Clusters = append(a.Clusters, c.cluster())
	}
	return w
}

// accessKeys lists the keys of each owner.
func (st *state) accessKeys() map[string]AccessKeys {
	keys := map[string]AccessKeys{}
	for _, k := range inOrder(st.keys, func(k KeyRecord) int { return k.Order }) {
		key := AccessKey{ID: k.ID, Secret: k.Secret}
		if !k.Active {
			key.Status = Inactive
		}
		keys[k.owner()] = append(keys[k.owner()], key)
	}
	return keys
}

func (c ClusterRecord) cluster() Cluster {
	cluster := Cluster{
		Name: c.Name, Region: c.Region, Version: c.Version,
		Endpoint: c.Endpoint, CertificateAuthority: c.CertificateAuthority, OIDCIssuer: c.OIDCIssuer,
		AuthenticationMode: unless(c.AuthenticationMode, defaultAuthenticationMode),
		MapRoles:           c.MapRoles, MapUsers: c.MapUsers, MapAccounts: c.MapAccounts,
	}
	cluster.RoleARN, cluster.Tags = c.RoleARN, c.Tags
	for _, e := range c.AccessEntries {
		cluster.AccessEntries = append(cluster.AccessEntries, e.AccessEntry)
	}
	for _, p := range c.PodIdentities {
		cluster.PodIdentityAssociations = append(cluster.PodIdentityAssociations, p.PodIdentityAssociation)
	}
	if c.Unregistered {
		cluster.OIDCProvider = new(bool)
	}
	return cluster
}

func (p PolicyRecord) managedPolicy() ManagedPolicy {
	policy := ManagedPolicy{Name: p.Name, Path: unless(p.Path, defaultPath), ID: p.ID, Description: p.Description, Tags: p.Tags}
	if len(p.Versions) == 1 && p.Default == firstVersion {
		policy.Document = p.Document()
		return policy
	}
	policy.DefaultVersion = p.Default
	for _, v := range p.Versions {
		policy.Versions = append(policy.Versions, PolicyVersion{v.ID, v.Document})
	}
	return policy
}
