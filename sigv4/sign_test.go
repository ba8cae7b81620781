package sigv4_test

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/sigv4"
)

// wantFormatError wants a *sigv4.FormatError about the field.
func wantFormatError(t *testing.T, field string, err error) {
	t.Helper()
	var format *sigv4.FormatError
	if !errors.As(err, &format) || format.Field != field {
		t.Errorf("error = %v, want a FormatError about %q", err, field)
	}
}

func (c call) sign(t *testing.T) *http.Request {
	t.Helper()
	r := c.request(t)
	if err := sigv4.Sign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at); err != nil {
		t.Fatal(err)
	}
	return r
}

func (c call) presign(t *testing.T) *http.Request {
	t.Helper()
	r := c.request(t)
	u, err := sigv4.Presign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.Host = u, u.Host
	return r
}

func TestSignSendsWhatItSigned(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.urlHost = "sts.us-east-1.amazonaws.com:443"
	c.query = "B=a+b&A=%c3%a9&&Empty&A=(1)"
	r := c.sign(t)
	if want := "B=a%20b&A=%C3%A9&Empty=&A=%281%29"; r.URL.RawQuery != want {
		t.Errorf("query = %s, want %s", r.URL.RawQuery, want)
	}
	if want := "sts.us-east-1.amazonaws.com"; r.Host != want {
		t.Errorf("host = %s, want %s", r.Host, want)
	}
	if want := c.urlHost; r.URL.Host != want {
		t.Errorf("address = %s, want %s", r.URL.Host, want)
	}
}

func TestSignTwiceIsSigningOnce(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.credentials.SessionToken = "abc/+="
	once := c.sign(t)
	twice := c.sign(t)
	if err := sigv4.Sign(twice, c.payloadHash(), c.credentials, c.region, c.service, c.at); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once.Header, twice.Header); diff != "" {
		t.Error(diff)
	}
}

func TestSignTakesARequestWithoutHeaders(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.header = nil
	c.verify(t, 0, c.sign(t))
}

func TestSignJoinsTheSpellingsOfOneHeader(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.header["x-odd"] = []string{"2"}
	c.header["X-Odd"] = []string{"1"}
	c.verify(t, 0, c.sign(t))
}

func TestPresignLeavesNoUserAndNoFragmentInTheURL(t *testing.T) {
	t.Parallel()
	c := newCall()
	r := c.request(t)
	r.URL.User, r.URL.Fragment, r.URL.Path = url.UserPassword("ada", "pass"), "top", ""
	u, err := sigv4.Presign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(u.String(), "https://sts.us-east-1.amazonaws.com/?Action=") || strings.Contains(u.String(), "#") {
		t.Errorf("presigned %s", u.Redacted())
	}
}

