package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"strings"
	"testing"
	"time"
)

// offline verifies the golden issuer's tokens without a network.
func offline(tb testing.TB) *Verifier {
	tb.Helper()
	keys, err := parseJWKS(golden(tb, "jwks.json"))
	if err != nil {
		tb.Fatal(err)
	}
	v := &Verifier{Now: atNoon}
	c := v.issuer(goldenIssuer)
	c.keys, c.good, c.tried = keys, noon, noon
	return v
}

// FuzzVerify: whatever bytes come, nothing but the tokens that were signed is
// accepted, in their one spelling. (Of ES256 there may be more: whoever has one
// signature can compute a second.)
func FuzzVerify(f *testing.F) {
	v := offline(f)
	good, es256 := string(golden(f, "token-rs256.jwt")), string(golden(f, "token-es256.jwt"))
	for _, raw := range []string{good, es256} {
		if _, err := v.Verify(f.Context(), goldenIssuer, raw); err != nil {
			f.Fatal(err)
		}
		parts := strings.Split(raw, ".")
		f.Add(raw)
		f.Add(raw + "\n")
		f.Add(segment(f, `{"alg":"none","kid":"`+rsaKeyID+`"}`) + "." + parts[1] + ".")
		f.Add(segment(f, `{"alg":"HS256","kid":"`+rsaKeyID+`"}`) + "." + parts[1] + "." + parts[2])
		f.Add(segment(f, `{"alg":"RS256","kid":"`+ecKeyID+`","jku":"https://evil.example"}`) + "." + parts[1] + "." + parts[2])
	}
	es256Signed := es256[:strings.LastIndex(es256, ".")]
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := v.Verify(t.Context(), goldenIssuer, raw)
		if err == nil && raw != good && !strings.HasPrefix(raw, es256Signed+".") {
			t.Errorf("accepted %q", raw)
		}
		if e, ok := err.(*Error); err != nil && (!ok || e.Reason == "" || e.Transient()) {
			t.Errorf("error %#v", err)
		}
	})
}

// FuzzParse: both readers agree on what a token is, and a time is never before
// 1970 or unprintable.
func FuzzParse(f *testing.F) {
	f.Add(string(golden(f, "token-rs256.jwt")))
	f.Add(segment(f, `{"alg":null}`) + "." + segment(f, `{"aud":[null],"exp":null,"nbf":1e9}`) + ".")
	f.Add(segment(f, `{}`) + "." + segment(f, `{"iss":"a","iss":"b"}`) + ".")
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseUnverified(raw)
		in, inspectErr := Inspect(raw, noon)
		if (err == nil) != (inspectErr == nil) || err == nil && (u.Issuer != in.Issuer || u.Subject != in.Subject) {
			t.Errorf("%+v, %v; %+v, %v", u, err, in, inspectErr)
		}
		for _, at := range []time.Time{in.Expiry, in.IssuedAt, in.NotBefore} {
			if !at.IsZero() && at.Unix() < 0 {
				t.Errorf("time %s", at)
			}
		}
		if err == nil && (len(raw) > maxJWT || strings.ContainsAny(raw, " \r\n=")) {
			t.Errorf("accepted %q", raw)
		}
	})
}

// FuzzJWKS: a key without a fault is one of the two kinds, and strong enough.
func FuzzJWKS(f *testing.F) {
	f.Add(golden(f, "jwks.json"))
	f.Add([]byte(`{"keys":[{"kty":"oct","kid":"a","k":"AA"},{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB","x5c":["AA"],"x5u":"%zz"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseJWKS(data)
		if err != nil {
			return
		}
		for id, key := range keys {
			if key.fault != "" {
				continue
			}
			switch k := key.key.(type) {
			case *rsa.PublicKey:
				if k.N.BitLen() < 2048 {
					t.Errorf("%s: %d bits", id, k.N.BitLen())
				}
			case *ecdsa.PublicKey:
			default:
				t.Errorf("%s: %T", id, k)
			}
		}
	})
}
