package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/eksauth/eksauth/sigv4"
)

// Where this package and the SDK's signer differ, and why. In each case the SDK,
// given the request as this package sees it, makes the same signature; given the
// same request, it makes another.
func TestWhereSignDiffersFromTheSDK(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		why     string
		request func(*http.Request)
		seen    func(*http.Request)
	}{
		{
			name:    "path with empty and dot segments",
			why:     "AWS documents that the path is normalised, S3's excepted; botocore does it",
			request: func(r *http.Request) { r.URL.Path = "/a//b/./c/../d/" },
			seen:    func(r *http.Request) { r.URL.Path = "/a/b/d/" },
		},
		{
			name:    "tabs inside a header's value",
			why:     "botocore folds any white space, the SDK spaces only",
			request: func(r *http.Request) { r.Header.Set("X-Odd", "a\tb \t c") },
			seen:    func(r *http.Request) { r.Header.Set("X-Odd", "a b c") },
		},
		{
			name: "headers of one hop",
			why:  "a proxy may change or drop them; botocore does not sign them",
			request: func(r *http.Request) {
				for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Authorization", "Te", "Upgrade", "Accept-Encoding"} {
					r.Header.Set(name, "x")
				}
			},
		},
		{
			name:    "headers that net/http does not take from the map",
			why:     "what is signed would not be what is sent",
			request: func(r *http.Request) { r.Header.Set("Host", "other.example"); r.Header.Set("Trailer", "X-T") },
		},
		{
			name:    "header without a value",
			why:     "net/http sends nothing",
			request: func(r *http.Request) { r.Header["X-None"] = nil },
		},
		{
			name:    "token of earlier credentials",
			why:     "it is not these credentials'",
			request: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "old") },
		},
		{
			name:    "default port of an IPv6 address",
			why:     "the SDK takes the brackets away with the port",
			request: func(r *http.Request) { r.URL.Host, r.Host = "[::1]:443", "" },
			seen:    func(r *http.Request) { r.URL.Host, r.Host = "[::1]", "" },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCall()
			same, ours, seen := c.request(t), c.request(t), c.request(t)
			test.request(same)
			test.request(ours)
			if test.seen != nil {
				test.seen(seen)
			}
			if err := sigv4.Sign(ours, c.payloadHash(), c.credentials, c.region, c.service, c.at); err != nil {
				t.Fatal(err)
			}
			for _, r := range []*http.Request{same, seen} {
				if err := c.sdk().SignHTTP(t.Context(), c.sdkCredentials(), r, c.payloadHash(), c.service, c.region, c.at); err != nil {
					t.Fatal(err)
				}
			}
			got := ours.Header.Get("Authorization")
			if want := seen.Header.Get("Authorization"); got != want {
				t.Errorf("Sign:\n%s, the SDK for the request as seen here:\n%s", got, want)
			}
			if got == same.Header.Get("Authorization") {
				t.Errorf("the SDK does the same now; this difference (%s) is none", test.why)
			}
		})
	}
}

// S3's paths are encoded once from the characters that they stand for, as S3
// documents it; the SDK takes whatever encoding it finds, and relies on the S3
// client to have made the strict one.
func TestSignEncodesAnS3PathStrictly(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.service = "s3"
	ours, theirs := c.request(t), c.request(t)
	ours.URL.Path, ours.URL.RawPath = "/a+b/(c)//d", "/a+b/(c)//d"
	theirs.URL.Path, theirs.URL.RawPath = "/a+b/(c)//d", "/a%2Bb/%28c%29//d"
	if err := sigv4.Sign(ours, c.payloadHash(), c.credentials, c.region, c.service, c.at); err != nil {
		t.Fatal(err)
	}
	if err := c.sdk().SignHTTP(t.Context(), c.sdkCredentials(), theirs, c.payloadHash(), c.service, c.region, c.at); err != nil {
		t.Fatal(err)
	}
	if got, want := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
		t.Errorf("Sign:\n%s, the SDK:\n%s", got, want)
	}
}

// The SDK drops what net/url cannot parse from the query, without a word, and
// signs the rest.
func TestSignRefusesAQueryThatTheSDKWouldCut(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"A=1&B=%zz", "A=1&B=2;3", "A=1&%4=b"} {
		c := newCall()
		c.query = query
		ours, theirs := c.request(t), c.request(t)
		wantFormatError(t, "query", sigv4.Sign(ours, c.payloadHash(), c.credentials, c.region, c.service, c.at))
		if ours.Header.Get("Authorization") != "" || ours.URL.RawQuery != query {
			t.Errorf("%s: a refused request was changed", query)
		}
		if err := c.sdk().SignHTTP(t.Context(), c.sdkCredentials(), theirs, c.payloadHash(), c.service, c.region, c.at); err != nil {
			t.Fatal(err)
		}
		if theirs.URL.RawQuery != "A=1" {
			t.Errorf("the SDK signs %q now", theirs.URL.RawQuery)
		}
	}
}

// The SDK moves most X-Amz- headers into the URL, botocore does not. Authenticators
// want X-K8s-Aws-Id as a header either way.
func TestPresignMovesNoHeaderIntoTheQuery(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.header.Set("X-Amz-Target", "t")
	u, err := sigv4.Presign(c.request(t), c.payloadHash(), c.credentials, c.region, c.service, c.at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("X-Amz-SignedHeaders"); !strings.Contains(got, "x-amz-target") || u.Query().Has("X-Amz-Target") {
		t.Errorf("Presign signs the headers %s", got)
	}
	raw, _, err := v4.NewSigner().PresignHTTP(t.Context(), c.sdkCredentials(), c.request(t), c.payloadHash(), c.service, c.region, c.at)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if theirs.Query().Get("X-Amz-Target") != "t" || theirs.Query().Has("X-Amz-Expires") {
		t.Errorf("the SDK presigns %v", theirs.Query())
	}
	// Both are good, the one without X-Amz-Expires too.
	for _, u := range []*url.URL{u, theirs} {
		sent := c.request(t)
		sent.URL = u
		if u == theirs {
			sent.Header.Del("X-Amz-Target")
		}
		c.verify(t, 0, sent)
	}
}

// newCall is a plain call of STS.
func newCall() call {
	return call{
		method:  http.MethodPost,
		scheme:  "https",
		urlHost: "sts.us-east-1.amazonaws.com",
		path:    "/",
		query:   "Action=GetCallerIdentity&Version=2011-06-15",
		header:  http.Header{"X-K8s-Aws-Id": {"dev"}},
		body:    "body",
		credentials: sigv4.Credentials{
			AccessKeyID:     "AKIAIOSFODNN7EXAMPLE",
			SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		},
		region:  "us-east-1",
		service: "sts",
		at:      time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC),
	}
}
