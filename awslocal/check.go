package awslocal

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/eksauth/eksauth/arn"
)

// Shapes of names, from botocore's models of IAM and EKS.
var (
	aliasShape       = pattern(`^[a-z0-9](-?[a-z0-9])*$`)
	nameShape        = pattern(`^[\w+=,.@-]{1,64}$`)  // of users and roles
	longNameShape    = pattern(`^[\w+=,.@-]{1,128}$`) // of groups and policies
	pathShape        = pattern(`^(/|/[!-~]+/)$`)
	clusterNameShape = pattern(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)
	versionShape     = pattern(`^[0-9]{1,2}\.[0-9]{1,3}$`)
	keyIDShape       = pattern(`^\w{16,128}$`)
	uniqueIDShape    = pattern(`^[A-Z0-9]{16,128}$`)
)

// pattern compiles at the first use: eksauth starts for every kubectl command,
// and hardly any of them reads a world.
func pattern(expr string) func(string) bool {
	re := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
	return func(s string) bool { return re().MatchString(s) }
}

const (
	maxPath = 512 // characters of an IAM path

	// maxAccessKeys is IAM's quota for one user.
	maxAccessKeys = 2
)

// checker checks a world and remembers what must not be there twice.
type checker struct {
	*notes
	accounts  map[string]string // where each was seen, by id
	aliases   map[string]string
	keys      map[string]string // access keys, by id
	uniqueIDs map[string]string
}

