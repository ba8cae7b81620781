package tokenreview_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

func ptr[T any](v T) *T { return &v }

func answerIdentity(arn string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { identify(w, arn, adaID) }
}

var refusal = regexp.MustCompile(`^refused: (\w+) \(correlation id ([0-9a-f]{16})\)$`)

// Every one of these is answered 200, authenticated: false, with an error, so
// that the API server does not remember it.
func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		raw    func(testing.TB, *rig) string
		reason string
		logged string // in its error
		asks   bool   // STS
	}{
		{"nothing", func(testing.TB, *rig) string { return "" }, "malformed", "not an EKS token", false},
		{"a JWT", func(testing.TB, *rig) string { return "eyJh.eyJi.c2ln" }, "malformed", "does not begin with", false},
		{"a token that is too long", func(testing.TB, *rig) string { return token.Prefix + strings.Repeat("A", 5000) }, "malformed", "at most 4096", false},
		{"expired", func(t testing.TB, r *rig) string {
			raw := r.mint(t, ada, cluster)
			r.clock.advance(token.Lifetime)
			return raw
		}, "expired", "expired at", false},
		{"from the future", func(t testing.TB, r *rig) string {
			r.clock.advance(6 * time.Minute)
			raw := r.mint(t, ada, cluster)
			r.clock.advance(-6 * time.Minute)
			return raw
		}, "future", "ahead of", false},
		{"for another STS", func(t testing.TB, r *rig) string {
			raw, _, err := token.New(ada, token.Options{ClusterID: cluster, Region: "cn-north-1", Time: start})
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}, "host", "partition aws-cn", false},
		{"for another cluster", func(t testing.TB, r *rig) string { return r.mint(t, ada, "prod") }, "signature", "another cluster, or altered", true},
		{"made with another secret", func(t testing.TB, r *rig) string {
			c := ada
			c.SecretAccessKey += "x"
			return r.mint(t, c, cluster)
		}, "signature", "altered", true},
		{"made with a deleted key", func(t testing.TB, r *rig) string { return r.mint(t, deleted, cluster) }, "credentials", "does not know the access key", true},
		{"not mapped", func(t testing.TB, r *rig) string { return r.mint(t, nobody, cluster) }, "unmapped", otherARN + " is not mapped", true},
		{"a template that cannot be filled", func(t testing.TB, r *rig) string {
			r.update(t, map[string]string{"mapRoles": "- rolearn: " + roleARN + "\n  username: system:node:{{EC2PrivateDNSName}}\n"})
			return r.mint(t, session, cluster)
		}, "template", "EC2", true},
		{"a reserved username", func(t testing.TB, r *rig) string {
			r.live = awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap, ReservedPrefixes: []string{"ada"}})
			r.update(t, map[string]string{"mapUsers": mappings})
			return r.mint(t, ada, cluster)
		}, "reserved", "reserved", true},
		{"an answer that makes no sense", func(t testing.TB, r *rig) string {
			r.sts.answer(400, "SomethingNew")
			return r.mint(t, ada, cluster)
		}, "answer", "400 SomethingNew", true},
		{"a principal that is none", func(t testing.TB, r *rig) string {
			r.sts.instead.Store(ptr(answerIdentity("arn:aws:iam::111122223333:group/admins")))
			return r.mint(t, ada, cluster)
		}, "answer", "a principal that is none", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			raw := tc.raw(t, r)
			a := r.review(t, raw)
			m := refusal.FindStringSubmatch(a.Status.Error)
			if a.HTTP != 200 || a.Status.Authenticated || a.Status.User.Username != "" || m == nil || m[1] != tc.reason {
				t.Fatalf("%d %s", a.HTTP, a.Text)
			}
			if got := r.sts.asked.Load() > 0; got != tc.asks {
				t.Errorf("STS was asked: %t", got)
			}
			line := r.lastLine(t)
			if got, _ := line["error"].(string); line["id"] != m[2] || line["reason"] != tc.reason || line["outcome"] != "refused" ||
				line["level"] != "WARN" || !strings.Contains(got, tc.logged) {
				t.Errorf("logged %v", line)
			}
			if raw != "" && strings.Contains(r.log.String(), raw) {
				t.Error("the log holds the token")
			}
			if diff := cmp.Diff([]string{"refused " + tc.reason}, r.observed.reviews); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusalOfTheUnmappedHintsInTheLogOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.update(t, map[string]string{"mapUsers": "- userarn: arn:aws:iam::999988887777:user/nobody\n  username: n\n"})
	raw := r.mint(t, nobody, cluster)
	a := r.review(t, raw)
	if strings.Contains(a.Text, "999988887777") {
		t.Errorf("the answer tells of other mappings: %s", a.Text)
	}
	if got, _ := r.lastLine(t)["hint"].(string); !strings.Contains(got, "the account is another") {
		t.Errorf("logged hint %q", got)
	}
	// Hints cost a walk through all mappings: at most one a second.
	r.review(t, raw)
	if got := r.lastLine(t)["hint"]; got != nil {
		t.Errorf("a second hint within a second: %v", got)
	}
	r.clock.advance(time.Second)
	r.review(t, raw)
	if got := r.lastLine(t)["hint"]; got == nil {
		t.Error("no hint after a second")
	}
}

