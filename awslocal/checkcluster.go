package awslocal

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

func authenticationModes() []string {
	return []string{string(ConfigMapMode), string(APIAndConfigMapMode), string(APIMode)}
}

func (c *checker) cluster(k *Cluster, a *Account, d *census, seen map[string]string, path string) {
	switch {
	case k.Name == "":
		c.fail(path, "give name", "the cluster has no name")
	case !clusterNameShape(k.Name):
		c.fail(path+".name", "1 to 100 letters, digits, - and _, a letter or digit first", "%s is not the name of a cluster", quote(k.Name))
	}
	c.region(k.Region, a, path)
	if k.Name != "" {
		c.once(seen, k.Region+"/"+k.Name, path+".name", "a cluster called "+k.Name+" in "+k.Region)
	}
	if k.Version != "" && !versionShape(k.Version) {
		c.fail(path+".version", `write it as "1.37"`, "%s is not a version of Kubernetes", quote(k.Version))
	}
	c.url(k.Endpoint, path+".endpoint")
	if k.OIDCIssuer != "" {
		if err := CheckIssuer(k.OIDCIssuer); err != nil {
			c.fail(path+".oidcIssuer", "", "%v", err)
		}
	}
	if _, err := certificates(k.CertificateAuthority); err != nil {
		c.fail(path+".certificateAuthority", "give PEM, or base64 of PEM", "%v", err)
	}
	if m := string(k.AuthenticationMode); m != "" && !slices.Contains(authenticationModes(), m) {
		c.fail(path+".authenticationMode", didYouMean(m, authenticationModes()), "EKS has no authentication mode %s", quote(m))
	}
	c.checkMappings(k, path)
	c.mapped(k, d, path)
	c.entries(k, a, d, path)
}

func (c *checker) region(region string, a *Account, path string) {
	p, ok := arn.PartitionOfRegion(region)
	switch {
	case region == "":
		c.fail(path, "give region, such as us-east-1", "the cluster has no region")
	case !ok:
		c.fail(path+".region", "such as us-east-1", "%s is not a region of AWS", quote(region))
	case p.ID != a.partition():
		c.fail(path+".region", "", "%s is a region of the partition %s, and the account is of %s", quote(region), p.ID, a.partition())
	}
}

func (c *checker) url(s, path string) {
	if s == "" {
		return
	}
	if err := checkURL(s); err != nil {
		c.fail(path, "", "%v", err)
	}
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New(quote(s) + " is not an https URL")
	}
	return nil
}

// certificates reads a bundle of CA certificates, PEM or base64 of PEM, and
// returns it as PEM. None at all is an empty bundle.
func certificates(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	if !strings.HasPrefix(s, "-----BEGIN ") {
		decoded, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", errors.New("this is neither PEM nor base64")
		}
		s = strings.TrimSpace(string(decoded))
	}
	rest := []byte(s)
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return "", errors.New("this has something that is not a PEM certificate")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", errors.New("a certificate cannot be read")
		}
	}
	return s + "\n", nil
}
