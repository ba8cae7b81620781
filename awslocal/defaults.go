package awslocal

import "cmp"

// What the zero values of a world stand for.
const (
	defaultPartition          = "aws"
	defaultPath               = "/"
	defaultMaxSessionDuration = 3600 // seconds
	defaultAuthenticationMode = ConfigMapMode
)

func (a *Account) partition() string { return cmp.Or(a.Partition, defaultPartition) }

// registersIssuer says whether the cluster's issuer is a provider of its account.
func (c *Cluster) registersIssuer() bool { return c.OIDCProvider == nil || *c.OIDCProvider }

func orSlash(path string) string { return cmp.Or(path, defaultPath) }

// unless is value, or the zero value if it is the default: the inverse of cmp.Or.
func unless[T comparable](value, normal T) T {
	if value == normal {
		var zero T
		return zero
	}
	return value
}

// administrator is the user of each account who may do everything, unless the
// world says otherwise of a user of that name.
const administrator = "administrator"

// hasAdministrator says whether there is one whom the world does not name.
func (a *Account) hasAdministrator() bool { return a.Administrator == nil || *a.Administrator }

// firstVersion is that of a managed policy with one document.
const firstVersion = "v1"

// versions are those of the world, or the one that Document stands for.
func (p *ManagedPolicy) versions() []PolicyVersion {
	if len(p.Versions) > 0 {
		return p.Versions
	}
	return []PolicyVersion{{firstVersion, p.Document}}
}