// What passes by itself is an HTTP error that makes kube-apiserver ask again,
// and is never remembered here.
func TestFailsWhatMayPass(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		status  int
		retry   bool // with a Retry-After
		reason  string
	}{
		{"throttled as AWS does", func(r *rig) { r.sts.answer(400, "Throttling") }, 429, true, "throttled"},
		{"throttled as others do", func(r *rig) { r.sts.answer(429, "") }, 429, true, "throttled"},
		{"STS fails", func(r *rig) { r.sts.answer(503, "ServiceUnavailable") }, 504, false, "unavailable"},
		{"STS is gone", func(r *rig) { r.sts.CloseClientConnections(); r.sts.Listener.Close() }, 504, false, "unavailable"},
		{"mappings not read", func(r *rig) { r.live = awsauth.NewLive(awsauth.Source{Name: awsauth.EKSConfigMap}) }, 503, true, "not_ready"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tc.prepare(r)
			raw := r.mint(t, ada, cluster)
			for range 2 {
				a := r.review(t, raw)
				if a.HTTP != tc.status || !strings.Contains("1 2 3", a.Retry) || (a.Retry != "") != tc.retry {
					t.Fatalf("%d, Retry-After %q: %s", a.HTTP, a.Retry, a.Text)
				}
				line := r.lastLine(t)
				if id, _ := line["id"].(string); line["outcome"] != "failed" || line["reason"] != tc.reason || !strings.Contains(a.Text, "correlation id "+id) {
					t.Errorf("answered %s, logged %v", a.Text, line)
				}
			}
			if diff := cmp.Diff([]string{"failed " + tc.reason, "failed " + tc.reason}, r.observed.reviews); diff != "" {
				t.Error(diff)
			}
			if tc.reason == "throttled" && r.sts.asked.Load() != 1 {
				t.Errorf("STS was asked %d times after it asked to slow down, want 1 in all", r.sts.asked.Load())
			}
			if tc.reason == "not_ready" && r.sts.asked.Load() != 1 {
				t.Errorf("STS was asked %d times for an identity that it proved, want 1", r.sts.asked.Load())
			}
		})
	}
}

// A source that comes first decides what it can while a later one is not read.
func TestMappingsOfAnEarlierSourceDoNotWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.live = awsauth.NewLive(awsauth.Source{Name: awsauth.MountedFile}, awsauth.Source{Name: awsauth.EKSConfigMap})
	doc := awsauth.Document{Source: awsauth.MountedFile}
	doc.Add(awsauth.Entry{Key: awsauth.MapUsers, ARN: adaARN, Username: "ada"})
	if err := r.live.Update(awsauth.MountedFile, doc); err != nil {
		t.Fatal(err)
	}
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Errorf("%s", a.Text)
	}
	if a := r.review(t, r.mint(t, nobody, cluster)); a.HTTP != 503 {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
}

