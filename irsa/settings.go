package irsa

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// The defaults are those of EKS.
const (
	defaultPrefix     = "eks.amazonaws.com"
	defaultAudience   = "sts.amazonaws.com"
	defaultExpiration = 24 * time.Hour
	defaultMountPath  = "/var/run/secrets/eks.amazonaws.com/serviceaccount"

	// minExpiration is the least that kube-apiserver mints a token for, in
	// seconds. Beyond maxPlausible it may shorten it, as EKS does; beyond
	// maxExpiration it refuses the pod (Kubernetes API, TokenRequestSpec and
	// ServiceAccountTokenProjection).
	minExpiration = 600
	maxPlausible  = 86_400
	maxExpiration = 1 << 32
)

// Settings are the webhook's own: what holds where a service account or a pod
// says nothing. The zero value has EKS's defaults.
type Settings struct {
	// AnnotationPrefix is what annotations begin with, before a slash
	// (default eks.amazonaws.com).
	AnnotationPrefix string
	// Audience of the tokens (default sts.amazonaws.com).
	Audience string
	// KnownAudiences are further ones that some IAM OIDC provider has among its
	// client ids. Any other audience draws a warning.
	KnownAudiences []string
	// Expiration is the lifetime of the tokens (default 24 h, at least 10 min).
	// A little of it is taken off at random, up to a twelfth, so that pods which
	// start together do not refresh together.
	Expiration time.Duration
	// MountPath is the directory of the token in containers (default
	// /var/run/secrets/eks.amazonaws.com/serviceaccount).
	MountPath string
	// Region is set as AWS_REGION and AWS_DEFAULT_REGION; "" sets neither.
	Region string
	// RegionalSTS sets AWS_STS_REGIONAL_ENDPOINTS=regional.
	RegionalSTS bool
	// AccountID and Partition (default aws) are those of roles that are annotated
	// by their name only. Without an account such names are not ARNs.
	AccountID, Partition string
	// FSGroup is given to pods that run as non-root and have none; 0 gives none.
	FSGroup int64
	// ContainerCredentials is for service accounts that use EKS Pod Identity.
	ContainerCredentials ContainerCredentials
	// Jitter returns a random number from 0 to n-1; nil is math/rand/v2's.
	Jitter func(n int64) int64
}

// ContainerCredentials is how EKS Pod Identity reaches its agent. The zero value
// has EKS's defaults.
type ContainerCredentials struct {
	Audience   string // default pods.eks.amazonaws.com
	MountPath  string // default /var/run/secrets/pods.eks.amazonaws.com/serviceaccount
	VolumeName string // default eks-pod-identity-token
	TokenPath  string // name of the token's file; default eks-pod-identity-token
	FullURI    string // of the agent; default http://169.254.170.23/v1/credentials
}

func (s Settings) withDefaults() Settings {
	setDefault(&s.AnnotationPrefix, defaultPrefix)
	setDefault(&s.Audience, defaultAudience)
	setDefault(&s.MountPath, defaultMountPath)
	setDefault(&s.Partition, "aws")
	if s.Expiration == 0 {
		s.Expiration = defaultExpiration
	}
	if s.Jitter == nil {
		s.Jitter = rand.Int64N
	}
	c := &s.ContainerCredentials
	setDefault(&c.Audience, "pods.eks.amazonaws.com")
	setDefault(&c.MountPath, "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount")
	setDefault(&c.VolumeName, "eks-pod-identity-token")
	setDefault(&c.TokenPath, "eks-pod-identity-token")
	setDefault(&c.FullURI, "http://169.254.170.23/v1/credentials")
	return s
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// Validate says what is wrong with the settings, all of it at once.
func (s Settings) Validate() error {
	s = s.withDefaults()
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(!isName(s.AnnotationPrefix), "the annotation prefix %q is not a DNS name", s.AnnotationPrefix)
	for _, audience := range append([]string{s.Audience, s.ContainerCredentials.Audience}, s.KnownAudiences...) {
		add(!injectable(audience) || audience == "", "the audience %.60q cannot be used", audience)
	}
	add(s.Expiration < minExpiration*time.Second || s.Expiration > maxExpiration*time.Second,
		"the tokens' expiration is %s; Kubernetes takes %s to %s", s.Expiration, minExpiration*time.Second, maxExpiration*time.Second)
	for _, p := range []string{s.MountPath, s.ContainerCredentials.MountPath} {
		add(!path.IsAbs(p) || path.Clean(p) == "/" || !injectable(p) || strings.ContainsAny(p, ":$"), "the mount path %.60q is not the absolute path of a directory without a colon or a dollar sign", p)
	}
	add(s.Region != "" && !isName(s.Region), "the region %.60q is none", s.Region)
	uri, err := url.Parse(s.ContainerCredentials.FullURI)
	add(err != nil || uri.Host == "" || uri.Scheme != "http" && uri.Scheme != "https" || strings.Contains(s.ContainerCredentials.FullURI, "$"), "the agent's URL %.60q is none", s.ContainerCredentials.FullURI)
	add(s.MountPath == s.ContainerCredentials.MountPath, "both kinds of token have the mount path %.60q", s.MountPath)
	add(!isFileName(s.ContainerCredentials.TokenPath), "the token's file name %.60q is not that of a file", s.ContainerCredentials.TokenPath)
	add(!isName(s.ContainerCredentials.VolumeName) || strings.Contains(s.ContainerCredentials.VolumeName, "."), "the volume name %.60q is not one for Kubernetes", s.ContainerCredentials.VolumeName)
	add(s.ContainerCredentials.VolumeName == volumeName, "both kinds of token have the volume %q", volumeName)
	add(s.AccountID != "" && !arn.IsAccountID(s.AccountID), "the account %.60q is not twelve digits", s.AccountID)
	_, known := arn.PartitionByID(s.Partition)
	add(!known, "AWS has no partition %.60q", s.Partition)
	add(s.FSGroup < 0, "the fsGroup %d is negative", s.FSGroup)
	return errors.Join(faults...)
}

func isFileName(s string) bool {
	return !strings.HasPrefix(s, "..") && s != "." && injectable(s) && !strings.ContainsAny(s, `/\:$`)
}
