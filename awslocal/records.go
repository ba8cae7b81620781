package awslocal

import (
	"cmp"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// schema is the version of everything below. A program that does not know a
// version must not touch the file.
const schema = 3

// The tables of a store, each a bucket.
const (
	accountTable table[accountRecord] = "accounts"   // by account id
	userTable    table[userRecord]    = "users"      // by nameKey
	roleTable    table[roleRecord]    = "roles"      // by nameKey
	keyTable     table[keyRecord]     = "accessKeys" // by access key id
	clusterTable table[clusterRecord] = "clusters"   // by clusterKey

	providerTable table[providerRecord] = "oidcProviders" // by providerKey; since schema 2

	groupTable  table[groupRecord]  = "groups"   // by nameKey; since schema 3
	policyTable table[policyRecord] = "policies" // by nameKey; since schema 3
)

// nameKey is where a user or a role stands. Names are unique within an account
// without regard to case.
func nameKey(account, name string) string { return account + "/" + strings.ToLower(name) }

// clusterKey is where a cluster stands. The case of its name counts.
func clusterKey(account, region, name string) string { return account + "/" + region + "/" + name }

// providerKey is where an identity provider stands. The case of its URL counts.
func providerKey(account, url string) string { return account + "/" + url }

// Records have all defaults filled in. Order is the place in the world file;
// lists are in that order, and then in that of their keys.

type accountRecord struct {
	ID        string `json:"id"`
	Alias     string `json:"alias,omitempty"`
	Partition string `json:"partition"`
	Order     int    `json:"order"`
}

// attachments are the policies of a user, a group or a role.
type attachments struct {
	Inline   []InlinePolicy `json:"inline,omitempty"`   // by name
	Managed  []string       `json:"managed,omitempty"`  // ARNs, as attached
	Boundary string         `json:"boundary,omitempty"` // ARN; groups have none
}

type userRecord struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ID      string    `json:"id"`
	Groups  []string  `json:"groups,omitempty"` // names
	Tags    []Tag     `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Order   int       `json:"order"`
	attachments
}

func (u userRecord) principal(partition string) arn.Principal {
	return arn.Principal{Kind: arn.User, Partition: partition, AccountID: u.Account, Path: u.Path, Name: u.Name}
}

type roleRecord struct {
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
	attachments
}

func (r roleRecord) principal(partition string) arn.Principal {
	return arn.Principal{Kind: arn.Role, Partition: partition, AccountID: r.Account, Path: r.Path, Name: r.Name}
}

type groupRecord struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Order   int       `json:"order"`
	attachments
}

// policyRecord is a customer managed policy.
type policyRecord struct {
	Account     string          `json:"account"`
	Name        string          `json:"name"`
	Path        string          `json:"path"`
	ID          string          `json:"id"`
	Description string          `json:"description,omitempty"`
	Versions    []policyVersion `json:"versions"` // from the oldest
	Default     string          `json:"default"`  // the version in force
	Tags        []Tag           `json:"tags,omitempty"`
	Created     time.Time       `json:"created"`
	Updated     time.Time       `json:"updated"`
	Order       int             `json:"order"`
}

type policyVersion struct {
	ID       string         `json:"id"` // v1, v2, …
	Document PolicyDocument `json:"document"`
	Created  time.Time      `json:"created"`
}

func (p policyRecord) arn(partition string) string {
	return "arn:" + partition + ":iam::" + p.Account + ":policy" + p.Path + p.Name
}

// document is the one in force.
func (p policyRecord) document() PolicyDocument {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// keyRecord belongs to the account's root if User is "".
type keyRecord struct {
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
func (k keyRecord) owner() string { return nameKey(k.Account, k.User) }

type providerRecord struct {
	Account     string    `json:"account"`
	URL         string    `json:"url"`
	ClientIDs   []string  `json:"clientIds"`
	Thumbprints []string  `json:"thumbprints,omitempty"`
	Created     time.Time `json:"created"`
	Order       int       `json:"order"`
}

type clusterRecord struct {
	Account              string             `json:"account"`
	Region               string             `json:"region"`
	Name                 string             `json:"name"`
	Version              string             `json:"version,omitempty"`
	Endpoint             string             `json:"endpoint,omitempty"`
	CertificateAuthority string             `json:"certificateAuthority,omitempty"` // PEM
	OIDCIssuer           string             `json:"oidcIssuer,omitempty"`           // of the world
	RunningIssuer        string             `json:"runningIssuer,omitempty"`        // in its absence: SetClusterIssuer's
	Unregistered         bool               `json:"unregistered,omitempty"`         // the issuer is no provider
	AuthenticationMode   AuthenticationMode `json:"authenticationMode"`
	MapRoles             []RoleMapping      `json:"mapRoles,omitempty"`
	MapUsers             []UserMapping      `json:"mapUsers,omitempty"`
	MapAccounts          []string           `json:"mapAccounts,omitempty"`
	Created              time.Time          `json:"created"`
	Order                int                `json:"order"`
}

// issuer is the URL of the issuer in force; "" when there is none.
func (c clusterRecord) issuer() string { return cmp.Or(c.OIDCIssuer, c.RunningIssuer) }
