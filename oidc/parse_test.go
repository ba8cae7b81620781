package oidc

import (
	"crypto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUnverified(t *testing.T) {
	t.Parallel()
	got, err := ParseUnverified(string(golden(t, "token-rs256.jwt")))
	if err != nil {
		t.Fatal(err)
	}
	want := Unverified{Issuer: goldenIssuer, Subject: "system:serviceaccount:payments:api", Audience: []string{"sts.amazonaws.com", "two"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	one, err := ParseUnverified(segment(t, object{}) + "." + segment(t, object{"aud": "sts.amazonaws.com"}) + ".")
	if err != nil || !cmp.Equal(one.Audience, []string{"sts.amazonaws.com"}) {
		t.Errorf("an audience that is no list: %q, error %v", one.Audience, err)
	}
}

// All of these are signed by the right key, so nothing but their form is wrong.
// Many dots once filled the memory of go-jose (CVE-2025-27144).
func TestMalformedTokensAreRefused(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "rsa.pem")
	s := newSite(t, key)
	header := object{"alg": "RS256", "kid": rsaKeyID}
	sign := func(header, claims any) string { return forge(t, key, crypto.SHA256, header, claims) }
	good := sign(header, s.claims())
	parts := strings.Split(good, ".")
	iss := `"iss":"` + s.URL() + `"`
	for name, raw := range map[string]string{
		"empty":                "",
		"a word":               "garbage",
		"dots":                 "..",
		"two parts":            parts[0] + "." + parts[1],
		"four parts":           good + ".",
		"five parts (JWE)":     good + ".a.b",
		"many dots":            strings.Repeat(".", 20000),
		"JSON serialization":   `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"an EKS token":         "k8s-aws-v1.aHR0cHM6Ly9zdHM",
		"space before":         " " + good,
		"newline after":        good + "\n",
		"newline inside":       good[:10] + "\n" + good[10:],
		"padding":              parts[0] + "=." + parts[1] + "." + parts[2],
		"standard base64":      parts[0] + "." + parts[1] + "." + "+" + parts[2][1:],
		"bits after the end":   good[:len(good)-1] + string(good[len(good)-1]+1),
		"NUL":                  good + "\x00",
		"header an array":      sign("[]", s.claims()),
		"header null":          sign("null", s.claims()),
		"header cut":           sign(`{"alg":"RS256"`, s.claims()),
		"alg a number":         sign(`{"alg":1}`, s.claims()),
		"alg twice":            sign(`{"alg":"none","alg":"RS256","kid":"`+rsaKeyID+`"}`, s.claims()),
		"kid an object":        sign(`{"alg":"RS256","kid":{}}`, s.claims()),
		"text after header":    sign(`{"alg":"RS256","kid":"`+rsaKeyID+`"}{}`, s.claims()),
		"claims empty":         sign(header, ""),
		"claims null":          sign(header, "null"),
		"claims a string":      sign(header, `"claims"`),
		"claims an array":      sign(header, "[]"),
		"iss twice":            sign(header, "{"+iss+`,"sub":"a","exp":1795471416,`+iss+"}"),
		"sub twice":            sign(header, "{"+iss+`,"sub":"a","sub":"b","exp":1795471416}`),
		"nested name twice":    sign(header, "{"+iss+`,"sub":"a","exp":1795471416,"x":{"y":1,"y":2}}`),
		"iss a list":           sign(header, s.claims().with(object{"iss": []string{s.URL()}})),
		"sub a number":         sign(header, s.claims().with(object{"sub": 1})),
		"aud a number":         sign(header, s.claims().with(object{"aud": 1})),
		"aud a list of lists":  sign(header, s.claims().with(object{"aud": []any{[]string{"a"}}})),
		"exp a string":         sign(header, s.claims().with(object{"exp": "1795471416"})),
		"exp huge":             sign(header, "{"+iss+`,"sub":"a","exp":1e300}`),
		"exp beyond floats":    sign(header, "{"+iss+`,"sub":"a","exp":1e999}`),
		"exp negative":         sign(header, s.claims().with(object{"exp": -1})),
		"over 20,000":          sign(header, s.claims().with(object{"pad": strings.Repeat("a", 15000)})),
		"a million characters": strings.Repeat("a", 1_000_000),
		"deep and cut":         sign(header, `{"x":`+strings.Repeat("[", 14000)),
	} {
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		t.Run(name, func(t *testing.T) { wantRefusal(t, err, Malformed, "", raw) })
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("malformed tokens made %d requests to the issuer", n)
	}
}

func TestTokenOfNearly20000CharactersIsAccepted(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "rsa.pem")
	s := newSite(t, key)
	raw := forge(t, key, crypto.SHA256, object{"alg": "RS256", "kid": rsaKeyID}, s.claims().with(object{"pad": strings.Repeat("a", 14400)}))
	if len(raw) < 19800 || len(raw) > maxJWT {
		t.Fatalf("the test's token has %d characters", len(raw))
	}
	if _, err := s.verifier.Verify(t.Context(), s.URL(), raw); err != nil {
		t.Error(err)
	}
}
