package sigv4

import (
	"fmt"
	"strings"
	"testing"
)

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	// The expected values are botocore's, of normalize_url_path and quote; of
	// S3, those of the "Examples: Signature Calculations" in its API reference
	// and its definition of UriEncode.
	tests := []struct{ service, path, want string }{
		{"sts", "", "/"},
		{"sts", "/", "/"},
		{"sts", "//", "/"},
		{"sts", "/a", "/a"},
		{"sts", "/a/", "/a/"},
		{"sts", "/a//", "/a/"},
		{"sts", "/.", "/"},
		{"sts", "/..", "/"},
		{"sts", "/../../a", "/a"},
		{"sts", "/a/.", "/a"},
		{"sts", "/a/b/..", "/a"},
		{"sts", "/a/b/../", "/a/"},
		{"sts", "/a/.../b", "/a/.../b"},
		{"sts", "/a%2Fb/%2E%2E", "/a%252Fb/%252E%252E"},
		{"sts", "/a%20b+c(d)~", "/a%2520b%2Bc%28d%29~"},
		{"sts", strings.Repeat("/a", 40) + strings.Repeat("/..", 39), "/a"},
		{"s3", "/test%24file.text", "/test%24file.text"},
		{"s3", "/a+b", "/a%2Bb"},
		{"s3", "/a//./../b", "/a//./../b"},
		{"s3", "/a%2fb", "/a/b"},
		{"s3", "", "/"},
	}
	for _, test := range tests {
		got, err := appendPath(nil, test.path, test.service)
		if err != nil || string(got) != test.want {
			t.Errorf("%s %q: %q, %v; want %q", test.service, test.path, got, err, test.want)
		}
	}
	if _, err := appendPath(nil, "/%zz", "s3"); err == nil {
		t.Error("a broken escape was taken")
	}
}

func TestCanonicalHeaderValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "", " ": "", "a": "a", " a ": "a", "a  b": "a b", "\ta \t b\t": "a b", `"a   b"`: `"a b"`, "a\r\nb": "a b", " ü ": "ü", "\u00a0": "\u00a0",
	} {
		if got := string(appendTrimmed([]byte("x:"), value)); got != "x:"+want {
			t.Errorf("%q: %q, want %q", value, got, "x:"+want)
		}
	}
}

// No SDK signs Transfer-Encoding, but nothing forbids it; net/http takes it out
// of the header.
func TestVerifyFindsASignedTransferEncoding(t *testing.T) {
	t.Parallel()
	const secret = "secret"
	r, body := readRequest(t, "POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nX-Amz-Date: 20260101T000000Z\n\n3\r\nabc\r\n0\r\n\r\n")
	scope := Scope{"20260101", "us-east-1", "sts"}
	m := message{method: "POST", path: "/", payload: PayloadHash([]byte("abc")), fields: []field{
		{"host", []string{"h"}}, {"transfer-encoding", []string{"chunked"}}, {"x-amz-date", []string{"20260101T000000Z"}},
	}}
	signature, err := scope.sign(&m, "20260101T000000Z", secret)
	if err != nil {
		t.Fatal(err)
	}
	at, err := parseTime("20260101T000000Z")
	if err != nil {
		t.Fatal(err)
	}
	s := Signature{Scope: scope, Time: at, SignedHeaders: []string{"host", "transfer-encoding", "x-amz-date"}, signature: signature}
	if err := s.Verify(r, PayloadHash(body), secret); err != nil {
		t.Error(err)
	}
	r.TransferEncoding = nil
	if err := s.Verify(r, PayloadHash(body), secret); err == nil || err == ErrMismatch {
		t.Errorf("without it: %v", err)
	}
}

// Anybody can sign with it, so a caller that has no key for an access key ID
// must not come through by passing "".
func TestVerifyRefusesTheEmptyKey(t *testing.T) {
	t.Parallel()
	r, _ := readRequest(t, "GET / HTTP/1.1\nHost: h\nX-Amz-Date: 20260101T000000Z")
	scope := Scope{"20260101", "us-east-1", "sts"}
	m := message{method: "GET", path: "/", payload: EmptyPayload, fields: []field{
		{"host", []string{"h"}}, {"x-amz-date", []string{"20260101T000000Z"}},
	}}
	forged, err := scope.sign(&m, "20260101T000000Z", "")
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKIA/%v, SignedHeaders=host;x-amz-date, Signature=%x", scope, forged))
	s, err := ParseSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, EmptyPayload, ""); err == nil {
		t.Error("the empty key verified")
	}
}
