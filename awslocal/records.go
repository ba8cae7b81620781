package awslocal

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// schema is the version of everything below. A program that does not know a
// version must not touch the file.
const schema = 3

// The tables of a store, each a bucket.
const (
	accountTable table[AccountRecord] = "accounts"   // by account id
	userTable    table[UserRecord]    = "users"      // by nameKey
	roleTable    table[RoleRecord]    = "roles"      // by nameKey
	keyTable     table[KeyRecord]     = "accessKeys" // by access key id
	clusterTable table[ClusterRecord] = "clusters"   // by clusterKey

	providerTable table[ProviderRecord] = "oidcProviders" // by providerKey; since schema 2

	groupTable  table[GroupRecord]  = "groups"   // by nameKey; since schema 3
	policyTable table[PolicyRecord] = "policies" // by nameKey; since schema 3
)

// nameKey is where a user or a role stands. Names are unique within an account
// without regard to case.
func nameKey(account, name string) string { return account + "/" + strings.ToLower(name) }

// clusterKey is where a cluster stands. The case of its name counts.
func clusterKey(account, region, name string) string { return account + "/" + region + "/" + name }

// providerKey is where an identity provider stands. The case of its URL counts.
func providerKey(account, url string) string { return account + "/" + url }

// Records have all defaults filled in. Order is the place in the world file, or
// behind all of it for what an API made; lists are in that order, and then in that
// of their keys.

// AccountRecord is an account.
type AccountRecord struct {
	ID        string `json:"id"`
	Alias     string `json:"alias,omitempty"`
	Partition string `json:"partition"`
	Order     int    `json:"order"`
}

// Attachments are the policies of a user, a group or a role.
type Attachments struct {
	Inline   []InlinePolicy `json:"inline,omitempty"`   // by name
	Managed  []string       `json:"managed,omitempty"`  // ARNs, as attached
	Boundary string         `json:"boundary,omitempty"` // ARN; groups have none
}

