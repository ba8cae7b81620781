package sigv4_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
)

var benchCredentials = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret}

func benchRequest(b *testing.B) *http.Request {
	b.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-K8s-Aws-Id", "dev")
	return r
}

func BenchmarkSign(b *testing.B) {
	r, at := benchRequest(b), time.Unix(1795417490, 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := sigv4.Sign(r, sigv4.EmptyPayload, benchCredentials, "us-east-1", "sts", at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPresign(b *testing.B) {
	r, at := benchRequest(b), time.Unix(1795417490, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sigv4.Presign(r, sigv4.EmptyPayload, benchCredentials, "us-east-1", "sts", at, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyPresigned parses an EKS token's request and verifies it.
func BenchmarkVerifyPresigned(b *testing.B) {
	r, at := benchRequest(b), time.Unix(1795417490, 0)
	u, err := sigv4.Presign(r, sigv4.EmptyPayload, benchCredentials, "us-east-1", "sts", at, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	r.URL = u
	b.ReportAllocs()
	for b.Loop() {
		s, err := sigv4.ParseSignature(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, sigv4.EmptyPayload, secret); err != nil {
			b.Fatal(err)
		}
		if err := s.CheckTime(at); err != nil {
			b.Fatal(err)
		}
	}
}
