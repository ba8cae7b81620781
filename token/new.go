package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	// Prefix is what every EKS token begins with.
	Prefix = "k8s-aws-v1."

	// ClusterIDHeader is the signed header that binds a token to one cluster.
	ClusterIDHeader = "x-k8s-aws-id"

	// Lifetime is how long STS honours a presigned request, counted from its
	// X-Amz-Date, whatever its X-Amz-Expires says.
	Lifetime = 15 * time.Minute

	// renewEarly is how long before its end a token is given back as expired,
	// so that a client never presents one that ends on the way.
	renewEarly = time.Minute

	// presignExpires is the X-Amz-Expires that aws eks get-token and
	// aws-iam-authenticator write. Old authenticators refuse more.
	presignExpires = 60 * time.Second

	action     = "GetCallerIdentity"
	apiVersion = "2011-06-15"
	service    = "sts"
)

// Options say for which cluster a token is, and which STS will be asked.
type Options struct {
	// ClusterID is the cluster's name, or on Outposts its id.
	ClusterID string
	// Region of the STS endpoint. Without one, the global endpoint of
	// partition aws is used, whose signatures are scoped to us-east-1.
	Region string
	// Endpoint, if not nil, stands in the token instead of AWS's own host for
	// the region, as AWS_ENDPOINT_URL_STS asks. Scheme and host are used.
	Endpoint *url.URL
	// Time is the moment of signing.
	Time time.Time
}

// New makes a token with c. It returns the time at which a client should stop
// using it: one minute before STS does, whole seconds, UTC.
func New(c sigv4.Credentials, o Options) (raw string, expiration time.Time, err error) {
	if o.ClusterID == "" {
		return "", time.Time{}, errors.New("make an EKS token: no cluster name")
	}
	if err := checkClusterID(o.ClusterID); err != nil {
		return "", time.Time{}, fmt.Errorf("make an EKS token: %w", err)
	}
	target, region, err := o.target()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make an EKS token: %w", err)
	}
	req, err := http.NewRequest(http.MethodGet, target.String(), nil)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make an EKS token: %w", err)
	}
	req.Header.Set(ClusterIDHeader, o.ClusterID)
	at := o.Time.UTC().Truncate(time.Second)
	signed, err := sigv4.Presign(req, sigv4.EmptyPayload, c, region, service, at, presignExpires)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make an EKS token: %w", err)
	}
	raw = Prefix + base64.RawURLEncoding.EncodeToString([]byte(signed.String()))
	if len(raw) > maxLength {
		return "", time.Time{}, fmt.Errorf("make an EKS token: it would be %d bytes long, and authenticators refuse more than %d; the session token of these credentials has %d bytes (fewer session tags or a shorter session policy make it smaller)",
			len(raw), maxLength, len(c.SessionToken))
	}
	return raw, at.Add(Lifetime - renewEarly), nil
}

func (o Options) target() (*url.URL, string, error) {
	region := o.Region
	target := &url.URL{Scheme: "https", Path: "/", RawQuery: "Action=" + action + "&Version=" + apiVersion}
	switch {
	case o.Endpoint != nil:
		if o.Endpoint.Host == "" || o.Endpoint.Scheme != "https" && o.Endpoint.Scheme != "http" {
			return nil, "", fmt.Errorf("the STS endpoint %q is not an http or https URL with a host", o.Endpoint.Redacted())
		}
		if o.Endpoint.Path != "" && o.Endpoint.Path != "/" {
			return nil, "", fmt.Errorf("the STS endpoint %q has a path; tokens have none", o.Endpoint.Redacted())
		}
		target.Scheme, target.Host = o.Endpoint.Scheme, o.Endpoint.Host
		if h, ok := arn.ParseSTSHost(o.Endpoint.Host); ok {
			region = h.Region // AWS's own host: it honours no other scope
		} else if region == "" {
			region = "us-east-1"
		}
	case region == "":
		target.Host, region = arn.GlobalSTSHostname, "us-east-1"
	default:
		host, ok := arn.STSHostname(region)
		if !ok {
			return nil, "", fmt.Errorf("%q is not the name of an AWS region", region)
		}
		target.Host = host
	}
	return target, region, nil
}

// checkClusterID refuses what cannot stand in an HTTP header. EKS allows less
// (letters, digits, '-' and '_', 100 at most), but other clusters choose their
// own ids.
func checkClusterID(id string) error {
	if len(id) > 255 {
		return fmt.Errorf("the cluster name is %d bytes long; at most 255 are allowed", len(id))
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return fmt.Errorf("the cluster name %q has a space or a character that an HTTP header cannot carry", id)
		}
	}
	return nil
}
