package e2e_test

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// Every one of these gets a real Unauthorized from a real API server, and the
// authenticator's log has the right reason.
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
		return replaceIn(t, make(ada, same), old, new)
	}
	// The date alone, on the same day: only the signature knows.
	signed := time.Now().Add(-10 * time.Minute)
	later := replaceIn(t, make(ada, func(o *token.Options) { o.Time = signed }),
		"X-Amz-Date="+signed.UTC().Format("20060102T150405Z"), "X-Amz-Date="+time.Now().UTC().Format("20060102T150405Z"))
	wrongSecret, unknownKey, forgedSession := ada, ada, ada
	wrongSecret.SecretAccessKey = strings.Repeat("x", 40)
	unknownKey.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"
	forgedSession.AccessKeyID, forgedSession.SessionToken = "ASIAIOSFODNN7EXAMPLE", "forged"
	stranger := strings.TrimSpace(c.must("eksauth", "--profile", "charles.babbage", "token", "--cluster-name", "dev", "--token-only"))

	// The control: the same way, unchanged, lets her in.
	if r := c.whoamiWith(make(ada, same)); r.err != nil {
		t.Fatalf("a good token is refused: %s", r.stderr)
	}
	for _, tc := range []struct{ name, reason, token string }{
		{"for another cluster", "signature", make(ada, func(o *token.Options) { o.ClusterID = "staging" })},
		{"expired", "expired", make(ada, func(o *token.Options) { o.Time = time.Now().Add(-15*time.Minute - time.Second) })},
		{"from the future", "future", make(ada, func(o *token.Options) { o.Time = time.Now().Add(6 * time.Minute) })},
		{"signed with another secret", "signature", make(wrongSecret, same)},
		{"of an unknown key", "credentials", make(unknownKey, same)},
		{"with a forged session token", "credentials", make(forgedSession, same)},
		{"of a user who is not mapped", "unmapped", stranger},
		{"tampered: another's key id", "credentials", edit(ada.AccessKeyID, "AKIAIOSFODNN7EXAMPLE")},
		{"tampered: a longer life", "signature", edit("X-Amz-Expires=60", "X-Amz-Expires=900")},
		{"tampered: a later date", "signature", later},
		{"tampered: another action", "malformed", edit("Action=GetCallerIdentity", "Action=GetSessionToken")},
		{"duplicated parameter", "malformed", edit("&X-Amz-Date=", "&X-Amz-Expires=60&X-Amz-Date=")},
		{"CVE-2022-2385: a second spelling", "malformed", edit("Action=", "action=GetCallerIdentity&Action=")},
		{"for another host", "host", make(ada, func(o *token.Options) { o.Endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} })},
		{"of another partition", "host", make(ada, func(o *token.Options) { o.Endpoint, o.Region = nil, "cn-north-1" })},
		{"malformed", "malformed", token.Prefix + "garbage"},
		{"without the prefix", "malformed", "garbage"},
		{"oversized", "malformed", token.Prefix + strings.Repeat("A", 5000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.authenticatorLog(t)
			r := c.whoamiWith(tc.token)
			if r.err == nil {
				t.Fatalf("signed in:\n%s", r.stdout)
			}
			if !strings.Contains(r.stderr, "Unauthorized") {
				t.Errorf("not Unauthorized: %s", r.stderr)
			}
			if log := s.authenticatorLog(t)[len(before):]; !strings.Contains(log, "outcome=refused reason="+tc.reason+" ") {
				t.Errorf("the authenticator did not refuse it for %q:\n%s", tc.reason, log)
			}
		})
	}
	// It did not just stop letting anybody in.
	if r := c.whoamiWith(make(ada, same)); r.err != nil {
		t.Fatalf("a good token is refused afterwards: %s", r.stderr)
	}
}

// replaceIn changes the URL inside a token.
func replaceIn(t *testing.T, raw, old, new string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, token.Prefix))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("the token has no %q", old)
	}
	return token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(changed))
}

// authenticatorLog is all that the authenticator has logged.
func (s *system) authenticatorLog(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(s.dir, "authenticator", "eksauthd.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}
