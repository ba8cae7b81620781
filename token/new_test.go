package token_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// example are AWS's own documentation credentials.
var example = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

func decode(t *testing.T, raw string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, token.Prefix))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func encode(text string) string {
	return token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(text))
}

// What botocore 1.43 writes for the same credentials, cluster and second
// (docs/facts.md).
const (
	golden = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261123%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261123T070450Z&X-Amz-Expires=60" +
		"&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=617d66e8efd8b288bc422c9355140580af9239c7f5d282384a7c7a27d5fa3faa"
	goldenSession = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261123%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261123T070451Z&X-Amz-Expires=60" +
		"&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=abc%2F%2B%3D&X-Amz-Signature=49c33684a644c3e26151b5b1c41fb90275657385f4417a9a95eca8f0fffb63f9"
)

func TestNewWritesWhatBotocoreWrites(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 4, 50, 999, time.UTC)
	raw, expiration, err := token.New(example, token.Options{ClusterID: "x", Region: "us-east-1", Time: at})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, raw); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
	if want := time.Date(2026, 11, 23, 7, 18, 50, 0, time.UTC); !expiration.Equal(want) {
		t.Errorf("expiration %s, want %s", expiration, want)
	}

	session := example
	session.SessionToken = "abc/+="
	raw, _, err = token.New(session, token.Options{ClusterID: "x", Region: "us-east-1", Time: at.Add(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, raw); got != goldenSession {
		t.Errorf("got  %s\nwant %s", got, goldenSession)
	}
}

func TestNewChoosesTheHost(t *testing.T) {
	for _, tc := range []struct{ name, region, endpoint, wantPrefix, wantScope string }{
		{"region", "eu-west-1", "", "https://sts.eu-west-1.amazonaws.com/?", "/eu-west-1/sts/"},
		{"no region", "", "", "https://sts.amazonaws.com/?", "/us-east-1/sts/"},
		{"China", "cn-north-1", "", "https://sts.cn-north-1.amazonaws.com.cn/?", "/cn-north-1/sts/"},
		{"GovCloud", "us-gov-west-1", "", "https://sts.us-gov-west-1.amazonaws.com/?", "/us-gov-west-1/sts/"},
		{"local endpoint", "eu-west-1", "http://127.0.0.1:4566", "http://127.0.0.1:4566/?", "/eu-west-1/sts/"},
		{"local endpoint, no region", "", "http://127.0.0.1:4566", "http://127.0.0.1:4566/?", "/us-east-1/sts/"},
		{"FIPS endpoint", "us-west-2", "https://sts-fips.us-west-2.amazonaws.com", "https://sts-fips.us-west-2.amazonaws.com/?", "/us-west-2/sts/"},
		{"global endpoint", "eu-west-1", "https://sts.amazonaws.com", "https://sts.amazonaws.com/?", "/us-east-1/sts/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := token.Options{ClusterID: "dev", Region: tc.region, Time: time.Now()}
			if tc.endpoint != "" {
				o.Endpoint, _ = url.Parse(tc.endpoint)
			}
			raw, _, err := token.New(example, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := url.QueryUnescape(decode(t, raw))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got, tc.wantPrefix) || !strings.Contains(got, tc.wantScope) {
				t.Errorf("%s\nwant prefix %s, scope %s", got, tc.wantPrefix, tc.wantScope)
			}
			if _, err := token.Parse(raw); err != nil {
				t.Errorf("Parse refuses it: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	long := example
	long.SessionToken = strings.Repeat("s", 4000)
	for _, tc := range []struct {
		name  string
		creds sigv4.Credentials
		o     token.Options
		want  string
	}{
		{"no cluster", example, token.Options{}, "no cluster name"},
		{"cluster with a line break", example, token.Options{ClusterID: "a\r\nHost: evil"}, "cannot carry"},
		{"cluster too long", example, token.Options{ClusterID: strings.Repeat("a", 256)}, "at most 255"},
		{"no such region", example, token.Options{ClusterID: "x", Region: "evil.example/"}, "not the name of an AWS region"},
		{"endpoint without host", example, token.Options{ClusterID: "x", Endpoint: &url.URL{Scheme: "https"}}, "not an http or https URL"},
		{"endpoint of another scheme", example, token.Options{ClusterID: "x", Endpoint: &url.URL{Scheme: "ftp", Host: "h"}}, "not an http or https URL"},
		{"session token too long", long, token.Options{ClusterID: "x"}, "authenticators refuse more than 4096"},
	} {
		raw, _, err := token.New(tc.creds, tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q, %v; want an error with %q", tc.name, raw, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), long.SessionToken) {
			t.Errorf("%s: the error holds the session token", tc.name)
		}
	}
}
