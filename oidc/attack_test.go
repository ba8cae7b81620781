package oidc

import (
	"crypto"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func hmacToken(tb testing.TB, secret []byte, header, claims any) string {
	tb.Helper()
	input := segment(tb, header) + "." + segment(tb, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Among them those that JWT libraries once took: "none", and HMAC with the public
// key (CVE-2015-9235).
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	key, second, ec := goldenKey(t, "rsa.pem"), generate(t, "RS256"), goldenKey(t, "ec.pem")
	stranger := generate(t, "RS256")
	s := newSite(t, key, second.Public(), ec.Public())
	claims := s.claims()
	admin := claims.with(object{"sub": "system:serviceaccount:kube-system:admin"})
	good := forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID}, claims)
	if _, err := s.verifier.Verify(t.Context(), s.URL(), good); err != nil {
		t.Fatalf("the token that the others are made from: %v", err)
	}
	parts := strings.Split(good, ".")
	publicPEM, err := key.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	head := func(alg, kid string) object { return object{"alg": alg, "kid": kid} }
	unsigned := func(alg string) string { return segment(t, head(alg, rsaKeyID)) + "." + segment(t, claims) + "." }
	flipped := "A" + parts[2][1:]
	if flipped == parts[2] {
		flipped = "B" + parts[2][1:]
	}
	pss := segment(t, head("PS256", rsaKeyID)) + "." + parts[1]
	sum := sha256.Sum256([]byte(pss))
	pssSig, err := rsa.SignPSS(rand.Reader, key.private.(*rsa.PrivateKey), crypto.SHA256, sum[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, raw string
		reason    Reason
		text      string
	}{
		{"alg none", unsigned("none"), Algorithm, `"none"`},
		{"alg None", unsigned("None"), Algorithm, `"None"`},
		{"alg none, signed", forge(t, key, crypto.SHA256, head("none", rsaKeyID), claims), Algorithm, ""},
		{"no alg", forge(t, key, crypto.SHA256, object{"kid": rsaKeyID}, claims), Algorithm, `""`},
		{"alg in small letters", forge(t, key, crypto.SHA256, head("rs256", rsaKeyID), claims), Algorithm, ""},
		{"HMAC with the public PEM", hmacToken(t, publicPEM, head("HS256", rsaKeyID), admin), Algorithm, "HS256"},
		{"HMAC with the modulus", hmacToken(t, key.public.key.(*rsa.PublicKey).N.Bytes(), head("HS256", rsaKeyID), admin), Algorithm, "HS256"},
		{"HMAC that says RS256", hmacToken(t, publicPEM, head("RS256", rsaKeyID), admin), Signature, ""},
		{"PS256 by the right key", pss + "." + base64.RawURLEncoding.EncodeToString(pssSig), Algorithm, "PS256"},
		{"EdDSA", forge(t, key, crypto.SHA256, head("EdDSA", rsaKeyID), claims), Algorithm, ""},
		{"no signature", unsigned("RS256"), Signature, ""},
		{"stranger's key", forge(t, stranger, crypto.SHA256, head("RS256", rsaKeyID), admin), Signature, rsaKeyID},
		{"kid of another key", forge(t, key, crypto.SHA256, head("RS256", second.Public().ID()), claims), Signature, ""},
		{"unknown kid", forge(t, stranger, crypto.SHA256, head("RS256", stranger.Public().ID()), admin), NoKey, stranger.Public().ID()},
		{"no kid", forge(t, key, crypto.SHA256, object{"alg": "RS256"}, claims), NoKey, "does not say which key"},
		{"kid is a path", forge(t, key, crypto.SHA256, head("RS256", "../../"+rsaKeyID), claims), NoKey, ""},
		{"claims changed", parts[0] + "." + segment(t, admin) + "." + parts[2], Signature, "altered"},
		{"header changed", segment(t, object{"alg": "RS256", "kid": rsaKeyID, "typ": "JWT"}) + "." + parts[1] + "." + parts[2], Signature, ""},
		{"signature changed", parts[0] + "." + parts[1] + "." + flipped, Signature, ""},
		{"signature too short", parts[0] + "." + parts[1] + "." + parts[2][:340], Signature, ""},
		{"RS256 relabelled RS384", forge(t, key, crypto.SHA256, head("RS384", rsaKeyID), claims), NoKey, "not for RS384"},
		{"RS256 by an EC key", forge(t, ec, crypto.SHA256, head("RS256", ecKeyID), claims), NoKey, "not for RS256"},
		{"ES256 by an RSA key", forge(t, key, crypto.SHA256, head("ES256", rsaKeyID), claims), NoKey, "not for ES256"},
		{"ES384 by a P-256 key", forge(t, ec, crypto.SHA384, head("ES384", ecKeyID), claims), NoKey, "not for ES384"},
		{"extension demanded", forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID, "crit": []string{"exp"}}, claims), Malformed, "extension"},
		{"b64", forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID, "b64": false, "crit": []string{"b64"}}, claims), Malformed, "extension"},
		{"b64 alone", forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID, "b64": false}, claims), Malformed, "extension"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.verifier.Verify(t.Context(), s.URL(), tc.raw)
			wantRefusal(t, err, tc.reason, tc.text, tc.raw)
		})
	}
}

