package awslocal

import (
	_ "embed" // of the default world
	"io"
	"log/slog"
	"os"
)

// World is everything that a local AWS has when it starts. The zero value of
// a field that need not be given stands for its default.
//
// It is plain data and may hold faults; ParseWorld returns only worlds without,
// and Store.Apply takes no others.
type World struct {
	Accounts []Account `yaml:"accounts"`

	warnings []Fault
}

// Account is an AWS account. Its root user is always there.
type Account struct {
	ID        string `yaml:"id"`                  // twelve digits
	Alias     string `yaml:"alias,omitempty"`     // of the sign-in page
	Partition string `yaml:"partition,omitempty"` // "aws" when not given
	// RootAccessKeys are those of the root user, who has none otherwise.
	RootAccessKeys AccessKeys `yaml:"rootAccessKeys,omitempty"`
	// Policies are managed policies of the account's own.
	Policies []ManagedPolicy `yaml:"policies,omitempty"`
	Groups   []Group         `yaml:"groups,omitempty"`
	// Users are those that are named here, and administrator, who may do
	// everything.
	Users []User `yaml:"users,omitempty"`
	// Administrator says whether there is a user administrator who is not named in
	// Users; true when not given.
	Administrator *bool  `yaml:"administrator,omitempty"`
	Roles         []Role `yaml:"roles,omitempty"`

	// OIDCProviders are the identity providers that the account knows, besides
	// the issuers of its clusters.
	OIDCProviders []OIDCProvider `yaml:"oidcProviders,omitempty"`
	Clusters      []Cluster      `yaml:"clusters,omitempty"`
}

// User is an IAM user.
type User struct {
	Name string `yaml:"name"`
	Path string `yaml:"path,omitempty"` // "/" when not given
	ID   string `yaml:"id,omitempty"`   // AIDA…, generated when not given
	// AccessKeys is nil for one key that is generated, and empty for none.
	AccessKeys AccessKeys `yaml:"accessKeys,omitempty"`
	Groups     []string   `yaml:"groups,omitempty"` // names
	// ManagedPolicies are ARNs: of the account's policies, or of AWS's own.
	ManagedPolicies     []string       `yaml:"managedPolicies,omitempty"`
	InlinePolicies      []InlinePolicy `yaml:"inlinePolicies,omitempty"`
	PermissionsBoundary string         `yaml:"permissionsBoundary,omitempty"` // ARN of a managed policy
	Tags                []Tag          `yaml:"tags,omitempty"`
}

// Group is an IAM group.
type Group struct {
	Name            string         `yaml:"name"`
	Path            string         `yaml:"path,omitempty"` // "/" when not given
	ID              string         `yaml:"id,omitempty"`   // AGPA…, generated when not given
	ManagedPolicies []string       `yaml:"managedPolicies,omitempty"`
	InlinePolicies  []InlinePolicy `yaml:"inlinePolicies,omitempty"`
}

// InlinePolicy is a policy of one user, group or role.
type InlinePolicy struct {
	Name     string         `yaml:"name" json:"name"`
	Document PolicyDocument `yaml:"document" json:"document"`
}

// ManagedPolicy is a managed policy of an account. Document is its only version,
// or Versions are all of them.
type ManagedPolicy struct {
	Name        string          `yaml:"name"`
	Path        string          `yaml:"path,omitempty"` // "/" when not given
	ID          string          `yaml:"id,omitempty"`   // ANPA…, generated when not given
	Description string          `yaml:"description,omitempty"`
	Document    PolicyDocument  `yaml:"document,omitempty"`
	Versions    []PolicyVersion `yaml:"versions,omitempty"`
	// DefaultVersion is the one of Versions that is in force.
	DefaultVersion string `yaml:"defaultVersion,omitempty"`
	Tags           []Tag  `yaml:"tags,omitempty"`
}

// PolicyVersion is a version of a managed policy.
type PolicyVersion struct {
	ID       string         `yaml:"id"` // v1, v2, …
	Document PolicyDocument `yaml:"document"`
}

