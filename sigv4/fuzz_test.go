package sigv4

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// FuzzParseSignature sends any text through a server's parser. Nothing panics,
// and what parses is a whole signature: made anew with a known key, it verifies,
// and with another key it does not.
func FuzzParseSignature(f *testing.F) {
	for _, text := range requestSeeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		s, err := ParseSignature(r)
		if err != nil {
			return
		}
		if !slices.IsSorted(s.SignedHeaders) || s.Time.Format(timeFormat)[:dateLength] != s.Scope.Date || s.Expires < 0 || s.Expires > MaxExpires {
			t.Fatalf("parsed %v", s)
		}
		if err := s.Verify(r, EmptyPayload, "secret"); !errors.Is(err, ErrMismatch) {
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("error = %v", err)
			}
			return
		}

		m, err := newMessage(r, EmptyPayload)
		if err != nil {
			t.Fatal(err)
		}
		m.query = r.URL.RawQuery
		for _, name := range s.SignedHeaders {
			m.fields = append(m.fields, field{name, received(r, name)})
		}
		signature, err := s.Scope.sign(&m, s.Time.Format(timeFormat), "secret")
		if err != nil {
			t.Fatal(err)
		}
		before, after := hex.EncodeToString(s.signature[:]), hex.EncodeToString(signature[:])
		if s.Presigned {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, paramSignature+"="+before, paramSignature+"="+after, 1)
		} else {
			r.Header.Set(headerAuthorization, strings.Replace(r.Header.Get(headerAuthorization), "Signature="+before, "Signature="+after, 1))
		}
		again, err := ParseSignature(r)
		if err != nil {
			t.Fatal(err)
		}
		if again.signature == s.signature {
			return // it is percent-encoded
		}
		if err := again.Verify(r, EmptyPayload, "secret"); err != nil {
			t.Fatal(err)
		}
		if err := again.Verify(r, EmptyPayload, "another secret"); !errors.Is(err, ErrMismatch) {
			t.Fatalf("with another key: %v", err)
		}
	})
}

// FuzzCanonicalQuery holds that a signature covers exactly the query that a
// handler reads from net/url, the signature itself excepted.
func FuzzCanonicalQuery(f *testing.F) {
	for _, query := range []string{
		"", "a", "a=", "=", "&&", "b=2&a=1&a=0", "a=%20+%2B", "a=%c3%a9&é=é", "a=~&a=%7E", "a%3Db=c%26d", "a;b", "%zz", "A-B=1&A=2&A1=3",
		"X-Amz-Signature=1&x-amz-signature=2&%58-Amz-Signature=3", "Action=GetCallerIdentity&Version=2011-06-15",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		read, parseErr := url.ParseQuery(raw)
		canonical, err := appendQuery(nil, raw)
		if err != nil {
			if parseErr == nil && len(raw) <= maxQuery {
				t.Fatalf("net/url reads it, but: %v", err)
			}
			return
		}
		if parseErr != nil {
			t.Fatalf("net/url does not read it: %v", parseErr)
		}
		read.Del(paramSignature)
		signed, err := url.ParseQuery(string(canonical))
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range []url.Values{read, signed} {
			for _, v := range values {
				slices.Sort(v)
			}
		}
		if diff := gocmp.Diff(read, signed); diff != "" {
			t.Fatalf("(-read +signed):\n%s", diff)
		}
		again, err := appendQuery(nil, string(canonical))
		if err != nil || string(again) != string(canonical) {
			t.Fatalf("canonical twice: %q, then %q, %v", canonical, again, err)
		}
	})
}

// requestSeeds are the texts of all requests that others signed.
func requestSeeds(f *testing.F) []string {
	f.Helper()
	var aws suite
	var botocore struct {
		Cases []struct {
			Method, URL, Body string
			Headers           map[string]string
		}
	}
	for name, v := range map[string]any{"aws-sig-v4-test-suite.json": &aws, "botocore.json": &botocore} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		if err := json.Unmarshal(data, v); err != nil {
			f.Fatal(err)
		}
	}
	var seeds []string
	for _, v := range aws.Vectors {
		head, body, _ := strings.Cut(v.Request, "\n\n")
		seeds = append(seeds, head+"\nAuthorization: "+v.Authorization+"\n\n"+body)
	}
	for _, v := range aws.LaterEdition {
		seeds = append(seeds, v.SignedRequest)
	}
	for _, c := range botocore.Cases {
		u, err := url.Parse(c.URL)
		if err != nil {
			f.Fatal(err)
		}
		text := c.Method + " " + cmp.Or(u.RequestURI(), "/") + " HTTP/1.1\r\nHost: " + u.Host + "\r\n"
		for k, v := range c.Headers {
			text += k + ": " + v + "\r\n"
		}
		seeds = append(seeds, text+"\r\n"+c.Body)
	}
	if len(seeds) < 50 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	return seeds
}
