package sigv4_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/sigv4"
)

// The random requests stay clear of the places where the SDK and this package
// differ for good reason; TestWhereSignDiffersFromTheSDK has each of those.
const differentialRounds = 2500

// anyOrder compares queries: the SDK sorts the one that it sends.
var anyOrder = cmp.Transformer("sorted", func(v []string) []string { return slices.Sorted(slices.Values(v)) })

func TestSignAgreesWithTheSDK(t *testing.T) {
	t.Parallel()
	random := generator{rand.New(rand.NewPCG(1, 2))}
	for i := range differentialRounds {
		c := random.call()
		ours, theirs := c.request(t), c.request(t)
		if err := sigv4.Sign(ours, c.payloadHash(), c.credentials, c.region, c.service, c.at); err != nil {
			t.Fatalf("round %d: %v: %v", i, c, err)
		}
		if err := c.sdk().SignHTTP(t.Context(), c.sdkCredentials(), theirs, c.payloadHash(), c.service, c.region, c.at); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs.Header, ours.Header); diff != "" {
			t.Fatalf("round %d: %v (-SDK +ours):\n%s", i, c, diff)
		}
		if diff := cmp.Diff(theirs.URL.Query(), ours.URL.Query(), anyOrder); diff != "" {
			t.Fatalf("round %d: %v: query (-SDK +ours):\n%s", i, c, diff)
		}
		c.verify(t, i, ours)
		c.verify(t, i, theirs)
	}
}

func TestPresignAgreesWithTheSDK(t *testing.T) {
	t.Parallel()
	random := generator{rand.New(rand.NewPCG(3, 4))}
	for i := range differentialRounds {
		c := random.call()
		expires := time.Duration(random.IntN(int(sigv4.MaxExpires/time.Second)+1)) * time.Second
		ours, err := sigv4.Presign(c.request(t), c.payloadHash(), c.credentials, c.region, c.service, c.at, expires)
		if err != nil {
			t.Fatalf("round %d: %v: %v", i, c, err)
		}
		// The SDK wants the lifetime in the query beforehand.
		r := c.request(t)
		r.URL.RawQuery = strings.TrimPrefix(fmt.Sprintf("%s&X-Amz-Expires=%d", r.URL.RawQuery, expires/time.Second), "&")
		raw, _, err := c.sdk().PresignHTTP(t.Context(), c.sdkCredentials(), r, c.payloadHash(), c.service, c.region, c.at)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs.Query(), ours.Query(), anyOrder); diff != "" {
			t.Fatalf("round %d: %v (-SDK +ours):\n%s", i, c, diff)
		}
		for _, u := range []*url.URL{ours, theirs} {
			sent := c.request(t)
			sent.Host = ours.Host // see "default port" below
			sent.URL = u
			c.verify(t, i, sent)
		}
	}
}

// call is a request and what to sign it with.
type call struct {
	method, scheme, host, urlHost, path, rawPath, query string
	header                                              http.Header
	body                                                string
	credentials                                         sigv4.Credentials
	region, service                                     string
	at                                                  time.Time
}

func (c call) String() string {
	return fmt.Sprintf("%s %s://%s (%s) %q (%q)?%s %q, %s %s", c.method, c.scheme, c.urlHost, c.host, c.path, c.rawPath, c.query, c.header, c.region, c.service)
}

func (c call) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, "https://placeholder", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL = &url.URL{Scheme: c.scheme, Host: c.urlHost, Path: c.path, RawPath: c.rawPath, RawQuery: c.query}
	r.Host, r.Header = c.host, c.header.Clone()
	return r
}

func (c call) payloadHash() string { return sigv4.PayloadHash([]byte(c.body)) }

func (c call) sdk() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = c.service == "s3"
		// Presign moves no header into the query: see there.
		o.DisableHeaderHoisting = true
	})
}

func (c call) sdkCredentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: c.credentials.AccessKeyID, SecretAccessKey: c.credentials.SecretAccessKey, SessionToken: c.credentials.SessionToken}
}

// verify sends r over the wire, as far as a server's parser, and verifies it
// there.
func (c call) verify(t *testing.T, round int, r *http.Request) {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatalf("round %d: %v: %v", round, c, err)
	}
	text := wire.String()
	received, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("round %d: %v: %v", round, c, err)
	}
	body, err := io.ReadAll(received.Body)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sigv4.ParseSignature(received)
	if err != nil {
		t.Fatalf("round %d: %v: %v", round, c, err)
	}
	if err := s.Verify(received, sigv4.PayloadHash(body), c.credentials.SecretAccessKey); err != nil {
		t.Fatalf("round %d: %v\n%s", round, err, text)
	}
	if want := (sigv4.Scope{Date: c.at.UTC().Format("20060102"), Region: c.region, Service: c.service}); s.Scope != want {
		t.Fatalf("round %d: scope %v, want %v", round, s.Scope, want)
	}
	if s.SessionToken != c.credentials.SessionToken {
		t.Fatalf("round %d: another session token", round)
	}
}

