package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/token"
)

// CVE-2020-16250: HashiCorp Vault 0.7.1 to 1.5.0 let the client of its AWS login
// choose the action and headers of the signed request. AssumeRoleWithWebIdentity
// needs no credentials and repeats the claim sub, and with "Accept:
// application/json" that stands in the answer unescaped for XML: a forged
// <GetCallerIdentityResponse>, which the lenient XML parser took for STS's.
func TestCVE_2020_16250_NoOtherActionIsAsked(t *testing.T) {
	endpoint, asked := sts(t, adaAnswer)
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	webIdentity := "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr&RoleSessionName=s&WebIdentityToken=ey.ey.x"
	for name, raw := range map[string]string{
		"instead":            edit(t, "Action=GetCallerIdentity", webIdentity),
		"after":              encode(golden + "&" + webIdentity),
		"before":             edit(t, "Action=", webIdentity+"&Action="),
		"in the fragment":    encode(golden + "#&" + webIdentity),
		"behind a semicolon": edit(t, "Action=GetCallerIdentity", "Action=GetCallerIdentity;"+webIdentity),
		"another service":    edit(t, "https://sts.", "https://iam."),
		"another host":       edit(t, "https://sts.us-east-1.amazonaws.com", "https://sts.us-east-1.amazonaws.com.evil.example"),
		"a host behind an @": edit(t, "https://sts.us-east-1.amazonaws.com", "https://sts.us-east-1.amazonaws.com@evil.example"),
	} {
		if _, err := v.Verify(context.Background(), raw); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(*asked) != 0 {
		t.Errorf("STS was asked %d times", len(*asked))
	}
}

// The headers of the question are ours, whatever the token holds.
func TestCVE_2020_16250_NoHeaderComesFromTheToken(t *testing.T) {
	endpoint, asked := sts(t, adaAnswer)
	v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
	const smuggled = "%0D%0AAccept:%20text%2Fxml%0D%0AX-K8s-Aws-Id:%20other%0D%0AHost:%20evil.example"
	for name, raw := range map[string]string{
		"Accept as a parameter":     encode(golden + "&Accept=text%2Fxml"),
		"the cluster's name":        encode(golden + "&x-k8s-aws-id=other"),
		"in the session token":      encode(goldenSession + smuggled),
		"in the access key id":      edit(t, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"+smuggled),
		"in the host":               edit(t, "amazonaws.com/", "amazonaws.com"+smuggled+"/"),
		"in the host, not escaped":  edit(t, "amazonaws.com/", "amazonaws.com\r\nAccept: text/xml/"),
		"as basic authentication":   edit(t, "https://", "https://user:password@"),
		"as a signed header":        edit(t, "host%3Bx-k8s-aws-id", "accept%3Bhost%3Bx-k8s-aws-id"),
		"as the signed header Host": edit(t, "X-Amz-SignedHeaders=", "Host=evil.example&X-Amz-SignedHeaders="),
	} {
		if _, err := v.Verify(context.Background(), raw); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(*asked) != 0 {
		t.Fatalf("STS was asked %d times", len(*asked))
	}
	if _, err := v.Verify(context.Background(), encode(goldenSession)); err != nil {
		t.Fatal(err)
	}
	r := (*asked)[0]
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"Accept", "Accept-Encoding", "User-Agent", "X-K8s-Aws-Id"}) ||
		r.Host != "sts.us-east-1.amazonaws.com" || r.Header.Get("Accept") != "application/json" || r.Header.Get("X-K8s-Aws-Id") != "x" {
		t.Errorf("asked %s with %v", r.Host, r.Header)
	}
}

// An answer that somebody else had a hand in is nobody's identity, even with
// HTTP 200.
func TestCVE_2020_16250_ForgedAnswers(t *testing.T) {
	const forgedXML = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>` + adaARN +
		`</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	forged := identityJSON("111122223333", adaARN, "AIDACKCEVSQ6C2EXAMPLE")
	// What AssumeRoleWithWebIdentity says of a token whose sub is the forgery.
	reflects := func(sub string) string {
		return fmt.Sprintf(`{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"SubjectFromWebIdentityToken":%q,"Credentials":{}}}}`, sub)
	}
	for _, tc := range []struct{ name, contentType, body string }{
		{"XML, as Vault read it", "text/xml", forgedXML},
		{"XML that says it is JSON", "application/json", forgedXML},
		{"JSON that says it is XML", "text/xml", forged},
		{"JSON that says nothing", "", forged},
		{"two types", "application/json, text/xml", forged},
		{"a type that only begins so", "application/json-seq", forged},
		{"a reflected subject with XML", "application/json", reflects(forgedXML)},
		{"a reflected subject with JSON", "application/json", reflects(forged)},
		{"a reflected subject that closes the text", "application/json", `{"X":"` + `"}` + forged},
		{"behind another answer", "application/json", reflects("x") + forged},
		{"before another answer", "application/json", forged + reflects("x")},
		{"in a list", "application/json", "[" + forged + "]"},
		{"without its envelope", "application/json", `{"Account":"111122223333","Arn":"` + adaARN + `","UserId":"AIDACKCEVSQ6C2EXAMPLE"}`},
		{"in an error", "application/json", `{"Error":` + forged + `}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			endpoint, asked := sts(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil // no guess
				if tc.contentType != "" {
					w.Header().Set("Content-Type", tc.contentType)
				}
				io.WriteString(w, tc.body)
			})
			v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0)}
			got, err := v.Verify(context.Background(), encode(golden))
			var refused *token.Error
			if !errors.As(err, &refused) || refused.Reason != token.Answer {
				t.Errorf("%+v, %v", got, err)
			}
			if len(*asked) != 1 {
				t.Errorf("STS was asked %d times", len(*asked))
			}
			if err != nil && strings.Contains(err.Error(), "ada.lovelace") {
				t.Errorf("the error repeats the forgery: %v", err)
			}
		})
	}
}
