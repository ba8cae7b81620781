package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func jwkJSON(tb testing.TB, jwk jose.JSONWebKey) string {
	tb.Helper()
	data, err := json.Marshal(jwk)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func TestPublishedKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	key, ec := goldenKey(t, "rsa.pem"), goldenKey(t, "ec.pem")
	good := jwkJSON(t, jose.JSONWebKey{Key: key.public.key, KeyID: rsaKeyID, Algorithm: "RS256", Use: "sig"})
	other := jwkJSON(t, jose.JSONWebKey{Key: generate(t, "RS256").public.key, KeyID: rsaKeyID, Algorithm: "RS256", Use: "sig"})
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	long := new(big.Int).SetBit(big.NewInt(1), 8192, 1)
	n := func(n *big.Int) string {
		return `{"kty":"RSA","kid":"` + rsaKeyID + `","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(n.Bytes()) + `"}`
	}
	for _, tc := range []struct{ name, jwks, text string }{
		{"weak RSA", set(n(weak.N)), "1024 bits"},
		{"huge RSA", set(n(long)), "not a key that can be read"},
		{"two keys of one id", set(good, other), "different keys of that id"},
		{"two keys of one id, the other way", set(other, good), "different keys of that id"},
		{"three keys of one id", set(good, other, good), "different keys of that id"},
		{"one key for two algorithms", set(good, strings.Replace(good, "RS256", "RS512", 1)), "different keys of that id"},
		{"a broken key of the same id", set(good, `{"kty":"RSA","kid":"`+rsaKeyID+`"}`), "different keys of that id"},
		{"for encryption", set(strings.Replace(good, `"sig"`, `"enc"`, 1)), `use "enc"`},
		{"for another algorithm", set(strings.Replace(good, "RS256", "RS512", 1)), "not for RS256"},
		{"for PS256", set(strings.Replace(good, "RS256", "PS256", 1)), "not for RS256"},
		{"for HS256", set(strings.Replace(good, "RS256", "HS256", 1)), "not for RS256"},
		{"a private key", set(jwkJSON(t, jose.JSONWebKey{Key: key.private, KeyID: rsaKeyID})), "public key"},
		{"a shared secret", set(`{"kty":"oct","kid":"` + rsaKeyID + `","k":"c2VjcmV0"}`), "public key"},
		{"an Ed25519 key", set(`{"kty":"OKP","crv":"Ed25519","kid":"` + rsaKeyID + `","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), "public key"},
		{"an EC key", set(jwkJSON(t, jose.JSONWebKey{Key: ec.public.key, KeyID: rsaKeyID})), "not for RS256"},
		{"unknown kind", set(`{"kty":"moon","kid":"` + rsaKeyID + `"}`), "not a key that can be read"},
		{"no modulus", set(`{"kty":"RSA","kid":"` + rsaKeyID + `","e":"AQAB"}`), "not a key that can be read"},
		{"point off the curve", set(`{"kty":"EC","crv":"P-256","kid":"` + rsaKeyID + `","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}`), "not a key that can be read"},
		{"unknown curve", set(`{"kty":"EC","crv":"P-224","kid":"` + rsaKeyID + `","x":"AA","y":"AA"}`), "not a key that can be read"},
		{"no id", set(strings.Replace(good, `"kid"`, `"id"`, 1)), "publishes no key"},
		{"id in capitals", set(strings.Replace(good, `"kid"`, `"KID"`, 1)), "publishes no key"},
		{"id twice", set(strings.Replace(good, `"kty"`, `"kid":"a","kty"`, 1)), "publishes no key"},
		{"not objects", set(`1`, `null`, `"a"`, `[]`), "publishes no key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, key)
			s.serveKeys(tc.jwks)
			raw := s.mint(t)
			_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
			wantRefusal(t, err, NoKey, tc.text, raw)
		})
	}
}

// One bad key must not lock out the tokens of the good ones beside it, nor does
// it matter that a key is published twice.
func TestGoodKeysBesideOthersAreUsed(t *testing.T) {
	t.Parallel()
	key, ec := goldenKey(t, "rsa.pem"), goldenKey(t, "ec.pem")
	rsaJWK := jwkJSON(t, jose.JSONWebKey{Key: key.public.key, KeyID: rsaKeyID, Algorithm: "RS256", Use: "sig"})
	ecJWK := jwkJSON(t, jose.JSONWebKey{Key: ec.public.key, KeyID: ecKeyID})
	s := newSite(t, key)
	s.serveKeys(set(`{"kty":"moon","kid":"m"}`, `null`, `{"kty":"oct","kid":"s","k":"c2VjcmV0"}`, rsaJWK, rsaJWK, ecJWK, ecJWK))
	for _, raw := range []string{s.mint(t), forge(t, ec, crypto.SHA256, object{"alg": "ES256", "kid": ecKeyID}, s.claims())} {
		if _, err := s.verifier.Verify(t.Context(), s.URL(), raw); err != nil {
			t.Error(err)
		}
	}
}

// RFC 7517 appendix A.1: one key is for encryption, the other for RS256. That
// the constants are the RFC's is held by RFC 7638 section 3.1, which gives the
// thumbprint of the second.
func TestRFC7517ExampleKeys(t *testing.T) {
	t.Parallel()
	const ecKey = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
		"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}`
	const rsaKey = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
		"e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	keys, err := parseJWKS([]byte(set(ecKey, rsaKey)))
	if err != nil {
		t.Fatal(err)
	}
	if fault := keys["1"].checkFor(jose.ES256); !strings.Contains(fault, `"enc"`) {
		t.Errorf("the key for encryption: %q", fault)
	}
	if fault := keys["2011-04-29"].checkFor(jose.RS256); fault != "" {
		t.Errorf("the RSA key: %s", fault)
	}
	thumbprint, err := (&jose.JSONWebKey{Key: keys["2011-04-29"].key}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if got := base64.RawURLEncoding.EncodeToString(thumbprint); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("thumbprint %s", got)
	}
}