// check notes everything that is wrong with the world.
func (w *World) check(n *notes) {
	c := &checker{n, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	if len(w.Accounts) == 0 && len(n.faults) == 0 {
		c.fail("accounts", "a world has at least one account", "there are no accounts")
	}
	d := newCensus(w)
	for i := range w.Accounts {
		c.account(&w.Accounts[i], d, indexPath("accounts", i))
	}
}

func (c *checker) account(a *Account, d *census, path string) {
	if !arn.IsAccountID(a.ID) {
		c.fail(path+".id", "an account id has twelve digits; put it in quotes", "%s is not an account id", quote(a.ID))
	}
	c.once(c.accounts, a.ID, path+".id", "the account "+a.ID)
	if a.Alias != "" {
		if !IsAccountAlias(a.Alias) {
			c.fail(path+".alias", "3 to 63 lower-case letters, digits and single hyphens", "%s is not an account alias", quote(a.Alias))
		}
		c.once(c.aliases, a.Alias, path+".alias", "the alias "+a.Alias)
	}
	if _, ok := arn.PartitionByID(a.partition()); !ok {
		c.fail(path+".partition", didYouMean(a.Partition, partitionIDs()), "AWS has no partition %s", quote(a.Partition))
	}
	c.accessKeys(a.RootAccessKeys, path+".rootAccessKeys")
	c.policies(a, path)
	users := map[string]string{}
	for i := range a.Users {
		c.user(&a.Users[i], a, users, indexPath(path+".users", i))
	}
	roles := map[string]string{}
	for i := range a.Roles {
		c.role(&a.Roles[i], a, d, roles, indexPath(path+".roles", i))
	}
	providers := map[string]string{}
	for i := range a.OIDCProviders {
		c.provider(&a.OIDCProviders[i], providers, indexPath(path+".oidcProviders", i))
	}
	clusters := map[string]string{}
	for i := range a.Clusters {
		c.cluster(&a.Clusters[i], a, d, clusters, indexPath(path+".clusters", i))
	}
}

func (c *checker) user(u *User, a *Account, seen map[string]string, path string) {
	c.name("user", u.Name, u.Path, seen, path)
	c.uniqueID(u.ID, userIDPrefix, path+".id")
	c.accessKeys(u.AccessKeys, path+".accessKeys")
	c.attached(a, u.ManagedPolicies, u.InlinePolicies, u.PermissionsBoundary, path)
	c.tags(u.Tags, path+".tags")
	for i, name := range u.Groups {
		if !slices.ContainsFunc(a.Groups, func(g Group) bool { return strings.EqualFold(g.Name, name) }) {
			c.fail(indexPath(path+".groups", i), didYouMean(name, a.groupNames()), "the account has no group %s", quote(name))
		}
	}
}

func (c *checker) role(r *Role, a *Account, d *census, seen map[string]string, path string) {
	c.name("role", r.Name, r.Path, seen, path)
	c.uniqueID(r.ID, roleIDPrefix, path+".id")
	c.attached(a, r.ManagedPolicies, r.InlinePolicies, r.PermissionsBoundary, path)
	c.tags(r.Tags, path+".tags")
	if m := r.MaxSessionDuration; m != 0 && (m < 3600 || m > 43200) {
		c.fail(path+".maxSessionDuration", "write seconds, from 3600 to 43200", "%d is not how long a role's sessions may last", m)
	}
	for i, s := range r.ServiceAccounts {
		c.serviceAccount(s, a, indexPath(path+".serviceAccounts", i))
	}
	if r.TrustPolicy == "" && len(r.ServiceAccounts) > 0 {
		return
	}
	if policy := c.checkTrust(r.TrustPolicy, path+".trustPolicy"); policy != nil {
		c.trusted(policy, a, d, path+".trustPolicy")
	}
}

// name checks the name and the path of a user, a role, a group or a policy. Names
// are unique within an account, whatever their path and case.
//
// Source: "IAM and AWS STS quotas" in the IAM user guide (name requirements).
func (c *checker) name(kind, name, path string, seen map[string]string, at string) {
	shape, most := nameShape, 64
	if kind == "group" || kind == "policy" {
		shape, most = longNameShape, 128
	}
	switch {
	case name == "":
		c.fail(at, "give name", "the %s has no name", kind)
	case !shape(name):
		c.fail(at+".name", fmt.Sprintf("1 to %d letters, digits and any of _+=,.@-", most), "%s is not the name of a %s", quote(name), kind)
	}
	c.once(seen, strings.ToLower(name), at+".name", "a "+kind+" called "+name)
	if path == "" {
		return
	}
	if !IsPath(path) {
		c.fail(at+".path", "write / or /a/b/", "%s is not a path", quote(path))
	}
}

// IsPath says whether s is an IAM path: /, or /a/b/.
func IsPath(s string) bool { return len(s) <= maxPath && pathShape(s) && !strings.Contains(s, "//") }

// IsServiceAccount says whether Kubernetes allows the names.
func IsServiceAccount(namespace, name string) bool {
	return len(namespace) <= maxNamespace && namespaceShape(namespace) && len(name) <= maxDNSName && serviceAccountShape(name)
}

// IsClusterName says whether EKS allows the name of a cluster.
func IsClusterName(s string) bool { return clusterNameShape(s) }

// IsAccountAlias says whether s can be an account's alias, which is looked up
// where account ids are.
func IsAccountAlias(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && aliasShape(s) && !arn.IsAccountID(s)
}

// IsKubernetesVersion says whether s is a version as EKS has them, such as 1.37.
func IsKubernetesVersion(s string) bool { return versionShape(s) }

// uniqueID checks an id that is given rather than generated.
//
// Source: "IAM identifiers" in the IAM user guide (unique identifiers).
func (c *checker) uniqueID(id, prefix, path string) {
	if id == "" {
		return
	}
	if !strings.HasPrefix(id, prefix) || !uniqueIDShape(id) {
		c.fail(path, "leave it out and it is generated", "%s is not a unique id: %s and 12 or more capital letters and digits", quote(id), prefix)
	}
	c.once(c.uniqueIDs, id, path, "the id "+id)
}

func (c *checker) accessKeys(keys AccessKeys, path string) {
	if len(keys) > maxAccessKeys {
		c.fail(path, "", "%d access keys, and IAM allows %d", len(keys), maxAccessKeys)
	}
	for i, k := range keys {
		c.accessKey(k, indexPath(path, i))
	}
}

func (c *checker) accessKey(k AccessKey, path string) {
	if k.Status != "" && k.Status != Active && k.Status != Inactive {
		c.fail(path+".status", didYouMean(string(k.Status), []string{string(Active), string(Inactive)}), "%s is not the status of an access key", quote(string(k.Status)))
	}
	const hint = "leave out id and secret, and they are generated"
	switch {
	case k.ID == "" && k.Secret == "":
		return
	case k.ID == "" || k.Secret == "":
		c.fail(path, "give id and secret, or neither", "the access key has only half of what it needs")
		return
	case strings.HasPrefix(k.ID, "ASIA"):
		c.fail(path+".id", hint, "ASIA begins the keys of sessions")
	case !keyIDShape(k.ID):
		c.fail(path+".id", hint, "%s is not the id of an access key: 16 to 128 letters and digits", quote(k.ID))
	}
	if n := len(k.Secret); n < 16 || n > 128 || strings.ContainsFunc(string(k.Secret), func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.fail(path+".secret", hint, "this is not a secret access key: 16 to 128 characters of ASCII without spaces")
	}
	c.once(c.keys, k.ID, path+".id", "the access key "+k.ID)
}

// once notes a fault if the key has been seen before. Nothing is said of what
// is not there at all.
func (c *checker) once(seen map[string]string, key, path, what string) {
	if key == "" {
		return
	}
	first, there := seen[key]
	if !there {
		seen[key] = path
		return
	}
	if line := c.source.line(first); line > 0 {
		c.fail(path, "keep one of them", "%s is there already, in line %d", what, line)
		return
	}
	c.fail(path, "keep one of them", "%s is there already: %s", what, first)
}

func partitionIDs() []string {
	var ids []string
	for _, p := range arn.Partitions() {
		ids = append(ids, p.ID)
	}
	return ids
}
