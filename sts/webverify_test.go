package sts

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/oidc"
)

// forge makes a token of a header, claims and what signs both.
func forge(header, claims string, sign func(input string) []byte) string {
	input := encode(header) + "." + encode(claims)
	return input + "." + encode(string(sign(input)))
}

func TestWebIdentityRefusesForgeries(t *testing.T) {
	t.Parallel()
	const (
		noJWT   = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
		invalid = "The web identity token provided could not be validated"
		noKeys  = "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
	)
	minutes := func(name string, n int) func(*podWorld) string {
		return func(w *podWorld) string {
			return w.jwt(t, map[string]any{name: w.now().Add(time.Duration(n) * time.Minute).Unix()})
		}
	}
	for name, tc := range map[string]struct {
		token           func(*podWorld) string
		message, reason string
	}{
		"another key of the same id": {func(w *podWorld) string {
			thief := newIDP(t)
			return thief.sign(t, w.claims(t, nil))
		}, invalid, "is not signed by the issuer's key"},
		"altered claims": {func(w *podWorld) string {
			parts := strings.Split(w.jwt(t, nil), ".")
			return parts[0] + "." + encode(w.claims(t, map[string]any{"sub": "system:serviceaccount:kube-system:admin"})) + "." + parts[2]
		}, invalid, "is not signed by the issuer's key"},
		"key rotated": {func(w *podWorld) string {
			w.idp.kid = "k2"
			return w.jwt(t, nil)
		}, invalid, `publishes no key \"k1\"`},
		"alg none": {func(w *podWorld) string {
			return forge(`{"alg":"none","kid":"k1"}`, w.claims(t, nil), func(string) []byte { return nil })
		}, noJWT, `signed with \"none\"`},
		"HMAC with the public key": {func(w *podWorld) string {
			return forge(`{"alg":"HS256","kid":"k1"}`, w.claims(t, nil), func(input string) []byte {
				public, err := x509.MarshalPKIXPublicKey(w.idp.key.Public())
				if err != nil {
					t.Fatal(err)
				}
				mac := hmac.New(sha256.New, public)
				mac.Write([]byte(input))
				return mac.Sum(nil)
			})
		}, noJWT, `signed with \"HS256\"`},
		"not yet valid":     {minutes("nbf", 5), invalid, "is not valid before"},
		"issued later":      {minutes("iat", 5), invalid, "was issued at"},
		"issuer that fails": {func(w *podWorld) string { w.idp.fault = errors.New("no route to host"); return w.jwt(t, nil) }, noKeys, "no route to host"},
		"another document": {func(w *podWorld) string {
			w.idp.lie = "https://evil.example.com"
			return w.jwt(t, nil)
		}, noKeys, "names another issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			token := tc.token(w)
			e := refused(t, w.do(post(w.web(t, "WebIdentityToken", token))), 400, "InvalidIdentityToken", "")
			if e.Message != tc.message {
				t.Errorf("message %q, want %q", e.Message, tc.message)
			}
			oneLine(t, w, token, tc.reason)
		})
	}
}

// The form is that of an answer of the real STS.
func TestExpiredWebIdentityIsToldTheTimes(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	expiry := w.now().Add(-2 * time.Minute).Unix()
	token := w.jwt(t, map[string]any{"exp": expiry})
	e := refused(t, w.do(post(w.web(t, "WebIdentityToken", token))), 400, "ExpiredTokenException", "")
	var now, told int64
	if _, err := fmt.Sscanf(e.Message, "Token expired: current date/time %d must be before the expiration date/time %d", &now, &told); err != nil || told != expiry {
		t.Errorf("%q (%v), want the expiry %d", e.Message, err, expiry)
	}
	if off := now - w.now().Unix(); off < -5 || off > 0 {
		t.Errorf("the time told is %d seconds off", off)
	}
	oneLine(t, w, token, "as answered")
}

// A token that another registered issuer signed says nothing about this one.
func TestIssuersDoNotVouchForEachOther(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	ours, theirs := w.idp, newIDP(t)
	w.idp.others = map[string]*ecdsa.PrivateKey{"https://idp.example.com": theirs.key}
	refused(t, w.do(post(w.web(t, "WebIdentityToken", theirs.sign(t, w.claims(t, nil))))), 400, "InvalidIdentityToken", "could not be validated")
	theirOwn := w.claims(t, map[string]any{"iss": "https://idp.example.com", "aud": "app"})
	refused(t, w.do(post(w.web(t, "WebIdentityToken", ours.sign(t, theirOwn)))), 400, "InvalidIdentityToken", "could not be validated")
	// Well signed, and not whom the role trusts.
	refused(t, w.do(post(w.web(t, "WebIdentityToken", theirs.sign(t, theirOwn)))), 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
}

// A token that cannot be good makes nobody ask its issuer.
func TestHopelessTokensAskNoIssuer(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	for _, changes := range []map[string]any{{"iss": "https://evil.example.com"}, {"aud": "kubernetes"}, {"aud": nil}} {
		refused(t, w.do(post(w.web(t, "WebIdentityToken", w.jwt(t, changes)))), 400, "InvalidIdentityToken", "")
	}
	if n := w.idp.asked.Load(); n != 0 {
		t.Errorf("asked for %d documents", n)
	}
	w.webSession(t, w.web(t))
	w.webSession(t, w.web(t))
	if n := w.idp.asked.Load(); n != 2 {
		t.Errorf("asked for %d documents, want the two once", n)
	}
}

func TestErrorThatIsNotAboutTheTokenDenies(t *testing.T) {
	t.Parallel()
	if e := errVerification(errors.New("disk on fire")); e.Code != "InternalFailure" || e.Status != 500 || !strings.Contains(e.Reason, "disk on fire") {
		t.Errorf("%+v", e)
	}
	if e := errVerification(&oidc.Error{Reason: "new", Message: "who knows"}); e.Code != "InvalidIdentityToken" {
		t.Errorf("%+v", e)
	}
}
