package oidc_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/oidc"
)

func jwt(header, claims string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims)) + "." + enc.EncodeToString([]byte("signature"))
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestInspectProjectedToken(t *testing.T) {
	raw := jwt(`{"alg":"RS256","kid":"k1"}`, `{"aud":["sts.amazonaws.com"],"exp":1767358800,"iat":1767352000,"nbf":1767352000,
		"iss":"https://oidc.example/id/1","sub":"system:serviceaccount:payments:api","kubernetes.io":{"namespace":"payments"}}`)
	got, err := oidc.Inspect(raw, noon)
	if err != nil {
		t.Fatal(err)
	}
	got.Claims = nil
	want := oidc.Inspection{
		Algorithm: "RS256", KeyID: "k1",
		Issuer: "https://oidc.example/id/1", Subject: "system:serviceaccount:payments:api",
		Audience: []string{"sts.amazonaws.com"},
		IssuedAt: time.Unix(1767352000, 0).UTC(), NotBefore: time.Unix(1767352000, 0).UTC(), Expiry: time.Unix(1767358800, 0).UTC(),
		Faults: []string{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestInspectNamesFaults(t *testing.T) {
	const rest = `"iss":"https://i","sub":"s","exp":1767358800`
	for _, tc := range []struct{ name, header, claims, want string }{
		{"no audience", `{"alg":"RS256"}`, `{` + rest + `}`, "no audience"},
		{"alg none", `{"alg":"none"}`, `{"aud":"a",` + rest + `}`, "not signed"},
		{"HMAC", `{"alg":"HS256"}`, `{"aud":"a",` + rest + `}`, "shared secret"},
		{"expired", `{"alg":"RS256"}`, `{"aud":"a","iss":"i","sub":"s","exp":1767355199}`, "expired at 2026-01-02T11:59:59Z, 1s ago"},
		{"never expires", `{"alg":"RS256"}`, `{"aud":"a","iss":"i","sub":"s"}`, "never expires"},
		{"not yet", `{"alg":"RS256"}`, `{"aud":"a",` + rest + `,"nbf":1767358000}`, "not valid before"},
		{"no issuer", `{"alg":"RS256"}`, `{"aud":"a","sub":"s","exp":1767358800}`, "no issuer"},
		{"no subject", `{"alg":"RS256"}`, `{"aud":"a","iss":"i","exp":1767358800}`, "no subject"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := oidc.Inspect(jwt(tc.header, tc.claims), noon)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Faults) != 1 || !strings.Contains(got.Faults[0], tc.want) {
				t.Errorf("faults %q, want one with %q", got.Faults, tc.want)
			}
		})
	}
}

func TestInspectRefusesWhatIsNoJWT(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":        "",
		"two parts":    "e30.e30",
		"not base64":   "!!.e30.x",
		"not JSON":     "YWJj.e30.x",
		"claims array": jwt(`{}`, `[]`),
		"aud a number": jwt(`{}`, `{"aud":1}`),
		"exp a string": jwt(`{}`, `{"exp":"soon"}`),
		"exp huge":     jwt(`{}`, `{"exp":1e300}`),
		"oversized":    strings.Repeat("a", 20001),
	} {
		if got, err := oidc.Inspect(raw, noon); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(jwt(`{"alg":"RS256"}`, `{"aud":"a","exp":1}`))
	f.Add(jwt(`{"alg":null}`, `{"aud":[null],"exp":null}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		if in, err := oidc.Inspect(raw, noon); err == nil && in.Faults == nil {
			t.Error("no error, and faults is nil: JSON would say null")
		}
	})
}

// The ordinary token of a pod is for the API server. A provider may list its audience,
// so this is no fault.
func TestInspectTellsAnAPIToken(t *testing.T) {
	for audience, want := range map[string]bool{
		`"https://i"`: true, `["https://i","k3s"]`: true, `"https://kubernetes.default.svc"`: true, `["https://kubernetes.default.svc.cluster.local"]`: true,
		`["https://i","sts.amazonaws.com"]`: false, `"sts.amazonaws.com"`: false, `"other"`: false,
	} {
		got, err := oidc.Inspect(jwt(`{"alg":"RS256"}`, `{"aud":`+audience+`,"iss":"https://i","sub":"s","exp":1767358800}`), noon)
		if err != nil || got.ForAPIServer() != want || (len(got.Warnings) > 0) != want || len(got.Faults) > 0 {
			t.Errorf("%s: %v %q %q, %v", audience, got.ForAPIServer(), got.Warnings, got.Faults, err)
		}
	}
}
