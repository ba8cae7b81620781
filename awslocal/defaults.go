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
