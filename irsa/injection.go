package irsa

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eksauth/eksauth/arn"
)

const (
	volumeName = "aws-iam-token"
	tokenFile  = "token"

	// maxValue bounds what is taken from an annotation: STS takes no longer ARN
	// or audience.
	maxValue = 2048

	envRegionalSTS   = "AWS_STS_REGIONAL_ENDPOINTS"
	envDefaultRegion = "AWS_DEFAULT_REGION"
	envRegion        = "AWS_REGION"
	envRole          = "AWS_ROLE_ARN"
	envTokenFile     = "AWS_WEB_IDENTITY_TOKEN_FILE"
	envFullURI       = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	envAuthFile      = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	envAccessKey     = "AWS_ACCESS_KEY_ID"
)

// Means is how a pod gets credentials.
type Means string

// The means.
const (
	Nothing     Means = ""
	WebIdentity Means = "web identity" // IAM roles for service accounts
	PodIdentity Means = "pod identity" // EKS Pod Identity
)

// Grant is what a pod's service account may have: what it is annotated with, or
// what stands in for that, and whether it uses EKS Pod Identity, which wins.
type Grant struct {
	ServiceAccount ServiceAccount
	PodIdentity    bool
}

// injection is what each container of a pod gets.
type injection struct {
	means      Means
	role       string // as it is given to containers
	volume     string
	mountPath  string
	file       string
	audience   string
	expiration int64 // seconds
	variables  []setting
	label      string // of the pod; "" for none
	warnings   []string
}

type setting struct{ name, value string }

// isOwn reports whether the container has the variable itself. Of the two that
// say the region, one is as good as both: the other one would change it for
// those who read that first.
func (v setting) isOwn(c *container) bool {
	names := []string{v.name}
	if v.name == envRegion || v.name == envDefaultRegion {
		names = []string{envRegion, envDefaultRegion}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		_, own := c.variable(name)
		return own
	})
}

// injection decides what the grant comes to for this pod; nil for nothing.
func (s *Settings) injection(pod *Pod, g Grant) *injection {
	in := &injection{variables: make([]setting, 0, 5)}
	if g.PodIdentity {
		s.podIdentity(in, pod, g)
		return in
	}
	if g.ServiceAccount.RoleARN == "" {
		return nil
	}
	if !s.webIdentity(in, pod, g) {
		return &injection{warnings: in.warnings}
	}
	return in
}

// webIdentity is false if the role cannot be given to a container at all.
func (s *Settings) webIdentity(in *injection, pod *Pod, g Grant) bool {
	role, ok := s.role(in, g.ServiceAccount.RoleARN)
	if !ok {
		return false
	}
	in.means, in.role = WebIdentity, role
	in.volume, in.mountPath, in.file = volumeName, s.MountPath, tokenFile
	in.audience = s.audience(in, g.ServiceAccount.Audience)
	in.expiration = s.expiration(in, pod, g.ServiceAccount)
	s.region(in, g)
	in.set(envRole, role)
	in.set(envTokenFile, in.path(pod))
	return true
}

func (s *Settings) podIdentity(in *injection, pod *Pod, g Grant) {
	c := &s.ContainerCredentials
	in.means = PodIdentity
	in.volume, in.mountPath, in.file = c.VolumeName, c.MountPath, c.TokenPath
	in.audience = c.Audience
	in.expiration = s.expiration(in, pod, g.ServiceAccount)
	in.label = "eks.amazonaws.com/pod-identity"
	s.region(in, g)
	in.set(envFullURI, c.FullURI)
	in.set(envAuthFile, in.path(pod))
}

func (in *injection) set(name, value string) {
	in.variables = append(in.variables, setting{name, value})
}

func (in *injection) warn(parts ...string) {
	if len(in.warnings) >= maxWarnings {
		return
	}
	in.warnings = append(in.warnings, strings.Join(parts, ""))
}

// tokenVariable is the variable that leads to the token.
func (in *injection) tokenVariable() setting { return in.variables[len(in.variables)-1] }