// Tag is a tag of a user, a role, a policy, an identity provider.
type Tag struct {
	Key   string `yaml:"key" json:"key"`
	Value string `yaml:"value" json:"value"`
}

// AccessKeys are the long-term access keys of one principal.
type AccessKeys []AccessKey

// IsZero tells the YAML encoder that no list and an empty one differ.
func (k AccessKeys) IsZero() bool { return k == nil }

// AccessKey is a long-term access key. ID and Secret are given both, or
// neither: then they are generated and kept.
type AccessKey struct {
	ID     string    `yaml:"id,omitempty"`
	Secret Secret    `yaml:"secret,omitempty"`
	Status KeyStatus `yaml:"status,omitempty"` // Active when not given
}

// KeyStatus says whether an access key may be used.
type KeyStatus string

// The statuses of access keys, as IAM writes them.
const (
	Active   KeyStatus = "Active"
	Inactive KeyStatus = "Inactive"
)

// Role is an IAM role. TrustPolicy or ServiceAccounts is given, or both: then
// whoever either of them names may assume the role.
type Role struct {
	Name string `yaml:"name"`
	Path string `yaml:"path,omitempty"` // "/" when not given
	ID   string `yaml:"id,omitempty"`   // AROA…, generated when not given
	// ServiceAccounts may assume the role with their tokens. They stand for
	// statements of the trust policy, and follow the cluster's issuer when its
	// URL changes.
	ServiceAccounts []ServiceAccount `yaml:"serviceAccounts,omitempty"`
	TrustPolicy     PolicyDocument   `yaml:"trustPolicy,omitempty"`
	// MaxSessionDuration is in seconds, 3600 to 43200; 3600 when not given.
	MaxSessionDuration int            `yaml:"maxSessionDuration,omitempty"`
	Description        string         `yaml:"description,omitempty"`
	ManagedPolicies    []string       `yaml:"managedPolicies,omitempty"` // ARNs
	InlinePolicies     []InlinePolicy `yaml:"inlinePolicies,omitempty"`
	// PermissionsBoundary is the ARN of a managed policy.
	PermissionsBoundary string `yaml:"permissionsBoundary,omitempty"`
	Tags                []Tag  `yaml:"tags,omitempty"`
}

// ServiceAccount is a service account of a cluster in the role's account.
type ServiceAccount struct {
	Cluster   string `yaml:"cluster" json:"cluster"` // name, or ARN
	Namespace string `yaml:"namespace" json:"namespace"`
	Name      string `yaml:"name" json:"name"`
}

// OIDCProvider is an OpenID Connect identity provider as IAM has it. Its URL is
// the issuer of its tokens, to the letter.
type OIDCProvider struct {
	URL       string   `yaml:"url"`
	ClientIDs []string `yaml:"clientIds,omitempty"` // the audiences that it accepts
	// Thumbprints are kept and have no effect, as in AWS where a certificate
	// authority vouches for the issuer.
	Thumbprints []string `yaml:"thumbprints,omitempty"`
	Tags        []Tag    `yaml:"tags,omitempty"`
}

// Cluster is an EKS cluster, with what its aws-auth ConfigMap maps.
type Cluster struct {
	Name    string `yaml:"name"`
	Region  string `yaml:"region"`
	Version string `yaml:"version,omitempty"` // of Kubernetes, such as 1.37

	// Endpoint is the URL of the API server, and CertificateAuthority its CA
	// as PEM or as base64 of PEM. Whoever starts a control plane sets them
	// with Store.SetClusterEndpoint.
	Endpoint             string `yaml:"endpoint,omitempty"`
	CertificateAuthority string `yaml:"certificateAuthority,omitempty"`
	// OIDCIssuer is the URL of the issuer of the cluster's service-account
	// tokens. Whoever starts an issuer sets it with Store.SetClusterIssuer.
	OIDCIssuer string `yaml:"oidcIssuer,omitempty"`
	// OIDCProvider says whether the issuer, whatever its URL, is a provider of
	// the account, for the audience sts.amazonaws.com; true when not given.
	OIDCProvider *bool `yaml:"oidcProvider,omitempty"`

	AuthenticationMode AuthenticationMode `yaml:"authenticationMode,omitempty"` // CONFIG_MAP when not given

	MapRoles    []RoleMapping `yaml:"mapRoles,omitempty"`
	MapUsers    []UserMapping `yaml:"mapUsers,omitempty"`
	MapAccounts []string      `yaml:"mapAccounts,omitempty"`

	// AccessEntries let principals in without aws-auth, in the modes that say so.
	AccessEntries []AccessEntry `yaml:"accessEntries,omitempty"`
	// PodIdentityAssociations give roles to service accounts without an issuer.
	PodIdentityAssociations []PodIdentityAssociation `yaml:"podIdentityAssociations,omitempty"`
	RoleARN                 string                   `yaml:"roleArn,omitempty"` // of the cluster itself
	Tags                    []Tag                    `yaml:"tags,omitempty"`
}

