package sts

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/oidc"
)

// WebIdentity is what AssumeRoleWithWebIdentity needs. Both fields are needed.
type WebIdentity struct {
	Providers Providers
	Tokens    Tokens
}

// Providers knows the identity providers of accounts. Implementations are safe
// for concurrent use.
type Providers interface {
	// OIDCProvider finds a provider by its account and the issuer of its
	// tokens, compared to the letter. It answers ErrNotFound, wrapped or
	// not, for what does not exist; any other error denies the request with
	// InternalFailure.
	OIDCProvider(ctx context.Context, accountID, issuer string) (OIDCProvider, error)
}

// OIDCProvider is an OpenID Connect identity provider as IAM has it.
type OIDCProvider struct {
	ARN       string   // arn:aws:iam::111122223333:oidc-provider/HOST/PATH
	URL       string   // the issuer of its tokens
	ClientIDs []string // audiences that it accepts
}

// conditionPrefix comes before the names of claims in condition keys.
//
// Source: "Available keys for AWS OIDC federation" in the IAM user guide.
func (p OIDCProvider) conditionPrefix() string { return strings.TrimPrefix(p.URL, "https://") + ":" }

// Tokens verifies ID tokens with the keys of their issuer; *oidc.Verifier does.
// Implementations are safe for concurrent use.
type Tokens interface {
	Verify(ctx context.Context, issuer, raw string) (oidc.Claims, error)
}

// webIdentityInput is the input of AssumeRoleWithWebIdentity, each part within
// its own bounds.
type webIdentityInput struct {
	roleARN     string
	sessionName string
	token       string
	duration    time.Duration
	policy      string // "" when not given
	policyARNs  []string
}

func readWebIdentity(p awsquery.Params) (webIdentityInput, error) {
	var v awsquery.Violations
	in := webIdentityInput{
		roleARN:     v.Required(p, "RoleArn", arnShape()),
		sessionName: v.Required(p, "RoleSessionName", nameShape()),
		token:       v.Secret(p, "WebIdentityToken", minToken, maxToken),
		duration:    time.Duration(v.Integer(p, "DurationSeconds", minDuration, maxDuration, defaultDuration)) * time.Second,
	}
	in.policy, in.policyARNs = readPolicies(&v, p)
	provider := v.Optional(p, "ProviderId", urlShape())
	if err := v.Err(); err != nil {
		return webIdentityInput{}, err
	}
	if provider != "" {
		return webIdentityInput{}, awsquery.InvalidParameter("ProviderId is for OAuth 2.0 access tokens, which are not supported here; do not give it with an OpenID Connect ID token")
	}
	if err := refuseRest(p); err != nil {
		return webIdentityInput{}, err
	}
	var err error
	in.policy, err = packPolicy(in.policy)
	return in, err
}

// assumeRoleWithWebIdentity gives the holder of an identity provider's token
// credentials for a role whose trust policy lets them have those. The request
// is not signed: the token is all that counts.
//
// Source: "AssumeRoleWithWebIdentity" in the AWS STS API reference.
func (h *Handler) assumeRoleWithWebIdentity(ctx context.Context, q *request) ([]element, error) {
	in, err := readWebIdentity(q.Params)
	if err != nil {
		return nil, err
	}
	asked, err := parseRole(in.roleARN)
	if err != nil {
		return nil, err
	}
	q.about = append(q.about, slog.String("role", asked.String()), slog.String("sessionName", in.sessionName))
	user, err := h.WebIdentity.verify(ctx, q, asked.AccountID, in.token)
	if err != nil {
		return nil, err
	}
	session, err := user.newSession(q.at, in.duration)
	if err != nil {
		return nil, err
	}
	session.Policy, session.PolicyARNs = in.policy, in.policyARNs
	role, err := h.trustedRole(ctx, asked, session, petition{
		action: "sts:AssumeRoleWithWebIdentity",
		caller: iam.Caller{Federated: user.provider.ARN},
		facts:  user.context(q, in.sessionName, session),
		refuse: func(action, _, _, reason string) *Error {
			return errDenied("Not authorized to perform "+action, reason)
		},
	})
	if err != nil {
		return nil, err
	}
	if in.duration > cmp.Or(role.MaxSessionDuration, defaultDuration*time.Second) {
		return nil, errTooLong()
	}
	if err := h.Auth.checkManaged(ctx, role.Principal.AccountID, session.PolicyARNs); err != nil {
		return nil, err
	}
	result, err := h.issue(q, role, in.sessionName, session)
	if err != nil {
		return nil, err
	}
	return append(result,
		awsquery.E("SubjectFromWebIdentityToken", user.claims.Subject),
		// The documentation says the issuer; real answers have the ARN.
		awsquery.E("Provider", user.provider.ARN),
		awsquery.E("Audience", user.audience),
	), nil
}

// context are the condition keys of a web identity's request for a role
// session. There is no AWS principal, so no key of one.
//
// Source: "IAM and AWS STS condition context keys" in the IAM user guide.
func (u webUser) context(q *request, sessionName string, session Session) iam.Context {
	facts := requestContext(q.HTTP, q.at, hostRegion(q.HTTP.Host))
	session.Federation.setContext(&facts)
	facts.Set("sts:RoleSessionName", sessionName)
	session.setRequested(&facts)
	return facts
}

// hostRegion is the region of a real STS host; "" for others.
func hostRegion(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	sts, _ := arn.ParseSTSHost(host)
	return sts.Region
}

// audience finds the audience of a token that the provider accepts. A token's
// authorized party (azp), where it has one, stands for its audience.
//
// Source: "Create an OpenID Connect (OIDC) identity provider in IAM" in the IAM
// user guide.
func (p OIDCProvider) audience(audience []string, all map[string]any) (string, error) {
	party, ok := "", true
	if all["azp"] != nil {
		party, ok = all["azp"].(string)
	}
	if !ok {
		return "", errIdentityToken(messageInvalid, "the claim azp is not a text")
	}
	candidates := audience
	if party != "" {
		candidates = []string{party}
	}
	i := slices.IndexFunc(candidates, func(a string) bool { return slices.Contains(p.ClientIDs, a) })
	if i < 0 {
		return "", errAudience(p, audience, party)
	}
	return candidates[i], nil
}
