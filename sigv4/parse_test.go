package sigv4_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eksauth/eksauth/sigv4"
)

func TestParseSignatureReadsBothPlaces(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.credentials.SessionToken = "abc/+="
	want := sigv4.Signature{
		AccessKeyID:  "AKIAIOSFODNN7EXAMPLE",
		Scope:        sigv4.Scope{Date: "20261123", Region: "us-east-1", Service: "sts"},
		Time:         c.at,
		SessionToken: "abc/+=",
	}
	signed, presigned := want, want
	signed.SignedHeaders = []string{"content-length", "host", "x-amz-date", "x-amz-security-token", "x-k8s-aws-id"}
	presigned.SignedHeaders = []string{"content-length", "host", "x-k8s-aws-id"}
	presigned.Presigned, presigned.Expires = true, time.Minute

	for _, test := range []struct {
		request *http.Request
		want    sigv4.Signature
	}{{c.sign(t), signed}, {c.presign(t), presigned}} {
		got, err := sigv4.ParseSignature(test.request)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(sigv4.Signature{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestParseSignatureFindsNoneInAnUnsignedRequest(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.query = "Action=AssumeRoleWithWebIdentity&X-Amz=1&X-Amz-User-Agent=x"
	if _, err := sigv4.ParseSignature(c.request(t)); !errors.Is(err, sigv4.ErrNoSignature) {
		t.Errorf("error = %v, want ErrNoSignature", err)
	}
	if _, err := sigv4.ParseSignature(&http.Request{}); err == nil {
		t.Error("a request without a URL has a signature")
	}
}

func TestParseSignatureTakesTheAuthorizationPartsInAnyOrder(t *testing.T) {
	t.Parallel()
	c := newCall()
	r := c.sign(t)
	scheme, parts, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	list := strings.Split(parts, ", ")
	slices.Reverse(list)
	r.Header.Set("Authorization", scheme+"  "+strings.Join(list, ","))
	s, err := sigv4.ParseSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, c.payloadHash(), c.credentials.SecretAccessKey); err != nil {
		t.Error(err)
	}
}

func TestParseSignatureRefusesAnAuthorizationHeader(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			v := r.Header.Get("Authorization")
			if !strings.Contains(v, old) {
				panic("the header has no " + old)
			}
			r.Header.Set("Authorization", strings.Replace(v, old, new, 1))
		}
	}
	tests := []struct {
		name  string
		field string
		edit  func(*http.Request)
	}{
		{"of another algorithm", "Authorization", swap("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")},
		{"of an algorithm in another case", "Authorization", swap("AWS4-HMAC-SHA256", "aws4-hmac-sha256")},
		{"of another scheme", "Authorization", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }},
		{"that is empty", "Authorization", func(r *http.Request) { r.Header.Set("Authorization", "") }},
		{"that stands twice", "Authorization", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }},
		{"that is too long", "Authorization", func(r *http.Request) { swap("SignedHeaders=", "SignedHeaders="+strings.Repeat("a", 8<<10))(r) }},
		{"without a credential", "Authorization", swap("Credential=", "credential=")},
		{"without signed headers", "Authorization", swap("SignedHeaders=content-length;host;x-amz-date;x-k8s-aws-id, ", "")},
		{"without a signature", "Authorization", func(r *http.Request) {
			v, _, _ := strings.Cut(r.Header.Get("Authorization"), ", Signature=")
			r.Header.Set("Authorization", v)
		}},
		{"with two signatures", "Authorization", swap("Signature=", "Signature="+strings.Repeat("0", 64)+", Signature=")},
		{"with a part of its own", "Authorization", swap("Signature=", "Extra=1, Signature=")},
		{"with a signature of 63 digits", "Authorization signature", swap("Signature=", "Signature=X")},
		{"with a signature that is empty", "Authorization signature", func(r *http.Request) {
			v, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", v+"Signature=")
		}},
		{"beside X-Amz-Signature in the query", "Authorization", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }},
		{"beside X-Amz-Date in the query", "Authorization", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Date=20261123T070450Z" }},
		{"beside x-amz-signature in the query", "query", func(r *http.Request) { r.URL.RawQuery += "&x-amz-signature=" + strings.Repeat("0", 64) }},
		{"beside a broken query", "query", func(r *http.Request) { r.URL.RawQuery += "&%zz" }},
		{"without X-Amz-Date", "X-Amz-Date", func(r *http.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header.Set("Date", "Mon, 23 Nov 2026 07:04:50 GMT")
		}},
		{"with two X-Amz-Date", "X-Amz-Date", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20261123T070450Z") }},
		{"with two X-Amz-Security-Token", "X-Amz-Security-Token", func(r *http.Request) { r.Header["X-Amz-Security-Token"] = []string{"a", "b"} }},
		{"with an empty X-Amz-Security-Token", "X-Amz-Security-Token", func(r *http.Request) { r.Header["X-Amz-Security-Token"] = []string{""} }},
		{"with an oversized X-Amz-Security-Token", "X-Amz-Security-Token", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", strings.Repeat("a", 16<<10+1)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newCall().sign(t)
			test.edit(r)
			_, err := sigv4.ParseSignature(r)
			wantFormatError(t, test.field, err)
		})
	}
}