// AccessEntry is an access entry of a cluster.
type AccessEntry struct {
	PrincipalARN string   `yaml:"principalArn" json:"principalArn"`
	Type         string   `yaml:"type,omitempty" json:"type,omitempty"`         // STANDARD when not given
	Username     string   `yaml:"username,omitempty" json:"username,omitempty"` // EKS's default when not given
	Groups       []string `yaml:"groups,omitempty" json:"groups,omitempty"`
	// AccessPolicies are EKS's names for rights in Kubernetes.
	AccessPolicies []AccessPolicy `yaml:"accessPolicies,omitempty" json:"accessPolicies,omitempty"`
	Tags           []Tag          `yaml:"tags,omitempty" json:"tags,omitempty"`
}

// AccessPolicy is an access policy of an entry.
type AccessPolicy struct {
	Policy     string   `yaml:"policy" json:"policy"`                             // name, such as AmazonEKSViewPolicy
	Namespaces []string `yaml:"namespaces,omitempty" json:"namespaces,omitempty"` // the whole cluster when not given
}

// PodIdentityAssociation gives a role to a service account.
type PodIdentityAssociation struct {
	ID             string `yaml:"id,omitempty" json:"id"` // a-…, generated when not given
	Namespace      string `yaml:"namespace" json:"namespace"`
	ServiceAccount string `yaml:"serviceAccount" json:"serviceAccount"`
	RoleARN        string `yaml:"roleArn" json:"roleArn"`
	Tags           []Tag  `yaml:"tags,omitempty" json:"tags,omitempty"`
}

// AuthenticationMode says where a cluster looks for its users.
type AuthenticationMode string

// The authentication modes of EKS.
const (
	ConfigMapMode       AuthenticationMode = "CONFIG_MAP"
	APIAndConfigMapMode AuthenticationMode = "API_AND_CONFIG_MAP"
	APIMode             AuthenticationMode = "API"
)

// Secret is a secret access key. Printed or logged it shows nothing; encoded as
// YAML or JSON it is itself.
type Secret string

func (Secret) String() string       { return "(secret)" }
func (Secret) GoString() string     { return `awslocal.Secret("(secret)")` }
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

//go:embed world.yaml
var defaultWorld string

// DefaultWorldYAML is the file of the default world: the example of the
// documentation, commented so as to be a template for others.
func DefaultWorldYAML() []byte { return []byte(defaultWorld) }

// DefaultWorld is the world when none is given.
func DefaultWorld() (*World, error) { return ParseWorld("default world", DefaultWorldYAML()) }

// ReadWorld reads the world file at path. The error is a *WorldError if the
// file could be read.
func ReadWorld(path string) (*World, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := io.ReadAll(io.LimitReader(f, maxWorldSize+1))
	if err != nil {
		return nil, err
	}
	return ParseWorld(path, doc)
}

// Warnings are what is unwise in a parsed world, and taken all the same.
func (w *World) Warnings() []Fault { return w.warnings }

// YAML is the world as a world file. It has the secrets of all access keys that
// the world has.
func (w *World) YAML() ([]byte, error) { return encodeYAML(w) }
