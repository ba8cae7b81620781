package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

func TestParse(t *testing.T) {
	req, err := token.Parse(encode(golden))
	if err != nil {
		t.Fatal(err)
	}
	if req.Host != "sts.us-east-1.amazonaws.com" || req.Scheme != "https" || req.Region != "us-east-1" ||
		req.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || req.Expires != time.Minute || req.Temporary() ||
		!req.Date.Equal(time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)) {
		t.Errorf("%+v", req)
	}
	if want := time.Date(2026, 11, 23, 7, 19, 50, 0, time.UTC); !req.Expiry().Equal(want) {
		t.Errorf("expiry %s, want %s", req.Expiry(), want)
	}
	if req, err = token.Parse(encode(goldenSession)); err != nil || !req.Temporary() {
		t.Errorf("with a session token: %v, %v", req, err)
	}
}

// What clients write in X-Amz-Expires: Terraform 0, aws CLI 60, others up to 900.
func TestParseTakesEveryExpiresInTheField(t *testing.T) {
	for _, v := range []string{"0", "60", "900"} {
		if _, err := token.Parse(encode(strings.Replace(golden, "X-Amz-Expires=60", "X-Amz-Expires="+v, 1))); err != nil {
			t.Errorf("X-Amz-Expires=%s: %v", v, err)
		}
	}
}

// edit makes one change to the golden URL, and fails if it changed nothing.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if !strings.Contains(golden, old) {
		t.Fatalf("the golden URL has no %q", old)
	}
	return encode(strings.Replace(golden, old, new, 1))
}

