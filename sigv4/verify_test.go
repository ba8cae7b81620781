package sigv4_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/sigv4"
)

const (
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	body   = "Action=GetCallerIdentity&Version=2011-06-15"
)

// verify parses and verifies r as a server would that read payload.
func verify(r *http.Request, payload, secret string) error {
	s, err := sigv4.ParseSignature(r)
	if err != nil {
		return err
	}
	return s.Verify(r, sigv4.PayloadHash([]byte(payload)), secret)
}

func bothWays(t *testing.T, c call, check func(t *testing.T, r *http.Request)) {
	t.Helper()
	t.Run("signed", func(t *testing.T) { check(t, c.sign(t)) })
	t.Run("presigned", func(t *testing.T) { check(t, c.presign(t)) })
}

func tamperedCall() call {
	c := newCall()
	c.path = "/clusters/dev"
	c.query = "A=1&B=2"
	c.body = body
	return c
}

func TestVerifyRefusesATamperedRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*http.Request)
	}{
		{"method", func(r *http.Request) { r.Method = http.MethodPut }},
		{"path", func(r *http.Request) { r.URL.Path = "/clusters/prod" }},
		{"path's case", func(r *http.Request) { r.URL.Path = "/clusters/Dev" }},
		{"path with a slash more", func(r *http.Request) { r.URL.Path += "/" }},
		{"path with a slash encoded", func(r *http.Request) { r.URL.RawPath = "/clusters%2Fdev" }},
		{"query value", func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "A=1", "A=2", 1) }},
		{"query key", func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "A=1", "C=1", 1) }},
		{"query with a parameter more", func(r *http.Request) { r.URL.RawQuery += "&C=3" }},
		{"query with a parameter twice", func(r *http.Request) { r.URL.RawQuery += "&A=1" }},
		{"query with a parameter less", func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "B=2", "", 1) }},
		{"query with values exchanged", func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "A=1&B=2", "A=2&B=1", 1) }},
		{"signed header", func(r *http.Request) { r.Header.Set("X-K8s-Aws-Id", "prod") }},
		{"signed header with a value more", func(r *http.Request) { r.Header.Add("X-K8s-Aws-Id", "dev") }},
		{"host", func(r *http.Request) { r.Host = "sts.amazonaws.com" }},
		{"host's port", func(r *http.Request) { r.Host += ":4566" }},
		{"content length", func(r *http.Request) { r.ContentLength++ }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
				if err := verify(r, body, secret); err != nil {
					t.Fatalf("before tampering: %v", err)
				}
				test.edit(r)
				if err := verify(r, body, secret); !errors.Is(err, sigv4.ErrMismatch) {
					t.Errorf("error = %v, want ErrMismatch", err)
				}
			})
		})
	}
}

func TestVerifyRefusesAnotherBodyAndAnotherKey(t *testing.T) {
	t.Parallel()
	bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
		for _, payload := range []string{"", body + " ", strings.ToLower(body)} {
			if err := verify(r, payload, secret); !errors.Is(err, sigv4.ErrMismatch) {
				t.Errorf("body %q: error = %v, want ErrMismatch", payload, err)
			}
		}
		for _, key := range []string{"x", secret + "x", strings.ToLower(secret)} {
			if err := verify(r, body, key); !errors.Is(err, sigv4.ErrMismatch) {
				t.Errorf("another key: error = %v, want ErrMismatch", err)
			}
		}
	})
}

// Each digit of the signature counts.
func TestVerifyRefusesASignatureOffByOneDigit(t *testing.T) {
	t.Parallel()
	bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
		place, text := "Authorization", r.Header.Get("Authorization")
		if text == "" {
			place, text = "query", r.URL.RawQuery
		}
		digits := strings.LastIndex(text, "Signature=") + len("Signature=")
		if digits+64 != len(text) {
			t.Fatalf("the %s does not end in the signature", place)
		}
		for i := digits; i < len(text); i++ {
			other := byte('0')
			if text[i] == other {
				other = '1'
			}
			changed := text[:i] + string(other) + text[i+1:]
			if place == "query" {
				r.URL.RawQuery = changed
			} else {
				r.Header.Set("Authorization", changed)
			}
			if err := verify(r, body, secret); !errors.Is(err, sigv4.ErrMismatch) {
				t.Fatalf("digit %d: error = %v, want ErrMismatch", i-digits, err)
			}
		}
	})
}

// The scope, the time and the key belong to what is signed.
func TestVerifyRefusesATamperedCredential(t *testing.T) {
	t.Parallel()
	replace := func(r *http.Request, old, new string) {
		encoded := func(s string) string { return strings.ReplaceAll(s, "/", "%2F") }
		before := r.URL.RawQuery + r.Header.Get("Authorization") + r.Header.Get("X-Amz-Date")
		r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, encoded(old), encoded(new))
		for _, name := range []string{"Authorization", "X-Amz-Date"} {
			if v := r.Header.Get(name); v != "" {
				r.Header.Set(name, strings.ReplaceAll(v, old, new))
			}
		}
		if r.URL.RawQuery+r.Header.Get("Authorization")+r.Header.Get("X-Amz-Date") == before {
			panic("nothing was replaced")
		}
	}
	for _, test := range [][2]string{
		{"/us-east-1/sts/", "/us-east-2/sts/"}, {"/us-east-1/sts/", "/us-east-1/eks/"},
		{"20261123", "20261124"}, {"T070450Z", "T070451Z"},
	} {
		bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
			replace(r, test[0], test[1])
			if err := verify(r, body, secret); !errors.Is(err, sigv4.ErrMismatch) {
				t.Errorf("%s for %s: error = %v, want ErrMismatch", test[1], test[0], err)
			}
		})
	}
	// The key's name is in the signed query, but in no signed header.
	r := tamperedCall().presign(t)
	replace(r, "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE")
	if err := verify(r, body, secret); !errors.Is(err, sigv4.ErrMismatch) {
		t.Errorf("another access key ID: error = %v, want ErrMismatch", err)
	}
}

