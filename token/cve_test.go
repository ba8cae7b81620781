package token_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/token"
)

// CVE-2020-16250: HashiCorp Vault's AWS login had STS asked with headers and a body of
// the caller's choice, and looked for an identity anywhere in what came back: an answer
// to another action, with attacker-chosen text in it, let them in as anybody.
//
// Here nothing of the caller's reaches STS but nine checked values, and nothing counts
// but the one answer in JSON that GetCallerIdentity has.
func TestCVE_2020_16250(t *testing.T) {
	forged := identityJSON("111122223333", adaARN, "AIDA")
	t.Run("the caller chooses nothing", func(t *testing.T) {
		endpoint, asked := sts(t, adaAnswer)
		v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
		for name, raw := range map[string]string{
			"another action":        strings.Replace(golden, "GetCallerIdentity", "AssumeRoleWithWebIdentity", 1),
			"a second action":       golden + "&Action=AssumeRoleWithWebIdentity",
			"parameters of another": golden + "&WebIdentityToken=x&RoleArn=y",
			"another version":       strings.Replace(golden, "2011-06-15", "2011-06-16", 1),
			"a header to be signed": strings.Replace(golden, "host%3Bx-k8s-aws-id", "accept%3Bhost%3Bx-k8s-aws-id", 1),
			"a header smuggled in":  strings.Replace(golden, "X-Amz-Expires=60", "X-Amz-Expires=60%0d%0aAccept:text/xml", 1),
			"another host":          strings.Replace(golden, "sts.", "sts.evil.", 1),
		} {
			if raw == golden {
				t.Fatalf("%s: nothing is changed", name)
			}
			if _, err := v.Verify(context.Background(), encode(raw)); err == nil || len(*asked) > 0 {
				t.Errorf("%s: %v, and STS was asked %d times", name, err, len(*asked))
			}
		}
		if _, err := v.Verify(context.Background(), encode(golden)); err != nil {
			t.Fatal(err)
		}
		want := http.Header{"Accept": {"application/json"}, "X-K8s-Aws-Id": {"x"}}
		for name, values := range (*asked)[0].Header {
			if name != "User-Agent" && name != "Accept-Encoding" && fmt.Sprint(values) != fmt.Sprint(want[name]) {
				t.Errorf("STS got the header %s: %q", name, values)
			}
		}
	})
	for name, answer := range map[string]http.HandlerFunc{
		"an answer to another action that quotes the caller": answerJSON(200, fmt.Sprintf(`{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"SubjectFromWebIdentityToken":%q}}}`, forged)),
		"an identity below something else":                   answerJSON(200, `{"Result":`+forged+`}`),
		"an identity in a list":                              answerJSON(200, `[`+forged+`]`),
		"an identity in a string":                            answerJSON(200, fmt.Sprintf(`%q`, forged)),
		"an identity after another document":                 answerJSON(200, `{"a":1}`+forged),
		"an identity in an error":                            answerJSON(400, forged),
		"XML with JSON in it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			fmt.Fprintf(w, "<a>%s</a>", forged)
		},
		"JSON that says it is XML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml; application/json")
			fmt.Fprint(w, forged)
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, _ := sts(t, answer)
			v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
			if who, err := v.Verify(context.Background(), encode(golden)); err == nil {
				t.Errorf("let in as %v", who)
			}
		})
	}
}
