package authtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/sts"
)

// verdict is what an engine says.
type verdict struct {
	allowed bool
	reason  string
}

// reasons remembers the reason that STS logs, which it tells nobody else.
type reasons struct{ last string }

func (r *reasons) Enabled(context.Context, slog.Level) bool { return true }
func (r *reasons) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *reasons) WithGroup(string) slog.Handler            { return r }
func (r *reasons) Handle(_ context.Context, record slog.Record) error {
	answer, reason := "", ""
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "reason":
			reason = a.Value.String()
		case "answer":
			answer = a.Value.String()
		}
		return true
	})
	if reason == "as answered" {
		reason = answer
	}
	r.last = reason
	return nil
}

// believed takes tokens as they are: the suite has made them.
type believed struct{}

func (believed) Verify(_ context.Context, issuer, raw string) (oidc.Claims, error) {
	in, err := oidc.Inspect(raw, time.Now())
	if err == nil && in.Issuer != issuer {
		err = fmt.Errorf("the token is of %s, not of %s", in.Issuer, issuer)
	}
	return oidc.Claims{Issuer: in.Issuer, Subject: in.Subject, Audience: in.Audience, IssuedAt: in.IssuedAt, NotBefore: in.NotBefore, Expiry: in.Expiry, All: in.Claims}, err
}

// podToken is what kubelet would give a pod of the service account; its signature
// is of no matter here.
func podToken(issuer, serviceAccount, audience string) (string, error) {
	namespace, name, _ := strings.Cut(serviceAccount, "/")
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:" + namespace + ":" + name, "aud": []string{audience},
		"iat": now, "nbf": now, "exp": now + 3600,
		"kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": name}},
	})
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + encode(claims) + "." + encode(make([]byte, 256)), err
}

// ask has STS answer a request.
func (g *stage) ask(t *Test, form url.Values, credentials *sigv4.Credentials) (verdict, error) {
	form.Set("Version", "2011-06-15")
	body := form.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://sts.local/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if t.SourceIP != "" {
		r.RemoteAddr = t.SourceIP + ":1"
	}
	if credentials != nil {
		if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), *credentials, defaultRegion, "sts", time.Now()); err != nil {
			return verdict{}, err
		}
	}
	g.reasons.last = ""
	recorder := httptest.NewRecorder()
	g.sts.ServeHTTP(recorder, r)
	if recorder.Code == http.StatusOK {
		return verdict{allowed: true, reason: "STS gives the credentials"}, nil
	}
	var refusal struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(recorder.Body.Bytes(), &refusal); err != nil {
		return verdict{}, fmt.Errorf("STS answered %d %s", recorder.Code, recorder.Body)
	}
	if recorder.Code >= http.StatusInternalServerError {
		return verdict{}, fmt.Errorf("STS failed: %s", g.reasons.last)
	}
	return verdict{reason: refusal.Error.Code + ": " + refusal.Error.Message + "\n" + g.reasons.last}, nil
}

// assumeAsPod asks for a role with a token of the test's service account.
func (g *stage) assumeAsPod(t *Test, role arn.Principal) (verdict, error) {
	cluster, err := g.cluster(t.Cluster)
	if err != nil {
		return verdict{}, err
	}
	token, err := podToken(cluster.OIDCIssuer, t.ServiceAccount, orElse(t.Audience, "sts.amazonaws.com"))
	if err != nil {
		return verdict{}, err
	}
	return g.ask(t, url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {role.String()}, "RoleSessionName": {orElse(t.SessionName, "test")}, "WebIdentityToken": {token},
	}, nil)
}

// assumeAsPrincipal asks for a role as the test's principal.
func (g *stage) assumeAsPrincipal(t *Test, role arn.Principal) (verdict, error) {
	p, err := g.principal(t.Principal)
	if err != nil {
		return verdict{}, err
	}
	credentials, err := g.credentials(p)
	if err != nil {
		return verdict{}, err
	}
	form := url.Values{"Action": {"AssumeRole"}, "RoleArn": {role.String()}, "RoleSessionName": {orElse(t.SessionName, "test")}}
	if t.ExternalID != "" {
		form.Set("ExternalId", t.ExternalID)
	}
	for i, key := range slices.Sorted(maps.Keys(t.Tags)) {
		prefix := "Tags.member." + strconv.Itoa(i+1) + "."
		form.Set(prefix+"Key", key)
		form.Set(prefix+"Value", t.Tags[key])
	}
	return g.ask(t, form, &credentials)
}

