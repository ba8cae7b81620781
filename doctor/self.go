package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/oidc"
)

// Self is a container, seen from inside: what an AWS SDK there finds, in the order of
// its default chain.
//
// Source: "Default credential provider chain" of the SDKs, and "Standardized credential
// providers" in the AWS SDKs and Tools reference guide.
type Self struct {
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
	Assume   func(ctx context.Context, role, token string) error // as STS's
	Now      func() time.Time
}

// Examine goes through the chain.
func (s *Self) Examine(ctx context.Context) Report {
	r := Report{Subject: "self"}
	role, file := s.Getenv("AWS_ROLE_ARN"), s.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	given := role != "" || file != ""
	s.static(&r, given)
	if profile := s.Getenv("AWS_PROFILE"); profile != "" {
		r.ok("profile", "AWS_PROFILE is "+profile+": SDKs look into that profile, and some before they look for a web identity")
	}
	switch {
	case given:
		s.webIdentity(ctx, &r, role, file)
	case s.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")+s.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		r.ok("container", "credentials come from the container's endpoint: EKS Pod Identity, or ECS")
	case !r.has("static"):
		r.bad("web-identity", "there is neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE, nor any other source but the machine's",
			"nothing gives this container a role: SDKs say that there are no credentials, or take the node's role from instance metadata",
			"eksauth doctor pod NAMESPACE/NAME # on a machine with kubectl")
	}
	if s.Getenv("AWS_REGION") == "" && s.Getenv("AWS_DEFAULT_REGION") == "" {
		r.ok("region", "there is no AWS_REGION: SDKs want one from the program, or from a profile")
	}
	return r
}

// static are keys in the environment, which all SDKs take first.
func (s *Self) static(r *Report, webIdentity bool) {
	id, secret := s.Getenv("AWS_ACCESS_KEY_ID") != "", s.Getenv("AWS_SECRET_ACCESS_KEY") != ""
	switch {
	case id && secret && webIdentity:
		r.bad("static", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, and win over the role", "static credentials come before the role in every SDK",
			"# take them out of the pod's template (env, envFrom) and of the image")
	case id && secret:
		r.ok("static", "credentials are those of AWS_ACCESS_KEY_ID")
	case id || secret:
		r.bad("static", "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set", "some SDKs stop at half a pair of static credentials",
			"# take it out of the pod's template and of the image")
	}
}

func (s *Self) webIdentity(ctx context.Context, r *Report, role, file string) {
	if role == "" || file == "" {
		r.bad("web-identity", "of AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE only one is set", "a web identity takes both; the webhook sets them together, so somebody else set this one",
			"# take it out of the pod's template, and let the webhook set both")
		return
	}
	if p, err := arn.ParsePrincipal(role); err != nil || p.Kind != arn.Role {
		r.bad("role-arn", "AWS_ROLE_ARN is "+quote(role), "AWS_ROLE_ARN is not the ARN of a role: STS says ValidationError", "# mend the annotation of the service account, and make the pod anew")
		return
	}
	r.ok("web-identity", "the role is "+role)
	raw, said, ok := s.token(r, role, file)
	if !ok {
		return
	}
	switch err := s.Assume(ctx, role, raw); {
	case errors.Is(err, ErrNoAnswer):
		r.bad("sts", "STS does not answer: "+err.Error(), "STS cannot be reached from here: a network policy, or a subnet with neither a way out nor a VPC endpoint for STS",
			"# let the pod out to port 443, or give the VPC an endpoint for com.amazonaws.REGION.sts, with private DNS")
		return
	case err != nil:
		r.follows("sts", "STS says: "+err.Error(), "STS refuses: the trust policy, the OIDC provider or the role is not as it should be",
			"eksauth doctor pod NAMESPACE/NAME # on a machine with kubectl and AWS credentials")
		return
	}
	if len(said.Audience) > 0 && !s.Now().After(said.Expiry) {
		r.excuse("token", OK) // the provider lists its audience
	}
	r.ok("sts", "STS gives the role")
}

// apiToken is where every pod has its ordinary token, which is for the API server.
const apiToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// token reads the token as an SDK does, and says what it would not.
func (s *Self) token(r *Report, role, file string) (raw string, said oidc.Inspection, ok bool) {
	data, err := s.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.bad("token-file", file+" may not be read", "the container's user may not read the token", "# set securityContext.fsGroup in the pod's template: any group will do")
		return "", said, false
	case errors.Is(err, fs.ErrNotExist):
		r.bad("token-file", file+" is not there", "the token is not mounted: the variable was set by the pod itself, or the volume was taken away", "# take AWS_WEB_IDENTITY_TOKEN_FILE out of the pod's template; the webhook sets it, and mounts the token")
		return "", said, false
	case err != nil:
		r.unknown("token-file", "the token", err.Error())
		return "", said, false
	}
	raw = strings.TrimSpace(string(data))
	said, err = oidc.Inspect(raw, s.Now())
	about := fmt.Sprintf("the token is of %s, for %s, by %s, until %s", said.Subject, strings.Join(said.Audience, ", "), said.Issuer, said.Expiry.UTC().Format(time.RFC3339))
	forSTS := slices.Contains(said.Audience, defaultAudience)
	switch {
	case err != nil:
		r.bad("token", "the token is no JWT: "+err.Error(), "what is in the token's file is no token", "eksauth inspect - < "+command(file))
		return "", said, false
	case len(said.Audience) == 0:
		r.bad("token", "the token has no audience: it is the ordinary token of the service account", "this is not the token for AWS: STS says that the claim aud is missing", "# let the webhook set AWS_WEB_IDENTITY_TOKEN_FILE")
	case said.ForAPIServer() || file == apiToken && !forSTS:
		r.bad("token", about+": an ordinary API token", "the token is the service account's ordinary API token, whose audience is the API server's and not "+defaultAudience+": STS says Incorrect token audience",
			projected(said.Subject, role)...)
	case s.Now().After(said.Expiry):
		r.bad("token", "the token ended at "+said.Expiry.UTC().Format(time.RFC3339), "the token has expired: the kubelet does not refresh it any more, or the clock is wrong", "date -u")
	case !forSTS:
		r.bad("token", about, "the token is not for "+defaultAudience+": STS takes it only where the OIDC provider lists its audience",
			projected(said.Subject, role)...)
	default:
		r.ok("token", about)
	}
	return raw, said, true
}

// projected is how a pod gets the token that is for STS.
func projected(subject, role string) []string {
	fix := []string{"# take AWS_WEB_IDENTITY_TOKEN_FILE out of the pod's template: for a service account that is annotated the webhook sets it to /var/run/secrets/eks.amazonaws.com/serviceaccount/token, a token for " + defaultAudience}
	account, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	namespace, name, ok2 := strings.Cut(account, ":")
	if ok && ok2 {
		fix = append(fix, command("kubectl", "-n", namespace, "annotate", "serviceaccount", name, DefaultPrefix+"/role-arn="+role)+" # on a machine with kubectl; then make the pod anew")
	}
	return fix
}