// A signature of zeros once verified for every message (CVE-2022-21449), and a
// second encoding would be a second spelling.
func TestOddECDSASignaturesAreRefused(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "ec.pem")
	s := newSite(t, key)
	input := segment(t, object{"alg": "ES256", "kid": ecKeyID}) + "." + segment(t, s.claims())
	sig := signature(t, key, crypto.SHA256, input)
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	for name, bad := range map[string][]byte{
		"zeros": make([]byte, 64), "order of the curve": append(order, order...), "ASN.1": der,
		"padded": append([]byte{0}, sig...), "longer": append(sig[:64:64], 0), "half": sig[:32], "empty": nil,
	} {
		raw := input + "." + base64.RawURLEncoding.EncodeToString(bad)
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantRefusal(t, err, Signature, "", raw)
	}
	raw := input + "." + base64.RawURLEncoding.EncodeToString(sig)
	if _, err := s.verifier.Verify(t.Context(), s.URL(), raw); err != nil {
		t.Errorf("the signature as it should be: %v", err)
	}
}

// Keys that a token brings along, or points to, are never used nor fetched
// (CVE-2018-0114).
func TestHeaderKeysAreIgnored(t *testing.T) {
	t.Parallel()
	key, stranger := goldenKey(t, "rsa.pem"), generate(t, "RS256")
	s := newSite(t, key)
	var fetched atomic.Int64
	trap := quietTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	embedded, err := json.Marshal(jose.JSONWebKey{Key: stranger.public.key, KeyID: rsaKeyID, Algorithm: "RS256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	for name, extra := range map[string]object{
		"jwk": {"jwk": json.RawMessage(embedded)},
		"jku": {"jku": trap.URL + "/jwks"},
		"x5u": {"x5u": trap.URL + "/cert.pem"},
	} {
		header := object{"alg": "RS256", "kid": rsaKeyID}.with(extra)
		raw := forge(t, stranger, crypto.SHA256, header, s.claims())
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		wantRefusal(t, err, Signature, "", raw)
		raw = forge(t, stranger, crypto.SHA256, header.with(object{"kid": "of-the-stranger"}), s.claims())
		_, err = s.verifier.Verify(t.Context(), s.URL(), raw)
		wantRefusal(t, err, NoKey, "", raw)
		raw = forge(t, key, crypto.SHA256, header, s.claims())
		if _, err := s.verifier.Verify(t.Context(), s.URL(), raw); err != nil {
			t.Errorf("%s beside a good signature: %v", name, err)
		}
	}
	for name, jwk := range map[string]any{
		"a private jwk": jose.JSONWebKey{Key: key.private}, "no jwk": "text",
	} {
		raw := forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID, "jwk": jwk}, s.claims())
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantRefusal(t, err, Malformed, "header", raw)
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("the place that the header names was asked %d times", n)
	}
}
