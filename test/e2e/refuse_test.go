package e2e_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// Every one of these gets a real Unauthorized from a real API server, and the
// authenticator's log says why.
func TestRefused(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	endpoint, err := url.Parse(s.env["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	ada := sigv4.Credentials{AccessKeyID: s.env["AWS_ACCESS_KEY_ID"], SecretAccessKey: s.env["AWS_SECRET_ACCESS_KEY"]}
	options := func(change func(*token.Options)) token.Options {
		o := token.Options{ClusterID: "dev", Region: "us-east-1", Endpoint: endpoint, Time: time.Now()}
		change(&o)
		return o
	}
	same := func(*token.Options) {}
	make := func(creds sigv4.Credentials, change func(*token.Options)) string {
		t.Helper()
		raw, _, err := token.New(creds, options(change))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	edit := func(old, new string) string {
		t.Helper()
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(make(ada, same), token.Prefix))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), old, new, 1)
		if changed == string(text) {
			t.Fatalf("the token has no %q", old)
		}
		return token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(changed))
	}
	wrongSecret, unknownKey, forgedSession := ada, ada, ada
	wrongSecret.SecretAccessKey = strings.Repeat("x", 40)
	unknownKey.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"
	forgedSession.AccessKeyID, forgedSession.SessionToken = "ASIAIOSFODNN7EXAMPLE", "forged"
	stranger := strings.TrimSpace(c.must("eksauth", "--profile", "charles.babbage", "token", "--cluster-name", "dev", "--token-only"))

	// The control: the same way, unchanged, lets her in.
	if r := c.whoamiWith(make(ada, same)); r.err != nil {
		t.Fatalf("a good token is refused: %s", r.stderr)
	}
	for _, tc := range []struct{ name, token string }{
		{"for another cluster", make(ada, func(o *token.Options) { o.ClusterID = "staging" })},
		{"expired", make(ada, func(o *token.Options) { o.Time = time.Now().Add(-15*time.Minute - time.Second) })},
		{"from the future", make(ada, func(o *token.Options) { o.Time = time.Now().Add(6 * time.Minute) })},
		{"signed with another secret", make(wrongSecret, same)},
		{"of an unknown key", make(unknownKey, same)},
		{"with a forged session token", make(forgedSession, same)},
		{"of a user who is not mapped", stranger},
		{"tampered: another's key id", edit(ada.AccessKeyID, "AKIAIOSFODNN7EXAMPLE")},
		{"tampered: a later date", edit("X-Amz-Expires=60", "X-Amz-Expires=900")},
		{"tampered: another action", edit("Action=GetCallerIdentity", "Action=GetSessionToken")},
		{"duplicated parameter", edit("&X-Amz-Date=", "&X-Amz-Expires=60&X-Amz-Date=")},
		{"CVE-2022-2385: a second spelling", edit("Action=", "action=GetCallerIdentity&Action=")},
		{"for another host", make(ada, func(o *token.Options) { o.Endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} })},
		{"of another partition", make(ada, func(o *token.Options) { o.Endpoint, o.Region = nil, "cn-north-1" })},
		{"malformed", token.Prefix + "garbage"},
		{"without the prefix", "garbage"},
		{"oversized", token.Prefix + strings.Repeat("A", 5000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := c.whoamiWith(tc.token)
			if r.err == nil {
				t.Fatalf("signed in:\n%s", r.stdout)
			}
			if !strings.Contains(r.stderr, "Unauthorized") {
				t.Errorf("not Unauthorized: %s", r.stderr)
			}
		})
	}
}