func TestRefusesWhatIsNoReview(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := body("authentication.k8s.io/v1", r.mint(t, ada, cluster))
	for _, tc := range []struct {
		name, method, contentType, body string
		status                          int
		want                            string
	}{
		{"GET", "GET", "", "", 405, "by POST, not GET"},
		{"PUT", "PUT", "application/json", good, 405, "by POST, not PUT"},
		{"a form", "POST", "application/x-www-form-urlencoded", good, 415, "not application/json"},
		{"protobuf", "POST", "application/vnd.kubernetes.protobuf", good, 415, "not application/json"},
		{"nothing", "POST", "application/json", "", 400, "not a TokenReview in JSON"},
		{"not JSON", "POST", "application/json", "k8s-aws-v1.x", 400, "not a TokenReview in JSON"},
		{"a list", "POST", "application/json", "[" + good + "]", 400, "not a TokenReview in JSON"},
		{"null", "POST", "application/json", "null", 400, `kind is ""`},
		{"two documents", "POST", "application/json", good + good, 400, "not a TokenReview in JSON"},
		{"something behind it", "POST", "application/json", good + "x", 400, "not a TokenReview in JSON"},
		{"a token that is a number", "POST", "application/json", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":1}}`, 400, "not a TokenReview in JSON"},
		{"oversized", "POST", "application/json", good + strings.Repeat(" ", 64<<10), 413, "longer than 65536"},
		{"another kind", "POST", "application/json", strings.Replace(good, "TokenReview", "SubjectAccessReview", 1), 400, `kind is "SubjectAccessReview"`},
		{"no kind", "POST", "application/json", strings.Replace(good, `"kind"`, `"Kind"`, 1), 400, `kind is ""`},
		{"another version", "POST", "application/json", strings.Replace(good, "k8s.io/v1", "k8s.io/v2", 1), 400, `"authentication.k8s.io/v2" is not known; known: authentication.k8s.io/v1, authentication.k8s.io/v1beta1`},
		{"another group", "POST", "application/json", strings.Replace(good, "authentication.k8s.io/v1", "v1", 1), 400, `"v1" is not known`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := httptest.NewRequest(tc.method, "/authenticate", strings.NewReader(tc.body))
			if tc.contentType != "" {
				req.Header.Set("Content-Type", tc.contentType)
			}
			a := r.do(t, req)
			line := r.lastLine(t)
			id, _ := line["id"].(string)
			if a.HTTP != tc.status || !strings.Contains(a.Text, tc.want) || !strings.Contains(a.Text, id) || a.Retry != "" {
				t.Errorf("%d %s (Retry-After %q)", a.HTTP, a.Text, a.Retry)
			}
			if line["outcome"] != "failed" || line["reason"] != "request" || !strings.Contains(fmt.Sprint(line["error"]), tc.want) {
				t.Errorf("logged %v", line)
			}
		})
	}
	if r.sts.asked.Load() != 0 || strings.Contains(r.log.String(), token.Prefix) {
		t.Errorf("STS was asked %d times; log:\n%s", r.sts.asked.Load(), r.log)
	}
	// The size allowed is the body's, exactly.
	a := r.post(t, good+strings.Repeat(" ", 64<<10-len(good)))
	if !a.Status.Authenticated {
		t.Errorf("a body of 65536 bytes: %d %s", a.HTTP, a.Text)
	}
	// A charset, or no type at all, is JSON still.
	for _, contentType := range []string{"application/json; charset=utf-8", ""} {
		req := httptest.NewRequest("POST", "/", bytes.NewBufferString(good))
		req.Header.Set("Content-Type", contentType)
		if a := r.do(t, req); !a.Status.Authenticated {
			t.Errorf("Content-Type %q: %d %s", contentType, a.HTTP, a.Text)
		}
	}
}

// faulty is a verifier with a fault of its own.
type faulty struct{ check, verify func() error }

func (f faulty) Asks(*token.Request) string           { return "" }
func (f faulty) Check(string) (*token.Request, error) { return &token.Request{}, f.check() }
func (f faulty) Prove(context.Context, *token.Request) (token.Verified, error) {
	p, err := arn.ParsePrincipal(adaARN) // mapped, if anybody believed it
	return token.Verified{Identity: arn.Identity{Principal: p}}, errors.Join(err, f.verify())
}

// Any internal error denies.
func TestFaultsOfOurOwnDeny(t *testing.T) {
	t.Parallel()
	well := func() error { return nil }
	boom := func() error { panic("boom") }
	fail := func() error { return errors.New("no idea") }
	nameless := func() error { return &token.Error{} }
	for _, tc := range []struct {
		name     string
		verifier faulty
		unmapped bool // no Mappings at all
		panics   bool
	}{
		{"panic before STS", faulty{boom, well}, false, true},
		{"panic at STS", faulty{well, boom}, false, true},
		{"panic at the mappings", faulty{well, well}, true, true},
		{"error before STS", faulty{fail, well}, false, false},
		{"error at STS", faulty{well, fail}, false, false},
		{"error without a reason before STS", faulty{nameless, well}, false, false},
		{"error without a reason at STS", faulty{well, nameless}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(_ *rig, c *tokenreview.Config) {
				c.Verifier = tc.verifier
				if tc.unmapped {
					c.Mappings = nil
				}
			})
			a := r.review(t, "x")
			if a.HTTP != 200 || a.Status.Authenticated || !strings.HasPrefix(a.Status.Error, "refused: internal") {
				t.Errorf("%d %s", a.HTTP, a.Text)
			}
			line := r.lastLine(t)
			if stack, _ := line["stack"].(string); line["level"] != "ERROR" || strings.Contains(stack, "tokenreview.(*Handler)") != tc.panics {
				t.Errorf("logged %v", line)
			}
		})
	}
}
