package token_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/token"
)

// said is an STS that answers with one text.
type said struct {
	status            int
	contentType, body string
}

func (s said) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: http.Header{"Content-Type": {s.contentType}}, Body: io.NopCloser(strings.NewReader(s.body))}, nil
}

// FuzzAnswer: whatever STS, or somebody in its place, answers, an identity is
// accepted only whole and of the cluster's partition, and no error repeats the
// answer.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", identityJSON("111122223333", adaARN, "AIDACKCEVSQ6C2EXAMPLE"))
	f.Add(200, "application/json; charset=utf-8", identityJSON("111122223333", "arn:aws:sts::111122223333:assumed-role/awesome.role/ada", "AROACKCEVSQ6C2EXAMPLE:ada"))
	f.Add(200, "application/json", identityJSON("111122223333", "arn:aws:iam::111122223333:root", "111122223333"))
	f.Add(200, "text/xml", "<GetCallerIdentityResponse/>")
	f.Add(403, "application/json", `{"Error":{"Code":"SignatureDoesNotMatch","Message":"m","Type":"Sender"}}`)
	f.Add(400, "application/json", `{"Error":{"Code":"Throttling"}}`)
	f.Add(302, "", "")
	f.Add(503, "text/html", "<html>")
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		v := &token.Verifier{ClusterID: "x", Partition: "aws", Now: at(0), Client: &http.Client{Transport: said{status, contentType, body}}}
		got, err := v.Verify(context.Background(), encode(golden))
		if err != nil {
			return
		}
		id := got.Identity
		p, err := arn.ParsePrincipal(id.String())
		if err != nil || p != id.Principal || p.Partition != "aws" || id.UserID == "" || id.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" ||
			status != 200 || !strings.HasPrefix(strings.TrimSpace(strings.ToLower(contentType)), "application/json") {
			t.Errorf("accepted %+v of %d %q %q", id, status, contentType, body)
		}
	})
}