// path of the token's file, as the container's programs name it. The mount path
// stays as it is on Windows, where the container runtime puts it on C:.
func (in *injection) path(pod *Pod) string {
	p := strings.TrimSuffix(in.mountPath, "/") + "/" + in.file
	if pod.isWindows() {
		return "C:" + strings.ReplaceAll(p, "/", `\`)
	}
	return p
}

func (s *Settings) region(in *injection, g Grant) {
	regional := s.RegionalSTS
	if v := g.ServiceAccount.RegionalSTS; v != "" {
		if b, err := strconv.ParseBool(v); err == nil {
			regional = b
		} else {
			in.warn(s.name(annotationRegionalSTS), " is ", quote(v), ", neither true nor false")
		}
	}
	if regional {
		in.set(envRegionalSTS, "regional")
	}
	if s.Region != "" {
		in.set(envDefaultRegion, s.Region)
		in.set(envRegion, s.Region)
	}
}

// role is the ARN for AWS_ROLE_ARN. One that is no role's is given all the same:
// STS will then say what is wrong with it. Without it, the SDK would go on to the
// next source of credentials and perhaps find those of the node, which is harder
// to find out, and worse.
func (s *Settings) role(in *injection, value string) (string, bool) {
	if !injectable(value) {
		in.warn(s.name(annotationRole), " ", quote(value), " cannot be used: it is too long, or has control characters; the pod gets no credentials")
		return "", false
	}
	role := value
	if !strings.HasPrefix(role, "arn:") && s.AccountID != "" {
		role = "arn:" + s.Partition + ":iam::" + s.AccountID + ":role/" + strings.TrimPrefix(role, "/")
	}
	if p, err := arn.ParsePrincipal(role); err != nil || p.Kind != arn.Role {
		in.warn(s.name(annotationRole), " ", quote(value), " is not the ARN of an IAM role, such as arn:aws:iam::111122223333:role/name")
	}
	// kubelet would put a variable's value for $(NAME).
	return strings.ReplaceAll(role, "$", "$$"), true
}

func (s *Settings) audience(in *injection, value string) string {
	switch {
	case value == "":
		return s.Audience
	case !injectable(value):
		in.warn(s.name(annotationAudience), " ", quote(value), " cannot be used; the token is for ", quote(s.Audience))
		return s.Audience
	case value != s.Audience && value != defaultAudience && !slices.Contains(s.KnownAudiences, value):
		in.warn(s.name(annotationAudience), " ", quote(value), " is none that STS is known to accept: the role's OIDC provider must have it among its client ids")
	}
	return value
}

// expiration is what the pod says, or else its service account, or else the
// settings; the last with a little taken off at random.
func (s *Settings) expiration(in *injection, pod *Pod, account ServiceAccount) int64 {
	annotation := s.name(annotationExpiration)
	for _, value := range []string{pod.Metadata.Annotations[annotation], account.TokenExpiration} {
		if value == "" {
			continue
		}
		seconds, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
			in.warn(annotation, " is ", quote(value), ", not a number of seconds")
			continue
		case seconds < minExpiration:
			in.warn(annotation, " is ", quote(value), "; Kubernetes mints no token for less than 600 seconds, so it is 600")
			return minExpiration
		case seconds > maxExpiration:
			in.warn(annotation, " is ", quote(value), "; Kubernetes takes no more than 4294967296 seconds")
			return maxExpiration
		case seconds > maxPlausible:
			in.warn(annotation, " is ", quote(value), "; the API server may make it shorter, as EKS does after 86400 seconds")
		}
		return seconds
	}
	seconds := int64(s.Expiration / time.Second)
	return max(minExpiration, seconds-s.Jitter(seconds/12+1))
}

// name is an annotation's full name.
func (s *Settings) name(annotation string) string { return s.AnnotationPrefix + "/" + annotation }

// injectable reports whether a value can be that of a variable.
func injectable(value string) bool {
	return len(value) <= maxValue && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

// quote shows a stranger's text in a warning.
func quote(s string) string {
	const most, mostQuoted = 60, 100 // a control character is four when quoted
	cut := min(len(s), most)
	for cut > 0 && (cut < len(s) && !utf8.RuneStart(s[cut]) || len(strconv.Quote(s[:cut])) > mostQuoted) {
		cut--
	}
	if cut < len(s) {
		return strconv.Quote(s[:cut]) + "…"
	}
	return strconv.Quote(s)
}