func TestParseSignatureRefusesAPresignedQuery(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 64)
	tests := []struct {
		name, field, old, new string
	}{
		{"of another algorithm", "X-Amz-Algorithm", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"},
		{"without an algorithm", "X-Amz-Algorithm", "X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""},
		{"without a credential", "X-Amz-Credential", "X-Amz-Credential=", "Y="},
		{"without a date", "X-Amz-Date", "X-Amz-Date=", "Y="},
		{"without signed headers", "X-Amz-SignedHeaders", "X-Amz-SignedHeaders=", "Y="},
		{"without a signature", "X-Amz-Signature", "X-Amz-Signature=", "Y="},
		{"with a signature in another case", "query", "X-Amz-Signature=", "x-amz-signature="},
		{"with a signature in another case beside it", "query", "&X-Amz-Signature=", "&x-amz-signature=" + zeros + "&X-Amz-Signature="},
		{"with a signature in another case after it", "query", "Action=", "X-Amz-signature=" + zeros + "&Action="},
		{"with a credential in another case beside it", "query", "X-Amz-Credential=", "x-amz-credential=A&X-Amz-Credential="},
		{"with a parameter in another case, encoded", "query", "X-Amz-Credential=", "%78-amz-credential=A&X-Amz-Credential="},
		{"with a parameter in a case that only Unicode folds", "query", "X-Amz-Credential=", "X-Amz-%C5%BFignature=A&X-Amz-Credential="},
		{"with a signature twice", "X-Amz-Signature", "X-Amz-Signature=", "X-Amz-Signature=" + zeros + "&X-Amz-Signature="},
		{"with a signature twice, one encoded", "X-Amz-Signature", "X-Amz-Signature=", "X-Amz-%53ignature=" + zeros + "&X-Amz-Signature="},
		{"with an algorithm twice", "X-Amz-Algorithm", "X-Amz-Date=", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date="},
		{"with a credential twice", "X-Amz-Credential", "X-Amz-Date=", "X-Amz-Credential=A&X-Amz-Date="},
		{"with a date twice", "X-Amz-Date", "X-Amz-Date=", "X-Amz-Date=20261123T070450Z&X-Amz-Date="},
		{"with X-Amz-Expires twice", "X-Amz-Expires", "X-Amz-Expires=", "X-Amz-Expires=60&X-Amz-Expires="},
		{"with signed headers twice", "X-Amz-SignedHeaders", "X-Amz-Date=", "X-Amz-SignedHeaders=host&X-Amz-Date="},
		{"with a session token twice", "X-Amz-Security-Token", "X-Amz-Date=", "X-Amz-Security-Token=a&X-Amz-Security-Token=a&X-Amz-Date="},
		{"with an empty session token", "X-Amz-Security-Token", "X-Amz-Date=", "X-Amz-Security-Token=&X-Amz-Date="},
		{"with a session token that has a newline", "X-Amz-Security-Token", "X-Amz-Date=", "X-Amz-Security-Token=a%0Ab&X-Amz-Date="},
		{"with an oversized session token", "X-Amz-Security-Token", "X-Amz-Date=", "X-Amz-Security-Token=" + strings.Repeat("a", 16<<10+1) + "&X-Amz-Date="},
		{"that is oversized", "query", "Action=", "A=" + strings.Repeat("a", 64<<10) + "&Action="},
		{"with a broken escape in a key", "query", "Action=", "%4=1&Action="},
		{"with a broken escape in a value", "X-Amz-Date", "X-Amz-Date=", "X-Amz-Date=%zz"},
		{"with X-Amz-Expires=-1", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires=-1"},
		{"with X-Amz-Expires=+1", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires=%2B1"},
		{"with X-Amz-Expires=1e3", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires=1e3"},
		{"with X-Amz-Expires empty", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires="},
		{"with X-Amz-Expires=604801", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires=604801"},
		{"with X-Amz-Expires too long for a number", "X-Amz-Expires", "X-Amz-Expires=60", "X-Amz-Expires=99999999999999999999"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newCall().presign(t)
			if !strings.Contains(r.URL.RawQuery, test.old) {
				t.Fatalf("the query has no %s", test.old)
			}
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, test.old, test.new, 1)
			_, err := sigv4.ParseSignature(r)
			wantFormatError(t, test.field, err)
		})
	}
}

func TestParseSignatureRefusesHeadersBesideAPresignedQuery(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		r := newCall().presign(t)
		r.Header.Set(name, "x")
		_, err := sigv4.ParseSignature(r)
		wantFormatError(t, name, err)
	}
}

func TestParseSignatureTakesAnyLifeThatAWSAllows(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"0": 0, "60": time.Minute, "900": 15 * time.Minute, "604800": sigv4.MaxExpires} {
		r := newCall().presign(t)
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=60", "X-Amz-Expires="+value, 1)
		s, err := sigv4.ParseSignature(r)
		if err != nil || s.Expires != want {
			t.Errorf("X-Amz-Expires=%s: %v, %v", value, s.Expires, err)
		}
	}
}

// The parts that header and query have in common, in both places.
func TestParseSignatureRefusesMalformedParts(t *testing.T) {
	t.Parallel()
	const (
		credential = "AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/sts/aws4_request"
		date       = "20261123T070450Z"
		headers    = "host"
	)
	signature := strings.Repeat("0a", 32)
	tests := []struct {
		name                                 string
		field                                string // in the query
		credential, date, headers, signature string // "" is a good one
	}{
		{name: "four parts in the credential", field: "X-Amz-Credential", credential: "AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/aws4_request"},
		{name: "six parts in the credential", field: "X-Amz-Credential", credential: "AKIA/IOSFODNN7EXAMPLE/20261123/us-east-1/sts/aws4_request"},
		{name: "no slash in the credential", field: "X-Amz-Credential", credential: "AKIAIOSFODNN7EXAMPLE"},
		{name: "credential of another terminator", field: "X-Amz-Credential", credential: "AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/sts/aws3_request"},
		{name: "credential without a key", field: "access key ID", credential: "/20261123/us-east-1/sts/aws4_request"},
		{name: "credential with an odd key", field: "access key ID", credential: "AKIA EXAMPLE/20261123/us-east-1/sts/aws4_request"},
		{name: "credential with an oversized key", field: "access key ID", credential: strings.Repeat("A", 129) + "/20261123/us-east-1/sts/aws4_request"},
		{name: "credential without a region", field: "region", credential: "AKIAIOSFODNN7EXAMPLE/20261123//sts/aws4_request"},
		{name: "credential with an odd region", field: "region", credential: "AKIAIOSFODNN7EXAMPLE/20261123/us_\x00/sts/aws4_request"},
		{name: "credential without a service", field: "service", credential: "AKIAIOSFODNN7EXAMPLE/20261123/us-east-1//aws4_request"},
		{name: "credential of the day before", field: "X-Amz-Credential", credential: "AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/sts/aws4_request"},
		{name: "credential without a date", field: "X-Amz-Credential", credential: "AKIAIOSFODNN7EXAMPLE//us-east-1/sts/aws4_request"},
		{name: "date in another format", field: "X-Amz-Date", date: "2026-11-23T07:04:50Z"},
		{name: "date with a fraction", field: "X-Amz-Date", date: "20261123T070450.5Z"},
		{name: "date that does not exist", field: "X-Amz-Date", date: "20260230T070450Z"},
		{name: "date without a zone", field: "X-Amz-Date", date: "20261123T070450"},
		{name: "date of a day alone", field: "X-Amz-Date", date: "20261123"},
		{name: "unsorted headers", field: "X-Amz-SignedHeaders", headers: "x-k8s-aws-id;host"},
		{name: "a header twice", field: "X-Amz-SignedHeaders", headers: "host;host"},
		{name: "upper-case headers", field: "X-Amz-SignedHeaders", headers: "Host"},
		{name: "a header without a name", field: "X-Amz-SignedHeaders", headers: "host;"},
		{name: "a header with a space", field: "X-Amz-SignedHeaders", headers: "host; x"},
		{name: "a header with a newline", field: "X-Amz-SignedHeaders", headers: "host;x\ny"},
		{name: "too many headers", field: "X-Amz-SignedHeaders", headers: manyHeaders(129)},
		{name: "a header's name too long", field: "X-Amz-SignedHeaders", headers: strings.Repeat("a", 8<<10+1)},
		{name: "signature of 62 digits", field: "X-Amz-Signature", signature: signature[2:]},
		{name: "signature of 66 digits", field: "X-Amz-Signature", signature: signature + "00"},
		{name: "signature in upper case", field: "X-Amz-Signature", signature: strings.ToUpper(signature)},
		{name: "signature that is not hex", field: "X-Amz-Signature", signature: "g" + signature[1:]},
	}
	or := func(v, good string) string {
		if v == "" {
			return good
		}
		return v
	}
	inHeader := map[string]string{
		"X-Amz-Credential": "Authorization credential", "X-Amz-SignedHeaders": "Authorization SignedHeaders", "X-Amz-Signature": "Authorization signature",
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			credential, date := or(test.credential, credential), or(test.date, date)
			headers, signature := or(test.headers, headers), or(test.signature, signature)

			presigned := newCall().request(t)
			q := presigned.URL.Query()
			q.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
			q.Set("X-Amz-Credential", credential)
			q.Set("X-Amz-Date", date)
			q.Set("X-Amz-SignedHeaders", headers)
			q.Set("X-Amz-Signature", signature)
			presigned.URL.RawQuery = q.Encode()
			_, err := sigv4.ParseSignature(presigned)
			wantFormatError(t, test.field, err)

			signed := newCall().request(t)
			signed.Header.Set("X-Amz-Date", date)
			signed.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+credential+", SignedHeaders="+headers+", Signature="+signature)
			_, err = sigv4.ParseSignature(signed)
			if len(headers) > 8<<10 {
				wantFormatError(t, "Authorization", err)
				return
			}
			wantFormatError(t, or(inHeader[test.field], test.field), err)
		})
	}
}

func manyHeaders(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = strings.Repeat("a", i+1)
	}
	return strings.Join(names, ";")
}
