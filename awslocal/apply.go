package awslocal

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Apply makes the store what the world says, all of it or, when it fails,
// nothing. Objects that the world does not name are removed. Those that were
// there already keep what was generated for them: ids, access keys, times of
// creation; and clusters their endpoints and issuers, unless the world has its
// own.
//
// A world with faults is a *WorldError.
func (s *Store) Apply(w *World) error {
	if err := w.Validate(); err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		old, err := load(tx)
		if err != nil {
			return err
		}
		m := newMerger(w, old, s.now().UTC().Truncate(time.Second))
		for i := range w.Accounts {
			m.account(&w.Accounts[i], i)
		}
		return m.next.save(tx)
	})
}

// Empty reports whether the store has nothing: no world was ever applied.
func (s *Store) Empty() (bool, error) {
	empty := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		accounts, err := accountTable.all(tx)
		empty = len(accounts) == 0
		return err
	})
	return empty, err
}

// merger makes the next state of a world and the state before.
type merger struct {
	old, next *state
	now       time.Time
	generated map[string][]KeyRecord // of the state before, by owner, in order
	taken     map[string]bool        // ids that the world gives to somebody
}

func newMerger(w *World, old *state, now time.Time) *merger {
	m := &merger{old: old, next: newState(), now: now, generated: map[string][]KeyRecord{}, taken: map[string]bool{}}
	for _, a := range w.Accounts {
		m.take(a.RootAccessKeys)
		for _, u := range a.Users {
			m.taken[u.ID] = true
			m.take(u.AccessKeys)
		}
		for _, r := range a.Roles {
			m.taken[r.ID] = true
		}
		for _, g := range a.Groups {
			m.taken[g.ID] = true
		}
		for _, p := range a.Policies {
			m.taken[p.ID] = true
		}
	}
	for _, k := range inOrder(old.keys, func(k KeyRecord) int { return k.Order }) {
		if k.Generated && !m.taken[k.ID] {
			m.generated[k.owner()] = append(m.generated[k.owner()], k)
		}
	}
	return m
}

func (m *merger) take(keys AccessKeys) {
	for _, k := range keys {
		m.taken[k.ID] = true
	}
}

func (m *merger) account(a *Account, order int) {
	m.next.accounts[a.ID] = AccountRecord{ID: a.ID, Alias: a.Alias, Partition: a.partition(), Order: order}
	m.accessKeys(a.RootAccessKeys, a.ID, "")
	for i := range a.Policies {
		m.policy(&a.Policies[i], a.ID, i)
	}
	for i := range a.Groups {
		m.group(&a.Groups[i], a.ID, i)
	}
	for i := range a.Users {
		m.user(&a.Users[i], a.ID, i)
	}
	if _, named := m.next.users[nameKey(a.ID, administrator)]; !named && a.hasAdministrator() {
		m.user(&User{Name: administrator, ManagedPolicies: []string{administratorAccess(a.partition())}}, a.ID, len(a.Users))
	}
	for i := range a.Roles {
		m.role(&a.Roles[i], a.ID, i)
	}
	for i := range a.OIDCProviders {
		m.provider(&a.OIDCProviders[i], a.ID, i)
	}
	for i := range a.Clusters {
		m.cluster(&a.Clusters[i], a.ID, i)
	}
}

func (m *merger) user(u *User, account string, order int) {
	key := nameKey(account, u.Name)
	old, there := m.old.users[key]
	m.next.users[key] = UserRecord{
		Account: account, Name: u.Name, Path: orSlash(u.Path), Order: order,
		ID:      m.uniqueID(u.ID, old.ID, userIDPrefix),
		Groups:  slices.Clone(u.Groups),
		Tags:    slices.Clone(u.Tags),
		Created: m.created(old.Created, there),

		Attachments: attached(u.ManagedPolicies, u.InlinePolicies, u.PermissionsBoundary),
	}
	keys := u.AccessKeys
	if keys == nil {
		keys = AccessKeys{{}}
	}
	m.accessKeys(keys, account, u.Name)
}

func (m *merger) role(r *Role, account string, order int) {
	key := nameKey(account, r.Name)
	old, there := m.old.roles[key]
	m.next.roles[key] = RoleRecord{
		Account: account, Name: r.Name, Path: orSlash(r.Path), Order: order,
		ID:                 m.uniqueID(r.ID, old.ID, roleIDPrefix),
		ServiceAccounts:    slices.Clone(r.ServiceAccounts),
		TrustPolicy:        r.TrustPolicy,
		MaxSessionDuration: cmp.Or(r.MaxSessionDuration, defaultMaxSessionDuration),
		Description:        r.Description,
		Tags:               slices.Clone(r.Tags),
		Created:            m.created(old.Created, there),

		Attachments: attached(r.ManagedPolicies, r.InlinePolicies, r.PermissionsBoundary),
	}
}

func attached(managed []string, inline []InlinePolicy, boundary string) Attachments {
	return Attachments{Managed: slices.Clone(managed), Inline: slices.Clone(inline), Boundary: boundary}
}

