package awslocal

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Bounds of an identity provider.
//
// Source: botocore's model of IAM, and "IAM and AWS STS quotas".
const (
	maxIssuer      = 255 // characters
	maxClientID    = 255 // characters
	maxClientIDs   = 100
	maxThumbprints = 5
)

// Shapes of what a service account is found by (RFC 1123, as Kubernetes reads
// it), and of a certificate's SHA-1.
var (
	namespaceShape      = pattern(`^` + dnsLabel + `$`)
	serviceAccountShape = pattern(`^` + dnsLabel + `(\.` + dnsLabel + `)*$`)
	thumbprintShape     = pattern(`^[0-9A-Fa-f]{40}$`)
)

const (
	dnsLabel     = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	maxNamespace = 63
	maxDNSName   = 253
)

// CheckIssuer checks the URL of an issuer. It is compared to the letter with
// the iss of tokens and stands in ARNs and condition keys, so nothing is
// tidied up.
//
// Source: "CreateOpenIDConnectProvider" in the IAM API reference. Ports, which
// it advises against, are allowed: issuers on loopback have them.
func CheckIssuer(s string) error {
	if err := checkURL(s); err != nil {
		return err
	}
	switch {
	case !strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "https://:"):
		return errors.New(quote(s) + " does not begin with https:// and a host")
	case len(s) > maxIssuer:
		return errors.New("an issuer's URL has at most 255 characters")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(s, `?#*$"\`):
		return errors.New(quote(s) + " is not an issuer's URL: it has a query, a fragment or a character that has no place there")
	}
	return nil
}

func (c *checker) provider(p *OIDCProvider, seen map[string]string, path string) {
	if p.URL == "" {
		c.fail(path, "give url, as in the iss of its tokens", "the identity provider has no URL")
	} else if err := CheckIssuer(p.URL); err != nil {
		c.fail(path+".url", "such as https://oidc.example.com/id/1", "%v", err)
	} else if strings.HasSuffix(p.URL, "/") {
		c.warn(path+".url", "remove it, unless the iss of the tokens has it", "the URL ends with a slash")
	}
	c.once(seen, p.URL, path+".url", "the identity provider "+p.URL)
	c.tags(p.Tags, path+".tags")
	switch n := len(p.ClientIDs); {
	case n == 0: // as IAM has it once the last client id was removed
		c.warn(path, "clientIds: [sts.amazonaws.com] is what service accounts use", "the identity provider accepts no audience")
	case n > maxClientIDs:
		c.fail(path+".clientIds", "", "%d client ids, and IAM allows %d", n, maxClientIDs)
	}
	ids := map[string]string{}
	for i, id := range p.ClientIDs {
		at := indexPath(path+".clientIds", i)
		if id == "" || utf8.RuneCountInString(id) > maxClientID {
			c.fail(at, "", "a client id has 1 to %d characters", maxClientID)
		}
		c.once(ids, id, at, "the client id "+quote(id))
	}
	if n := len(p.Thumbprints); n > maxThumbprints {
		c.fail(path+".thumbprints", "", "%d thumbprints, and IAM allows %d", n, maxThumbprints)
	}
	for i, t := range p.Thumbprints {
		if !thumbprintShape(t) {
			c.fail(indexPath(path+".thumbprints", i), "leave it out: certificates are checked by their authority", "%s is not a thumbprint of 40 hexadecimal digits", quote(t))
		}
	}
}

// serviceAccount checks one that a role trusts. The cluster must be one of the
// role's account, because that is where its issuer is a provider.
func (c *checker) serviceAccount(s ServiceAccount, a *Account, path string) {
	const patterns = "patterns need a trustPolicy with StringLike"
	switch {
	case s.Namespace == "":
		c.fail(path, "give namespace", "the service account has no namespace")
	case len(s.Namespace) > maxNamespace || !namespaceShape(s.Namespace):
		c.fail(path+".namespace", patterns, "%s is not a namespace", quote(s.Namespace))
	}
	switch {
	case s.Name == "":
		c.fail(path, "give name", "the service account has no name")
	case len(s.Name) > maxDNSName || !serviceAccountShape(s.Name):
		c.fail(path+".name", patterns, "%s is not the name of a service account", quote(s.Name))
	}
	if s.Cluster == "" {
		c.fail(path, "give cluster", "the service account has no cluster")
		return
	}
	var names []string
	var found []*Cluster
	for i := range a.Clusters {
		k := &a.Clusters[i]
		names = append(names, k.Name)
		if k.isCalled(s.Cluster, a) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0:
		hint := "only clusters of the role's own account can be named; for others give oidcProviders and a trustPolicy"
		if w := nearest(s.Cluster, names); w != "" {
			hint = "did you mean " + w + "?"
		}
		c.fail(path+".cluster", hint, "the account %s has no cluster %s", a.ID, quote(s.Cluster))
	case len(found) > 1:
		c.fail(path+".cluster", "name one by its ARN", "%d clusters of the account %s are called %s", len(found), a.ID, quote(s.Cluster))
	case !found[0].registersIssuer():
		c.warn(path+".cluster", "remove oidcProvider: false from the cluster", "the issuer of the cluster %s is no identity provider, so this service account is refused", quote(s.Cluster))
	}
}

// isCalled says whether a cluster of the account is meant by a name or an ARN.
func (k *Cluster) isCalled(nameOrARN string, a *Account) bool {
	return k.Name == nameOrARN || ClusterARN(a.partition(), k.Region, a.ID, k.Name).String() == nameOrARN
}