type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// text is up to n characters, many of which mean something to a URL or to HTTP.
func (g generator) text(n int) string {
	var b strings.Builder
	for range g.IntN(n + 1) {
		b.WriteString(g.pick("a", "Z", "0", "~", "-", "_", ".", " ", "+", "/", "%", "&", "=", ";", "?", "#", "@", ":", ",", "!", "*", "'", "(", ")", "$", "[", "|", "\\", "\"", "<", "é", "ሴ", "😀", "\x01", "\xff"))
	}
	return b.String()
}

func (g generator) call() call {
	c := call{
		method:  g.pick("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"),
		scheme:  g.pick("https", "http"),
		urlHost: g.pick("sts.amazonaws.com", "sts.us-east-1.amazonaws.com", "localhost", "127.0.0.1", "a-b.c_d") + g.pick("", "", ":4566", ":443", ":80"),
		region:  g.pick("us-east-1", "eu-central-1", "cn-northwest-1", "us-gov-west-1"),
		service: g.pick("sts", "eks", "iam", "execute-api", "s3"),
		query:   g.query(),
		header:  g.header(),
		at:      time.Unix(g.Int64N(4e9), g.Int64N(1e9)).In(time.FixedZone("", 3600*(g.IntN(25)-12))),
		credentials: sigv4.Credentials{
			AccessKeyID:     "AKIA" + g.pick("IOSFODNN7EXAMPLE", "I44QH8DHBEXAMPLE"),
			SecretAccessKey: "secret/+" + g.text(40),
			SessionToken:    g.pick("", "", "abc/+=", strings.Repeat("FwoGZXIvYXdzE/+=", 1+g.IntN(40))),
		},
	}
	if g.IntN(4) == 0 {
		c.host = g.pick("sts.amazonaws.com", "other.example:8443")
	}
	if c.method == "POST" || c.method == "PUT" {
		c.body = g.text(40)
	}
	c.path, c.rawPath = g.path(c.service == "s3")
	return c
}

// path is one that the SDK, too, canonicalises as AWS documents it: nothing in
// it would be resolved, and for S3 it is already in AWS's percent-encoding.
func (g generator) path(s3 bool) (path, raw string) {
	for range g.IntN(4) {
		segment := g.text(6) + g.pick("x", "clusters", "my cluster")
		if s3 {
			segment = strings.ReplaceAll(segment, "/", "")
			raw += "/" + strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
		} else {
			raw += "/" + url.PathEscape(segment)
		}
		path += "/" + segment
	}
	if path == "" || g.IntN(3) == 0 {
		path, raw = path+"/", raw+"/"
	}
	if s3 || strings.Contains(path, "//") || strings.Contains(path, "/./") || strings.Contains(path, "/../") || g.IntN(2) == 0 {
		return path, raw
	}
	return path, "" // encoded by net/url
}

func (g generator) query() string {
	var pairs []string
	for range g.IntN(7) {
		key, value := g.pick("Action", "Version", "A", "A", "A-B", "a", g.text(4)), g.text(12)
		pair := url.QueryEscape(key) + "=" + url.QueryEscape(value)
		switch g.IntN(4) {
		case 0:
			pair = strings.ReplaceAll(pair, "+", "%20")
		case 1:
			pair = strings.ToLower(pair)
		case 2:
			if key != "" {
				pair = url.QueryEscape(key) + g.pick("", "=")
			}
		}
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "&")
}

func (g generator) header() http.Header {
	h := http.Header{}
	for range g.IntN(6) {
		name := g.pick("x-k8s-aws-id", "Content-Type", "Accept", "Cache-Control", "X-Amz-Target", "X-Amz-Meta-A", "X-Amz-Meta-B", "Cookie", "User-Agent", "X-Amzn-Trace-Id", "Range")
		value := g.pick("", " ", "  ", "\t ") + g.pick("", "dev", "a  b", "a    \"b   c\"", "ü", "a,b", "application/x-www-form-urlencoded; charset=utf-8") + g.pick("", " ", "   ", " \t")
		h[http.CanonicalHeaderKey(name)] = append(h[http.CanonicalHeaderKey(name)], value)
	}
	return h
}