func TestVerifyRefusesASignatureThatCoversTooLittle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, field string
		edit        func(*http.Request)
	}{
		{"an x-amz- header was added", "X-Amz-Target", func(r *http.Request) { r.Header.Set("X-Amz-Target", "t") }},
		{"two were added", "X-Amz-A", func(r *http.Request) { r.Header.Set("X-Amz-B", "t"); r.Header.Set("X-Amz-A", "t") }},
		{"one was added under another spelling", "x-amz-target", func(r *http.Request) { r.Header["x-amz-target"] = []string{"t"} }},
		{"a signed header was added to under another spelling", "x-amz-meta", func(r *http.Request) { r.Header["x-amz-meta"] = []string{"t"} }},
		{"one with a long name was added", "X-Amz-A" + strings.Repeat("a", 57) + "…", func(r *http.Request) { r.Header.Set("X-Amz-"+strings.Repeat("a", 99), "t") }},
		{"a signed header was removed", "x-k8s-aws-id", func(r *http.Request) { r.Header.Del("X-K8s-Aws-Id") }},
		{"the host was removed", "host", func(r *http.Request) { r.Host, r.URL.Host = "", "" }},
		{"the length became unknown", "content-length", func(r *http.Request) { r.ContentLength = -1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := tamperedCall()
			c.header.Set("X-Amz-Meta", "m")
			bothWays(t, c, func(t *testing.T, r *http.Request) {
				test.edit(r)
				wantFormatError(t, test.field, verify(r, body, secret))
			})
		})
	}
}

func TestVerifyRefusesAnUnsignedSessionToken(t *testing.T) {
	t.Parallel()
	r := tamperedCall().sign(t)
	r.Header.Set("X-Amz-Security-Token", "another")
	wantFormatError(t, "X-Amz-Security-Token", verify(r, body, secret))
}

func TestVerifyRefusesASignatureWithoutTheHost(t *testing.T) {
	t.Parallel()
	bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "host%3B", "", 1)
		if v := r.Header.Get("Authorization"); v != "" {
			r.Header.Set("Authorization", strings.Replace(v, "host;", "", 1))
		}
		wantFormatError(t, "host", verify(r, body, secret))
	})
	if err := (sigv4.Signature{}).Verify(tamperedCall().request(t), sigv4.EmptyPayload, secret); err == nil {
		t.Error("the zero Signature verified")
	}
}

// net/url leaves these out of the query that a handler sees; and a '+' that was
// signed as one must not become the space that net/url makes of it.
func TestVerifyRefusesAQueryThatReadsOtherwise(t *testing.T) {
	t.Parallel()
	c := tamperedCall()
	c.query = "A=1%3B2&B=%2B"
	bothWays(t, c, func(t *testing.T, r *http.Request) {
		good := r.URL.RawQuery
		r.URL.RawQuery = strings.Replace(good, "%3B", ";", 1)
		wantFormatError(t, "query", verify(r, body, secret))
		r.URL.RawQuery = strings.Replace(good, "1%3B2", "1%3", 1)
		wantFormatError(t, "query", verify(r, body, secret))
		r.URL.RawQuery = strings.Replace(good, "B=%2B", "B=+", 1)
		if err := verify(r, body, secret); !errors.Is(err, sigv4.ErrMismatch) {
			t.Errorf("error = %v, want ErrMismatch", err)
		}
	})
}

func TestVerifyTakesOtherSpellingsOfTheSameQuery(t *testing.T) {
	t.Parallel()
	c := tamperedCall()
	c.query = "A=a%20b&B=%2F&C="
	r := c.presign(t)
	for _, swap := range [][2]string{{"a%20b", "a+b"}, {"%2F&C", "/&C"}, {"%2F", "%2f"}, {"C=", "C"}, {"A=", "&%41="}} {
		sent := r.Clone(t.Context())
		sent.URL.RawQuery = strings.Replace(r.URL.RawQuery, swap[0], swap[1], 1)
		if sent.URL.RawQuery == r.URL.RawQuery {
			t.Fatalf("nothing was replaced by %s", swap[1])
		}
		if err := verify(sent, body, secret); err != nil {
			t.Errorf("%s for %s: %v", swap[1], swap[0], err)
		}
	}
}

func TestVerifyRefusesAURLWithoutAPath(t *testing.T) {
	t.Parallel()
	bothWays(t, tamperedCall(), func(t *testing.T, r *http.Request) {
		r.URL.Opaque = "//host/path"
		wantFormatError(t, "URL", verify(r, body, secret))
	})
}

// A signature says nothing of a request that it was not parsed from.
func TestVerifyRefusesAnotherRequestsSignature(t *testing.T) {
	t.Parallel()
	one, other := tamperedCall(), tamperedCall()
	other.query = "A=2"
	s, err := sigv4.ParseSignature(one.presign(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(other.presign(t), other.payloadHash(), secret); !errors.Is(err, sigv4.ErrMismatch) {
		t.Errorf("error = %v, want ErrMismatch", err)
	}
}
