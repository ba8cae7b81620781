package sts

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	issuer      = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC"
	providerARN = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC"
	subject     = "system:serviceaccount:payments:api"
	podRoleARN  = "arn:aws:iam::111122223333:role/pods/payments.api"
	sessionARN  = "arn:aws:sts::111122223333:assumed-role/payments.api/pod-1"
)

// idp is an identity provider whose documents are read without a network.
type idp struct {
	key    *ecdsa.PrivateKey
	kid    string                       // of the key that it publishes
	others map[string]*ecdsa.PrivateKey // of other issuers
	lie    string                       // what it says that it is called; "" for the truth
	fault  error                        // instead of answers
	asked  atomic.Int32                 // documents
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &idp{key: key, kid: "k1"}
}

// RoundTrip answers for every issuer.
func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked.Add(1)
	if p.fault != nil {
		return nil, p.fault
	}
	issuer, isDiscovery := strings.CutSuffix(r.URL.String(), oidc.DiscoveryPath)
	issuer = strings.TrimSuffix(issuer, "/keys")
	key := cmp.Or(p.others[issuer], p.key)
	document := any(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: p.kid, Algorithm: "ES256", Use: "sig"}}})
	if isDiscovery {
		document = map[string]string{"issuer": cmp.Or(p.lie, issuer), "jwks_uri": issuer + "/keys"}
	}
	text, err := json.Marshal(document)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

// sign makes a token with the provider's key.
func (p *idp) sign(t testing.TB, claims string) string {
	t.Helper()
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k1"}}
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// providers are those of accounts, by account and issuer.
type providers map[string]OIDCProvider

func (p providers) OIDCProvider(_ context.Context, account, issuer string) (OIDCProvider, error) {
	if strings.Contains(issuer, "broken") {
		return OIDCProvider{}, errors.New("disk on fire")
	}
	provider, ok := p[account+" "+issuer]
	if !ok {
		return OIDCProvider{}, ErrNotFound
	}
	return provider, nil
}

// claims are those of a pod's token with changes; nil leaves one out.
func (w *podWorld) claims(t testing.TB, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{"sts.amazonaws.com"},
		"iat": w.now().Unix(), "nbf": w.now().Unix(), "exp": w.now().Add(time.Hour).Unix(),
		"jti":           "4b6b1a04-0bdb-4a0e-a0b7-1f0f1ed6a2dd",
		"kubernetes.io": map[string]any{"namespace": "payments", "serviceaccount": map[string]any{"name": "api"}},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *podWorld) jwt(t testing.TB, changes map[string]any) string {
	t.Helper()
	return w.idp.sign(t, w.claims(t, changes))
}

// federated is a trust policy of one statement for the provider.
func federated(provider, actions, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":` + actions + `,"Condition":` + condition + `}]}`
}

// irsa is the trust policy that the EKS user guide has for a service account.
func irsa() string {
	const key = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
	return federated(providerARN, `"sts:AssumeRoleWithWebIdentity"`,
		`{"StringEquals":{"`+key+`:sub":"`+subject+`","`+key+`:aud":"sts.amazonaws.com"}}`)
}

// podWorld is a world with an identity provider.
type podWorld struct {
	*world
	idp *idp
}

func newPodWorld(t testing.TB) *podWorld {
	t.Helper()
	w := &podWorld{newWorld(t), newIDP(t)}
	w.addRole(t, podRoleARN, "AROAPODSPODSPODSPODS", irsa())
	w.handler.WebIdentity = &WebIdentity{
		Providers: providers{
			account + " " + issuer:                       {ARN: providerARN, URL: issuer, ClientIDs: []string{"other", "sts.amazonaws.com"}},
			account + " https://idp.example.com":         {ARN: "arn:aws:iam::111122223333:oidc-provider/idp.example.com", URL: "https://idp.example.com", ClientIDs: []string{"app"}},
			"444455556666 https://elsewhere.example.com": {ARN: "arn:aws:iam::444455556666:oidc-provider/elsewhere.example.com", URL: "https://elsewhere.example.com", ClientIDs: []string{"sts.amazonaws.com"}},
		},
		Tokens: &oidc.Verifier{Client: &http.Client{Transport: w.idp}, Now: w.now},
	}
	return w
}

// web is the form of an AssumeRoleWithWebIdentity, where changes may replace or
// add parameters; "-" leaves one out.
func (w *podWorld) web(t testing.TB, changes ...string) string {
	t.Helper()
	pairs := []string{"Action", "AssumeRoleWithWebIdentity", "RoleArn", podRoleARN, "RoleSessionName", "pod-1"}
	if !strings.Contains(strings.Join(changes, " "), "WebIdentityToken") {
		pairs = append(pairs, "WebIdentityToken", w.jwt(t, nil))
	}
	return assume(append(pairs, changes...)...)
}

// xmlSession is the answer of AssumeRoleWithWebIdentity.
type xmlSession struct {
	Subject     string `xml:"AssumeRoleWithWebIdentityResult>SubjectFromWebIdentityToken"`
	Provider    string `xml:"AssumeRoleWithWebIdentityResult>Provider"`
	Audience    string `xml:"AssumeRoleWithWebIdentityResult>Audience"`
	ARN         string `xml:"AssumeRoleWithWebIdentityResult>AssumedRoleUser>Arn"`
	ID          string `xml:"AssumeRoleWithWebIdentityResult>AssumedRoleUser>AssumedRoleId"`
	Packed      int    `xml:"AssumeRoleWithWebIdentityResult>PackedPolicySize"`
	Source      string `xml:"AssumeRoleWithWebIdentityResult>SourceIdentity"`
	Credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
	} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
}

// webSession assumes the role with the form's parameters.
func (w *podWorld) webSession(t testing.TB, form string) (xmlSession, sigv4.Credentials) {
	t.Helper()
	got := w.do(post(form))
	var answer xmlSession
	decodeXML(t, got.body, &answer)
	if got.status != http.StatusOK {
		t.Fatalf("%d %s\n%s", got.status, got.body, w.log)
	}
	return answer, sigv4.Credentials(answer.Credentials)
}