// credentials are of a user, of a session of a role, or of a root.
func (g *stage) credentials(p arn.Principal) (sigv4.Credentials, error) {
	now := time.Now().UTC().Truncate(time.Second)
	session := sts.Session{Issued: now, Expires: now.Add(time.Hour)}
	switch p.Kind {
	case arn.User:
		return g.store.Credentials(p)
	case arn.Root:
		session.Identity, session.User = arn.Identity{Principal: p, UserID: p.AccountID}, p
	default:
		asked := p
		if p.Kind == arn.AssumedRole {
			asked = arn.Principal{Kind: arn.Role, Partition: p.Partition, AccountID: p.AccountID, Name: p.Name}
		}
		role, err := g.store.Role(context.Background(), asked)
		if err != nil {
			return sigv4.Credentials{}, err
		}
		session.Role = role.Principal
		session.Identity = arn.Identity{UserID: role.ID, Principal: arn.Principal{
			Kind: arn.AssumedRole, Partition: p.Partition, AccountID: p.AccountID, Name: p.Name, Session: orElse(p.Session, "test"),
		}}
	}
	return g.store.Sessions().Issue(session)
}

// may asks the policies of the test's principal.
func (g *stage) may(t *Test, what string) (verdict, error) {
	p, err := g.principal(t.Principal)
	if err != nil {
		return verdict{}, err
	}
	action, resource, ok := strings.Cut(what, " on ")
	if !ok {
		resource = "*"
	}
	caller := sts.Caller{Identity: arn.Identity{Principal: p}, Region: defaultRegion}
	if p.Kind == arn.Role {
		caller.Identity.Principal = arn.Principal{Kind: arn.AssumedRole, Partition: p.Partition, AccountID: p.AccountID, Name: p.Name, Session: "test"}
		caller.Session = &sts.Session{Role: p, Issued: time.Now()}
	}
	facts := caller.Context(httptest.NewRequest(http.MethodPost, "https://aws.local/", nil), time.Now())
	for key, values := range t.Context {
		facts.Set(key, values...)
	}
	permission, err := g.auth.Permission(context.Background(), caller, strings.TrimSpace(action), strings.TrimSpace(resource), facts)
	return verdict{permission.Allowed(), permission.String()}, err
}

// trustPolicy is a role's in force.
func (g *stage) trustPolicy(role arn.Principal) (*iam.Policy, error) {
	r, err := g.store.Role(context.Background(), role)
	if err != nil {
		return nil, err
	}
	if r.TrustPolicy == nil {
		return nil, fmt.Errorf("the role %s trusts nobody", role)
	}
	return r.TrustPolicy, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// declareOthers adds those whom the tests name and nobody declared. Who is of an
// account that is not declared either may do there what others let them; who is of
// one that is has no policies.
func (g *stage) declareOthers() {
	for _, t := range g.suite.Tests {
		p, err := g.principal(t.Principal)
		if t.Principal == "" || err != nil {
			continue
		}
		i := slices.IndexFunc(g.world.Accounts, func(a awslocal.Account) bool { return a.ID == p.AccountID })
		stranger := i < 0
		if stranger {
			g.world.Accounts = append(g.world.Accounts, awslocal.Account{ID: p.AccountID, Partition: p.Partition, Alias: strangers + p.AccountID})
			i = len(g.world.Accounts) - 1
		}
		a := &g.world.Accounts[i]
		stranger = stranger || strings.HasPrefix(a.Alias, strangers)
		var all []string
		if stranger {
			all = []string{"arn:" + p.Partition + ":iam::aws:policy/AdministratorAccess"}
		}
		switch p.Kind {
		case arn.User:
			if !slices.ContainsFunc(a.Users, func(u awslocal.User) bool { return strings.EqualFold(u.Name, p.Name) }) && p.Name != "administrator" {
				a.Users = append(a.Users, awslocal.User{Name: p.Name, Path: p.Path, ManagedPolicies: all})
			}
		case arn.Role, arn.AssumedRole:
			if !slices.ContainsFunc(a.Roles, func(r awslocal.Role) bool { return strings.EqualFold(r.Name, p.Name) }) {
				trust := awslocal.PolicyDocument(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}}`)
				a.Roles = append(a.Roles, awslocal.Role{Name: p.Name, Path: p.Path, TrustPolicy: trust, ManagedPolicies: all})
			}
		}
	}
}

// strangers begins the aliases of accounts that the tests name and nobody declared.
const strangers = "stranger-"
