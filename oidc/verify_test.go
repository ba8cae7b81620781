package oidc

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A real token of a real kube-apiserver is verified with documents that
// WriteFiles made, from a web server that knows nothing but files.
func TestRealTokensVerifyByWrittenFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := goldenIssuerOf(t, "rsa.pem", "ec.pem").WriteFiles(root + "/id/1"); err != nil {
		t.Fatal(err)
	}
	server := quietTLS(t, http.FileServer(http.Dir(root)))
	// The golden issuer's host is this server; its certificate is for example.com.
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com"
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "oidc.example:443" {
			t.Errorf("asked %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	v := &Verifier{Client: &http.Client{Transport: transport}, Now: atNoon}
	got, err := v.Verify(t.Context(), goldenIssuer, string(golden(t, "token-rs256.jwt")))
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{
		Issuer: goldenIssuer, Subject: "system:serviceaccount:payments:api", ID: "4a2fe874-710e-4336-8bc2-7ca64f102834",
		Audience: []string{"sts.amazonaws.com", "two"},
		IssuedAt: time.Unix(1795467816, 0).UTC(), NotBefore: time.Unix(1795467816, 0).UTC(), Expiry: time.Unix(1795471416, 0).UTC(),
		All: map[string]any{
			"aud": []any{"sts.amazonaws.com", "two"}, "exp": 1795471416.0, "iat": 1795467816.0, "nbf": 1795467816.0,
			"iss": goldenIssuer, "jti": "4a2fe874-710e-4336-8bc2-7ca64f102834", "sub": "system:serviceaccount:payments:api",
			"kubernetes.io": map[string]any{
				"namespace":      "payments",
				"node":           map[string]any{"name": "node-1", "uid": "c9e4c1e3-fca9-46fb-b5fa-1f79913e5b3b"},
				"pod":            map[string]any{"name": "api-0", "uid": "7794df1d-085d-4f62-a67b-276a4d856823"},
				"serviceaccount": map[string]any{"name": "api", "uid": "04645d5f-37be-488f-ad9c-9d2a33691dff"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := v.Verify(t.Context(), goldenIssuer, string(golden(t, "token-es256.jwt"))); err != nil {
		t.Errorf("the ES256 token: %v", err)
	}
}

func TestEveryAlgorithmOfTheListVerifies(t *testing.T) {
	t.Parallel()
	rsaKey := goldenKey(t, "rsa.pem")
	for _, tc := range []struct {
		alg  string
		key  Key
		hash crypto.Hash
	}{
		{"RS256", rsaKey, crypto.SHA256}, {"RS384", rsaKey, crypto.SHA384}, {"RS512", rsaKey, crypto.SHA512},
		{"ES256", curveKey(t, elliptic.P256()), crypto.SHA256},
		{"ES384", curveKey(t, elliptic.P384()), crypto.SHA384},
		{"ES512", curveKey(t, elliptic.P521()), crypto.SHA512},
	} {
		s := newSite(t, tc.key)
		if strings.HasPrefix(tc.alg, "RS") { // published without "alg", it serves all three
			s.serveKeys(strings.ReplaceAll(string(s.JWKS()), `"alg":"RS256",`, ""))
		}
		raw := forge(t, tc.key, tc.hash, object{"alg": tc.alg, "kid": tc.key.Public().ID()}, s.claims())
		if _, err := s.verifier.Verify(t.Context(), s.URL(), raw); err != nil {
			t.Errorf("%s: %v", tc.alg, err)
		}
	}
}

// serveKeys serves another key set beside the true discovery document.
func (s *site) serveKeys(jwks string) {
	s.answer(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, JWKSPath) {
			w.Write([]byte(jwks))
			return
		}
		s.Handler().ServeHTTP(w, r)
	})
}

func TestTimesAreCheckedWithOneMinuteOfLeeway(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "rsa.pem")
	s := newSite(t, key)
	at := noon.Unix()
	for _, tc := range []struct {
		name   string
		change object
		reason Reason // "" if accepted
		text   string
	}{
		{"expired within the leeway", object{"exp": at - 59}, "", ""},
		{"expired", object{"exp": at - 60}, Expired, "1m0s ago"},
		{"expired long ago", object{"exp": 1}, Expired, "1970-01-01T00:00:01Z"},
		{"exp a fraction", object{"exp": float64(at) + 0.5}, "", ""},
		{"no exp", object{"exp": nil}, MissingClaim, "exp"},
		{"valid soon", object{"nbf": at + 60}, "", ""},
		{"not yet valid", object{"nbf": at + 61}, Future, "not valid before"},
		{"issued soon", object{"iat": at + 60}, "", ""},
		{"issued in the future", object{"iat": at + 61}, Future, "issued at"},
		{"no nbf", object{"nbf": nil}, "", ""},
		{"no iat", object{"iat": nil}, "", ""},
	} {
		raw := forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID}, s.claims().with(tc.change))
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		if tc.reason != "" {
			wantRefusal(t, err, tc.reason, tc.text, raw)
		} else if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// sts puts both times into AWS's words.
func TestExpiredErrorCarriesTimes(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	raw := s.mint(t)
	s.verifier.Now = func() time.Time { return noon.Add(2 * time.Hour) }
	_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Expired, "1h0m0s ago", raw)
	if e := err.(*Error); !e.Expiry.Equal(noon.Add(time.Hour)) || !e.Now.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("expiry %s, now %s", e.Expiry, e.Now)
	}
}

func TestIssuerAndClaimsMustBeThere(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "rsa.pem")
	s := newSite(t, key)
	for _, tc := range []struct {
		name   string
		claims any
		reason Reason
		text   string
	}{
		{"no iss", s.claims().with(object{"iss": nil}), MissingClaim, "iss"},
		{"no sub", s.claims().with(object{"sub": nil}), MissingClaim, "sub"},
		{"sub in capitals", s.claims().with(object{"sub": nil, "SUB": "x"}), MissingClaim, "sub"},
		{"exp null", `{"iss":"` + s.URL() + `","sub":"x","exp":null}`, MissingClaim, "exp"},
		{"another issuer", s.claims().with(object{"iss": goldenIssuer}), WrongIssuer, goldenIssuer},
		{"a slash more", s.claims().with(object{"iss": s.URL() + "/"}), WrongIssuer, ""},
		{"capitals", s.claims().with(object{"iss": strings.ToUpper(s.URL())}), WrongIssuer, ""},
	} {
		raw := forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID}, tc.claims)
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		wantRefusal(t, err, tc.reason, tc.text, raw)
		if e := err.(*Error); (e.Reason == MissingClaim) != (e.Claim == tc.text && e.Claim != "") {
			t.Errorf("%s: claim %q", tc.name, e.Claim)
		}
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("hopeless tokens made %d requests to the issuer", n)
	}
}

func TestURLThatIsNoIssuerIsNeverAsked(t *testing.T) {
	t.Parallel()
	reached := false
	server := quietTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	server.Client().Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	v := &Verifier{Client: server.Client(), Now: atNoon}
	raw := string(golden(t, "token-rs256.jwt"))
	for _, url := range badIssuers() {
		_, err := v.Verify(t.Context(), url, raw)
		wantRefusal(t, err, Provider, "cannot verify", raw)
	}
	if reached {
		t.Error("a server was asked")
	}
}

func TestWithoutAClockItIsNow(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	s.Now, s.verifier.Now = nil, nil
	c, err := s.verifier.Verify(t.Context(), s.URL(), s.mint(t))
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(c.IssuedAt); age < 0 || age > time.Minute {
		t.Errorf("issued %s ago", age)
	}
}