func TestParseRefuses(t *testing.T) {
	sig := golden[strings.Index(golden, "X-Amz-Signature="):]
	for _, tc := range []struct{ name, raw, want string }{
		{"empty", "", "does not begin with"},
		{"only the prefix", token.Prefix, "scheme is neither"},
		{"another version", "k8s-aws-v2." + encode(golden)[len(token.Prefix):], "does not begin with"},
		{"prefix in upper case", "K8S-AWS-V1." + encode(golden)[len(token.Prefix):], "does not begin with"},
		{"oversized", token.Prefix + strings.Repeat("A", 4096), "at most 4096"},
		{"padded", encode(golden) + "=", "not base64url"},
		{"standard alphabet", encode(golden)[:40] + "+/" + encode(golden)[42:], "not base64url"},
		{"line break", encode(golden)[:40] + "\n" + encode(golden)[40:], "not base64url"},
		{"not a URL", encode("https://sts.us-east-1.amazonaws.com/%zz"), "not a URL"},
		{"ftp", edit(t, "https://", "ftp://"), "scheme"},
		{"path", edit(t, ".com/?", ".com/admin?"), "path is not /"},
		{"empty path", edit(t, ".com/?", ".com?"), "path is not /"},
		{"encoded path", edit(t, ".com/?", ".com/%2e?"), "path is not /"},
		{"user information", edit(t, "https://", "https://evil@"), "user information"},
		{"fragment", encode(golden + "#x"), "fragment"},
		{"another action", edit(t, "Action=GetCallerIdentity", "Action=AssumeRole"), "Action"},
		{"no action", edit(t, "Action=GetCallerIdentity&", ""), "Action"},
		{"another version of the API", edit(t, "2011-06-15", "2011-06-16"), "Version"},
		{"unknown parameter", encode(golden + "&RoleArn=x"), "no EKS token has"},
		{"empty parameter", encode(golden + "&"), "no EKS token has"},
		{"semicolon", encode(golden + ";Action=AssumeRole"), "not properly encoded"},
		{"semicolon in a value", edit(t, "host%3Bx", "host;x"), "not properly encoded"},
		{"encoded key", edit(t, "Action=", "%41ction="), "no EKS token has"},
		{"duplicate", encode(golden + "&" + sig), "stands twice"},
		{"plus sign in a value", edit(t, "Version=2011-06-15", "Version=2011-06-15+"), "not properly encoded"},
		{"bad escape", edit(t, "host%3Bx", "host%3x"), "not properly encoded"},
		{"control character", edit(t, "Version=2011-06-15", "Version=2011-06-15%0d%0a"), "not properly encoded"},
		{"another algorithm", edit(t, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "X-Amz-Algorithm"},
		{"another service", edit(t, "%2Fsts%2F", "%2Fs3%2F"), "not sts"},
		{"another terminator", edit(t, "aws4_request", "aws5_request"), "aws4_request"},
		{"scope of four parts", edit(t, "%2Fsts%2Faws4_request", "%2Fsts"), "KEY/DATE/REGION"},
		{"scope of six parts", edit(t, "%2Fsts%2F", "%2Fsts%2Fx%2F"), "KEY/DATE/REGION"},
		{"scope of another day", edit(t, "%2F20261123%2F", "%2F20261122%2F"), "not that of X-Amz-Date"},
		{"no region", edit(t, "%2Fus-east-1%2F", "%2F%2F"), "names no region"},
		{"access key id too short", edit(t, "AKIAIOSFODNN7EXAMPLE", "AKIA"), "access key id"},
		{"access key id with odd characters", edit(t, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPL%22"), "access key id"},
		{"no date", edit(t, "&X-Amz-Date=20261123T070450Z", ""), "X-Amz-Date"},
		{"date in another form", edit(t, "20261123T070450Z", "2026-11-23T07:04:50Z"), "X-Amz-Date"},
		{"date with a fraction", edit(t, "20261123T070450Z", "20261123T070450.5Z"), "X-Amz-Date"},
		{"expires negative", edit(t, "X-Amz-Expires=60", "X-Amz-Expires=-1"), "X-Amz-Expires"},
		{"expires too large", edit(t, "X-Amz-Expires=60", "X-Amz-Expires=901"), "X-Amz-Expires"},
		{"expires with a zero before it", edit(t, "X-Amz-Expires=60", "X-Amz-Expires=060"), "X-Amz-Expires"},
		{"expires missing", edit(t, "&X-Amz-Expires=60", ""), "X-Amz-Expires"},
		{"expires not a number", edit(t, "X-Amz-Expires=60", "X-Amz-Expires=1e1"), "X-Amz-Expires"},
		{"cluster not signed", edit(t, "host%3Bx-k8s-aws-id", "host"), "X-Amz-SignedHeaders"},
		{"host not signed", edit(t, "host%3Bx-k8s-aws-id", "x-k8s-aws-id"), "X-Amz-SignedHeaders"},
		{"more signed than an authenticator sends", edit(t, "host%3Bx-k8s-aws-id", "amz-sdk-request%3Bhost%3Bx-k8s-aws-id"), "X-Amz-SignedHeaders"},
		{"signature in upper case", edit(t, "617d66e8", "617D66E8"), "64 hexadecimal"},
		{"signature too short", encode(golden[:len(golden)-1]), "64 hexadecimal"},
		{"session token empty", encode(golden + "&X-Amz-Security-Token="), "Security-Token is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := token.Parse(tc.raw)
			var refused *token.Error
			if !errors.As(err, &refused) || refused.Reason != token.Malformed || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse: %v, want %q", err, tc.want)
			}
		})
	}
}

// CVE-2022-2385: aws-iam-authenticator 0.5.2 to 0.5.8 folded the case of query
// keys, so that of two spellings one was checked and the other was sent.
func TestCVE_2022_2385(t *testing.T) {
	for _, param := range []string{
		"x-amz-credential=AKIAI44QH8DHBEXAMPLE%2F20261123%2Fus-east-1%2Fsts%2Faws4_request",
		"action=AssumeRole",
		"ACTION=GetCallerIdentity",
		"X-Amz-Signedheaders=host",
		"x-amz-signature=" + strings.Repeat("0", 64),
	} {
		_, err := token.Parse(encode(golden + "&" + param))
		if err == nil || !strings.Contains(err.Error(), "must be written") {
			t.Errorf("with &%s: %v, want it refused for its spelling", param, err)
		}
	}
}

func TestParseErrorsHoldNoSecret(t *testing.T) {
	const secret = "FwoGZXIvYXdzEXAMPLE"
	for _, raw := range []string{
		encode("https://sts.us-east-1.amazonaws.com/%zz?X-Amz-Security-Token=" + secret),
		encode(goldenSession + "&X-Amz-Security-Token=" + secret),
		encode(strings.Replace(goldenSession, "abc", secret+"%zz", 1)),
		encode("https://sts.us-east-1.amazonaws.com:port/?X-Amz-Security-Token=" + secret),
	} {
		_, err := token.Parse(raw)
		if err == nil {
			t.Fatal("accepted")
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "617d66e8") || strings.Contains(err.Error(), "49c33684") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(golden))
	f.Add(encode(goldenSession))
	f.Add(encode(golden + "&x-amz-date=1"))
	f.Add(encode("http://127.0.0.1:4566" + golden[strings.Index(golden, "/?"):]))
	f.Add("k8s-aws-v1.")
	f.Fuzz(func(t *testing.T, raw string) {
		req, err := token.Parse(raw)
		in, _ := (&token.Verifier{Now: at(0)}).Inspect(raw)
		if err == nil && (req.Host == "" || req.AccessKeyID == "" || req.Date.IsZero()) {
			t.Errorf("accepted with parts missing: %+v", req)
		}
		if err != nil && len(in.Faults) == 0 {
			t.Errorf("Parse refuses (%v), Inspect finds nothing wrong", err)
		}
	})
}