func (m *merger) group(g *Group, account string, order int) {
	key := nameKey(account, g.Name)
	old, there := m.old.groups[key]
	m.next.groups[key] = GroupRecord{
		Account: account, Name: g.Name, Path: orSlash(g.Path), Order: order,
		ID:      m.uniqueID(g.ID, old.ID, groupIDPrefix),
		Created: m.created(old.Created, there),

		Attachments: attached(g.ManagedPolicies, g.InlinePolicies, ""),
	}
}

func (m *merger) policy(p *ManagedPolicy, account string, order int) {
	key := nameKey(account, p.Name)
	old, there := m.old.policies[key]
	record := PolicyRecord{
		Account: account, Name: p.Name, Path: orSlash(p.Path), Order: order,
		ID:          m.uniqueID(p.ID, old.ID, policyIDPrefix),
		Description: p.Description,
		Default:     cmp.Or(p.DefaultVersion, firstVersion),
		Tags:        slices.Clone(p.Tags),
		Created:     m.created(old.Created, there), Updated: m.now,
		Last: old.Last,
	}
	for _, v := range p.versions() {
		created := m.now
		for _, o := range old.Versions {
			if o.ID == v.ID && o.Document == v.Document {
				created = o.Created
			}
		}
		record.Versions = append(record.Versions, VersionRecord{v.ID, v.Document, created})
	}
	m.next.policies[key] = record
}

func (m *merger) provider(p *OIDCProvider, account string, order int) {
	key := providerKey(account, p.URL)
	old, there := m.old.providers[key]
	m.next.providers[key] = ProviderRecord{
		Account: account, URL: p.URL, Order: order,
		ClientIDs: slices.Clone(p.ClientIDs), Thumbprints: slices.Clone(p.Thumbprints), Tags: slices.Clone(p.Tags),
		Created: m.created(old.Created, there),
	}
}

// uniqueID is the id that is given, or that was there, or a new one.
func (m *merger) uniqueID(given, old, prefix string) string {
	switch {
	case given != "":
		return given
	case old != "" && !m.taken[old]:
		return old
	}
	return newUniqueID(prefix)
}

func (m *merger) created(old time.Time, there bool) time.Time {
	if there {
		return old
	}
	return m.now
}

func (m *merger) accessKeys(keys AccessKeys, account, user string) {
	for i, k := range keys {
		record := KeyRecord{ID: k.ID, Secret: k.Secret, Account: account, User: user, Created: m.now}
		if k.ID == "" {
			record = m.generatedKey(record)
		} else if old, there := m.old.keys[k.ID]; there && old.owner() == record.owner() && old.Secret == k.Secret {
			record = old
		}
		record.User, record.Active, record.Order = user, k.Status != Inactive, i
		m.next.keys[record.ID] = record
	}
}

// generatedKey is the owner's next key that was generated before, or a new one.
func (m *merger) generatedKey(blank KeyRecord) KeyRecord {
	owner := blank.owner()
	if kept := m.generated[owner]; len(kept) > 0 {
		m.generated[owner] = kept[1:]
		return kept[0]
	}
	blank.ID, blank.Secret, blank.Generated = newAccessKeyID(), newSecret(), true
	return blank
}

func (m *merger) cluster(c *Cluster, account string, order int) {
	key := clusterKey(account, c.Region, c.Name)
	old, there := m.old.clusters[key]
	record := ClusterRecord{
		Account: account, Region: c.Region, Name: c.Name, Version: c.Version, Order: order,
		Endpoint: c.Endpoint, OIDCIssuer: c.OIDCIssuer, RunningIssuer: old.RunningIssuer, Unregistered: !c.registersIssuer(),
		AuthenticationMode: cmp.Or(c.AuthenticationMode, defaultAuthenticationMode),
		MapRoles:           slices.Clone(c.MapRoles), MapUsers: slices.Clone(c.MapUsers), MapAccounts: slices.Clone(c.MapAccounts),
		Created: m.created(old.Created, there),
	}
	record.CertificateAuthority, _ = certificates(c.CertificateAuthority) // checked before
	if c.Endpoint == "" && strings.TrimSpace(c.CertificateAuthority) == "" {
		record.Endpoint, record.CertificateAuthority = old.Endpoint, old.CertificateAuthority
	}
	record.RoleARN, record.Tags, record.Updates = c.RoleARN, slices.Clone(c.Tags), old.Updates
	for _, e := range c.AccessEntries {
		r := EntryRecord{AccessEntry: e, ID: NewUUID(), Created: m.now, Modified: m.now}
		for _, o := range old.AccessEntries {
			if o.PrincipalARN == e.PrincipalARN {
				r.ID, r.Created, r.Modified, r.Associated = o.ID, o.Created, o.Modified, o.Associated
			}
		}
		record.AccessEntries = append(record.AccessEntries, r)
	}
	for _, p := range c.PodIdentityAssociations {
		r := PodIdentityRecord{PodIdentityAssociation: p, Created: m.now, Modified: m.now}
		for _, o := range old.PodIdentities {
			if o.Namespace == p.Namespace && o.ServiceAccount == p.ServiceAccount {
				r.ID, r.Created, r.Modified = cmp.Or(p.ID, o.ID), o.Created, o.Modified
			}
		}
		r.ID = cmp.Or(r.ID, NewAssociationID())
		record.PodIdentities = append(record.PodIdentities, r)
	}
	m.next.clusters[key] = record
}