func TestSignAndPresignRefuseWhatCannotBeSigned(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		field string
		edit  func(*call)
	}{
		{"no access key ID", "access key ID", func(c *call) { c.credentials.AccessKeyID = "" }},
		{"slash in the access key ID", "access key ID", func(c *call) { c.credentials.AccessKeyID = "A/B" }},
		{"access key ID too long", "access key ID", func(c *call) { c.credentials.AccessKeyID = strings.Repeat("A", 129) }},
		{"no secret", "secret access key", func(c *call) { c.credentials.SecretAccessKey = "" }},
		{"newline in the session token", "session token", func(c *call) { c.credentials.SessionToken = "a\nb" }},
		{"session token too long", "session token", func(c *call) { c.credentials.SessionToken = strings.Repeat("a", 16<<10+1) }},
		{"no region", "region", func(c *call) { c.region = "" }},
		{"slash in the region", "region", func(c *call) { c.region = "us/east" }},
		{"region too long", "region", func(c *call) { c.region = strings.Repeat("a", 65) }},
		{"no service", "service", func(c *call) { c.service = "" }},
		{"newline in the service", "service", func(c *call) { c.service = "sts\n" }},
		{"year of five digits", "time", func(c *call) { c.at = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"no host", "host", func(c *call) { c.urlHost = "" }},
		{"newline in the host", "host", func(c *call) { c.host = "a\nb" }},
		{"host that is not ASCII", "host", func(c *call) { c.host = "exämple.com" }},
		{"relative path", "path", func(c *call) { c.path, c.rawPath = "*", "*" }},
		{"relative path, S3", "path", func(c *call) { c.path, c.rawPath, c.service = "*", "*", "s3" }},
		{"broken escape in the query", "query", func(c *call) { c.query = "a=%zz" }},
		{"raw semicolon in the query", "query", func(c *call) { c.query = "a;b" }},
		{"query too long", "query", func(c *call) { c.query = strings.Repeat("a", 64<<10+1) }},
		{"query already signed", "query", func(c *call) { c.query = "X-Amz-Signature=" + strings.Repeat("0", 64) }},
		{"query already signed, in another case", "query", func(c *call) { c.query = "x-amz-%63redential=x" }},
		{"header name with a space", "header", func(c *call) { c.header["X Y"] = []string{"1"} }},
		{"header name with a semicolon", "header", func(c *call) { c.header["X;Y"] = []string{"1"} }},
		{"too many headers", "header", func(c *call) {
			for i := range 128 {
				c.header.Set("X-"+strings.Repeat("a", i), "1")
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCall()
			test.edit(&c)
			r := c.request(t)
			wantFormatError(t, test.field, sigv4.Sign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at))
			if diff := cmp.Diff(c.request(t).Header, r.Header); diff != "" || r.URL.RawQuery != c.query {
				t.Errorf("a refused request was changed: %s", diff)
			}
			_, err := sigv4.Presign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at, 0)
			wantFormatError(t, test.field, err)
		})
	}
}

func TestSignRefusesAPayloadHashThatIsNone(t *testing.T) {
	t.Parallel()
	c := newCall()
	for _, hash := range []string{"", "a\nb", "é"} {
		wantFormatError(t, "payload hash", sigv4.Sign(c.request(t), hash, c.credentials, c.region, c.service, c.at))
	}
}

func TestSignRefusesAURLWithoutAPath(t *testing.T) {
	t.Parallel()
	c := newCall()
	r := c.request(t)
	r.URL = nil
	wantFormatError(t, "URL", sigv4.Sign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at))
	r.URL = &url.URL{Scheme: "https", Opaque: "//host/path"}
	wantFormatError(t, "URL", sigv4.Sign(r, c.payloadHash(), c.credentials, c.region, c.service, c.at))
}

func TestPresignRefusesALifeThatAWSRefuses(t *testing.T) {
	t.Parallel()
	c := newCall()
	for _, expires := range []time.Duration{-time.Second, sigv4.MaxExpires + time.Second, time.Millisecond, math.MinInt64} {
		_, err := sigv4.Presign(c.request(t), c.payloadHash(), c.credentials, c.region, c.service, c.at, expires)
		wantFormatError(t, "X-Amz-Expires", err)
	}
	for _, expires := range []time.Duration{0, sigv4.MaxExpires} {
		if _, err := sigv4.Presign(c.request(t), c.payloadHash(), c.credentials, c.region, c.service, c.at, expires); err != nil {
			t.Errorf("%v: %v", expires, err)
		}
	}
}

func TestPresignRefusesARequestSignedInItsHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		c := newCall()
		c.header.Set(name, "x")
		_, err := sigv4.Presign(c.request(t), c.payloadHash(), c.credentials, c.region, c.service, c.at, 0)
		wantFormatError(t, name, err)
	}
}

func TestPayloadHashOfNothingIsEmptyPayload(t *testing.T) {
	t.Parallel()
	// FIPS 180-2, appendix B.1, and the hash of the empty string.
	if got, want := sigv4.PayloadHash([]byte("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("hash of abc = %s, want %s", got, want)
	}
	if sigv4.PayloadHash(nil) != sigv4.EmptyPayload || sigv4.PayloadHash([]byte{}) != sigv4.EmptyPayload {
		t.Error("the hash of nothing is not EmptyPayload")
	}
}