// UserRecord is an IAM user.
type UserRecord struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ID      string    `json:"id"`
	Groups  []string  `json:"groups,omitempty"` // names
	Tags    []Tag     `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Order   int       `json:"order"`
	Attachments
}

// Principal is the user as policies name it.
func (u UserRecord) Principal(partition string) arn.Principal {
	return arn.Principal{Kind: arn.User, Partition: partition, AccountID: u.Account, Path: u.Path, Name: u.Name}
}

// RoleRecord is an IAM role.
type RoleRecord struct {
	Account            string           `json:"account"`
	Name               string           `json:"name"`
	Path               string           `json:"path"`
	ID                 string           `json:"id"`
	ServiceAccounts    []ServiceAccount `json:"serviceAccounts,omitempty"`
	TrustPolicy        PolicyDocument   `json:"trustPolicy,omitempty"`
	MaxSessionDuration int              `json:"maxSessionDuration"` // seconds
	Description        string           `json:"description,omitempty"`
	Tags               []Tag            `json:"tags,omitempty"`
	Created            time.Time        `json:"created"`
	Order              int              `json:"order"`
	Attachments
}

// Principal is the role as policies name it.
func (r RoleRecord) Principal(partition string) arn.Principal {
	return arn.Principal{Kind: arn.Role, Partition: partition, AccountID: r.Account, Path: r.Path, Name: r.Name}
}

// GroupRecord is an IAM group.
type GroupRecord struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Order   int       `json:"order"`
	Attachments
}

// PolicyRecord is a customer managed policy.
type PolicyRecord struct {
	Account     string          `json:"account"`
	Name        string          `json:"name"`
	Path        string          `json:"path"`
	ID          string          `json:"id"`
	Description string          `json:"description,omitempty"`
	Versions    []VersionRecord `json:"versions"`       // in the order of the world, then from the oldest
	Default     string          `json:"default"`        // the version in force
	Last        int             `json:"last,omitempty"` // number of the last version that there was
	Tags        []Tag           `json:"tags,omitempty"`
	Created     time.Time       `json:"created"`
	Updated     time.Time       `json:"updated"`
	Order       int             `json:"order"`
}

// ARN names the group.
func (g GroupRecord) ARN(partition string) string {
	return "arn:" + partition + ":iam::" + g.Account + ":group" + g.Path + g.Name
}

// VersionRecord is a version of a managed policy.
type VersionRecord struct {
	ID       string         `json:"id"` // v1, v2, …
	Document PolicyDocument `json:"document"`
	Created  time.Time      `json:"created"`
}

// ARN names the policy.
func (p PolicyRecord) ARN(partition string) string {
	return "arn:" + partition + ":iam::" + p.Account + ":policy" + p.Path + p.Name
}

// LastVersion is the highest number that a version has, or had.
func (p PolicyRecord) LastVersion() int {
	last := p.Last
	for _, v := range p.Versions {
		n, _ := strconv.Atoi(v.ID[1:]) // checked when it was made
		last = max(last, n)
	}
	return last
}

// Document is that of the version in force.
func (p PolicyRecord) Document() PolicyDocument {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// KeyRecord is a long-term access key. It belongs to the account's root if User is "".
type KeyRecord struct {
	ID        string    `json:"id"`
	Secret    Secret    `json:"secret"`
	Active    bool      `json:"active"`
	Account   string    `json:"account"`
	User      string    `json:"user,omitempty"` // name
	Generated bool      `json:"generated,omitempty"`
	Created   time.Time `json:"created"`
	Order     int       `json:"order"` // among the keys of its owner
}

// owner is the nameKey of the user, or of nobody: the root.
func (k KeyRecord) owner() string { return nameKey(k.Account, k.User) }

// ProviderRecord is an OpenID Connect provider.
type ProviderRecord struct {
	Account     string    `json:"account"`
	URL         string    `json:"url"`
	ClientIDs   []string  `json:"clientIds"`
	Thumbprints []string  `json:"thumbprints,omitempty"`
	Tags        []Tag     `json:"tags,omitempty"`
	Created     time.Time `json:"created"`
	Order       int       `json:"order"`
}

// ARN names the provider.
func (p ProviderRecord) ARN(partition string) string { return providerARN(partition, p.Account, p.URL) }

// ClusterRecord is an EKS cluster.
type ClusterRecord struct {
	Account              string              `json:"account"`
	Region               string              `json:"region"`
	Name                 string              `json:"name"`
	Version              string              `json:"version,omitempty"`
	Endpoint             string              `json:"endpoint,omitempty"`
	CertificateAuthority string              `json:"certificateAuthority,omitempty"` // PEM
	OIDCIssuer           string              `json:"oidcIssuer,omitempty"`           // of the world
	RunningIssuer        string              `json:"runningIssuer,omitempty"`        // in its absence: SetClusterIssuer's
	Unregistered         bool                `json:"unregistered,omitempty"`         // the issuer is no provider
	AuthenticationMode   AuthenticationMode  `json:"authenticationMode"`
	MapRoles             []RoleMapping       `json:"mapRoles,omitempty"`
	MapUsers             []UserMapping       `json:"mapUsers,omitempty"`
	MapAccounts          []string            `json:"mapAccounts,omitempty"`
	RoleARN              string              `json:"roleArn,omitempty"`
	Tags                 []Tag               `json:"tags,omitempty"`
	AccessEntries        []EntryRecord       `json:"accessEntries,omitempty"`
	PodIdentities        []PodIdentityRecord `json:"podIdentities,omitempty"`
	Updates              []UpdateRecord      `json:"updates,omitempty"` // the last ones
	Request              string              `json:"request,omitempty"` // that made it, as the API knows it again
	Created              time.Time           `json:"created"`
	Order                int                 `json:"order"`
}

// EntryRecord is an access entry of a cluster.
type EntryRecord struct {
	AccessEntry
	ID         string           `json:"id"` // UUID, in its ARN
	Created    time.Time        `json:"created"`
	Modified   time.Time        `json:"modified"`
	Associated map[string]Times `json:"associated,omitempty"` // by access policy; as the entry's own if there is none
	Request    string           `json:"request,omitempty"`    // that made it
}

// Times are when something was made and last changed.
type Times struct {
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

// Times are those of an access policy's association.
func (e EntryRecord) Times(policy string) Times {
	if t, ok := e.Associated[policy]; ok {
		return t
	}
	return Times{e.Created, e.Modified}
}

// PodIdentityRecord is a pod identity association of a cluster.
type PodIdentityRecord struct {
	PodIdentityAssociation
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Request  string    `json:"request,omitempty"` // that made it
}

// UpdateRecord is a change of a cluster's configuration. It is done when it is
// answered.
type UpdateRecord struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Name    string    `json:"name"` // of the parameter
	Value   string    `json:"value"`
	Created time.Time `json:"created"`
	Request string    `json:"request,omitempty"`
}

// Issuer is the URL of the issuer of the cluster's tokens in force; "" when there
// is none.
func (c ClusterRecord) Issuer() string { return c.issuer() }

// issuer is the URL of the issuer in force; "" when there is none.
func (c ClusterRecord) issuer() string { return cmp.Or(c.OIDCIssuer, c.RunningIssuer) }
