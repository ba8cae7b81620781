package sigv4_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
)

// golden is testdata/botocore.json; its README says how it was made.
type golden struct {
	AccessKeyID, SecretAccessKey string
	Cases                        []goldenCase
}

type goldenCase struct {
	Name, Time, Region, Service, SessionToken string
	Method, URL, Body                         string
	Headers                                   map[string]string
	UnsignedURL                               string // "" where botocore's client chose what to sign
	Expires                                   int    // seconds; 0 where it is signed in the headers
}

func loadGolden(t testing.TB) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/botocore.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 20 {
		t.Fatalf("the corpus has only %d cases", len(g.Cases))
	}
	return g
}

func (c goldenCase) request(t testing.TB, rawURL string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(c.Method, rawURL, strings.NewReader(c.Body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range c.Headers {
		r.Header.Set(k, v)
	}
	return r
}

func (c goldenCase) at(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", c.Time)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// sent is the URL in the form that Presign gives it, where that is not
// botocore's: botocore signs the host without the default port but leaves it in
// the URL, which breaks it for clients that send the port; and it leaves an
// empty path empty.
func (c goldenCase) sent() string {
	return strings.NewReplacer("amazonaws.com:443/", "amazonaws.com/", "amazonaws.com?", "amazonaws.com/?").Replace(c.URL)
}

func TestVerifyAcceptsWhatBotocoreSigned(t *testing.T) {
	t.Parallel()
	g := loadGolden(t)
	for _, c := range g.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := c.request(t, c.sent())
			s, err := sigv4.ParseSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(r, sigv4.PayloadHash([]byte(c.Body)), g.SecretAccessKey); err != nil {
				t.Error(err)
			}
			if err := s.CheckTime(c.at(t)); err != nil {
				t.Error(err)
			}
			want := sigv4.Scope{Date: c.Time[:8], Region: c.Region, Service: c.Service}
			if s.AccessKeyID != g.AccessKeyID || s.Scope != want || s.SessionToken != c.SessionToken || !s.Time.Equal(c.at(t)) {
				t.Errorf("parsed %+v, session token %q", s, s.SessionToken)
			}
		})
	}
}

func TestPresignWritesTheURLThatBotocoreWrites(t *testing.T) {
	t.Parallel()
	g := loadGolden(t)
	n := 0
	for _, c := range g.Cases {
		if c.UnsignedURL == "" || c.Expires == 0 {
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := c.request(t, c.UnsignedURL)
			before := r.Clone(t.Context())
			creds := sigv4.Credentials{AccessKeyID: g.AccessKeyID, SecretAccessKey: g.SecretAccessKey, SessionToken: c.SessionToken}
			u, err := sigv4.Presign(r, sigv4.EmptyPayload, creds, c.Region, c.Service, c.at(t), time.Duration(c.Expires)*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if got := u.String(); got != c.sent() {
				t.Errorf("got\n%s, botocore has\n%s", got, c.sent())
			}
			if r.URL.String() != before.URL.String() || r.Host != before.Host || len(r.Header) != len(before.Header) {
				t.Error("Presign modified the request")
			}
		})
	}
	if n < 10 {
		t.Errorf("only %d cases are presigned", n)
	}
}

// The URL of an EKS token, written out: its form is a contract with every
// authenticator in the field.
func TestPresignWritesAnEKSToken(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodGet, "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-k8s-aws-id", "x")
	c := sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	u, err := sigv4.Presign(r, sigv4.EmptyPayload, c, "us-east-1", "sts", time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15" +
		"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261123%2Fus-east-1%2Fsts%2Faws4_request" +
		"&X-Amz-Date=20261123T070450Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" +
		"&X-Amz-Signature=617d66e8efd8b288bc422c9355140580af9239c7f5d282384a7c7a27d5fa3faa"
	if u.String() != want {
		t.Errorf("got\n%s, want\n%s", u, want)
	}
}

func TestSignWritesTheHeaderThatBotocoreWrites(t *testing.T) {
	t.Parallel()
	g := loadGolden(t)
	n := 0
	for _, c := range g.Cases {
		want := c.Headers["Authorization"]
		if c.UnsignedURL == "" || want == "" {
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := c.request(t, c.UnsignedURL)
			for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
				r.Header.Del(name)
			}
			creds := sigv4.Credentials{AccessKeyID: g.AccessKeyID, SecretAccessKey: g.SecretAccessKey, SessionToken: c.SessionToken}
			if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(c.Body)), creds, c.Region, c.Service, c.at(t)); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("got\n%s, botocore has\n%s", got, want)
			}
		})
	}
	if n < 6 {
		t.Errorf("only %d cases are signed in the headers", n)
	}
}
