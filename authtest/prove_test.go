package authtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/authtest"
)

const issuer = "oidc.eks.us-east-1.amazonaws.com/id/ABC"

// claim runs one test of a role with the trust policy.
func claim(t *testing.T, trust, test string) authtest.Result {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "trust.json"), []byte(trust), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`account: "111122223333"
clusters: [{name: dev, issuer: "https://%s"}, {name: other, issuer: "https://other.example.com"}]
roles: [{name: r, trustPolicy: trust.json}]
tests: [{role: r, cluster: dev, %s}]
`, issuer, test)
	suite, err := authtest.Parse(filepath.Join(dir, "suite.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	results, _, err := suite.Run(nil)
	if err != nil || len(results) != 1 {
		t.Fatalf("%v %v", results, err)
	}
	return results[0]
}

func statement(principal, action, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"` + action + `"` + condition + `}]}`
}

func federated(condition string) string {
	return statement(`{"Federated":"arn:aws:iam::111122223333:oidc-provider/`+issuer+`"}`, "sts:AssumeRoleWithWebIdentity", strings.ReplaceAll(condition, "ISS", issuer))
}

// A false pass would be worse than no test: every way of letting in more than one
// thinks must fail, with the reason.
func TestClaimsAboutEverybody(t *testing.T) {
	t.Parallel()
	const sub = "system:serviceaccount:payments:api"
	const account = `"444455556666"`
	for _, tc := range []struct {
		name, trust, test string
		reason            string // of the failure; "" if the claim holds
	}{
		{"one service account", federated(`{"StringEquals":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", ""},
		{"two", federated(`{"StringEquals":{"ISS:sub":["` + sub + `","system:serviceaccount:payments:worker"]}}`), "only: [payments/api, payments/worker]", ""},
		{"two, and one is allowed", federated(`{"StringEquals":{"ISS:sub":["` + sub + `","system:serviceaccount:payments:worker"]}}`), "only: [payments/api]", "lets in others"},
		{"StringLike without a pattern", federated(`{"StringLike":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", ""},
		{"a pattern", federated(`{"StringLike":{"ISS:sub":"system:serviceaccount:payments:*"}}`), "only: [payments/api]", "lets in others"},
		{"one character more", federated(`{"StringLike":{"ISS:sub":"system:serviceaccount:payments:ap?"}}`), "only: [payments/api]", "lets in others"},
		{"a variable", federated(`{"StringEquals":{"ISS:sub":"${ISS:sub}"}}`), "only: [payments/api]", "lets in others"},
		{"no sub", federated(`{"StringEquals":{"ISS:aud":"sts.amazonaws.com"}}`), "only: [payments/api]", "it has no condition on"},
		{"no condition", federated(""), "only: [payments/api]", "lets in every identity"},
		{"if it exists", federated(`{"StringEqualsIfExists":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", "lets in others"},
		{"for all values", federated(`{"ForAllValues:StringEquals":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", "lets in others"},
		{"not equal", federated(`{"StringNotEquals":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", "lets in others"},
		{"whatever the case", federated(`{"StringEqualsIgnoreCase":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api]", "lets in others"},
		{"the sub of another issuer", federated(`{"StringEquals":{"other.example.com:sub":"` + sub + `"}}`), "only: [payments/api]", "it has no condition on"},
		{"of another cluster", federated(`{"StringEquals":{"ISS:sub":"` + sub + `"}}`), "only: [payments/api@other]", "lets in others"},
		{"anybody", statement(`"*"`, "sts:AssumeRoleWithWebIdentity", ""), "only: [payments/api]", "lets in everybody"},
		{"anybody with a sub", statement(`"*"`, "sts:AssumeRoleWithWebIdentity", `{"StringEquals":{"`+issuer+`:sub":"`+sub+`"}}`), "only: [payments/api]", ""},
		{"SAML", statement(`{"Federated":"arn:aws:iam::111122223333:saml-provider/x"}`, "sts:AssumeRoleWithSAML", ""), "only: [payments/api]", "identity provider"},
		{"a user", statement(`{"AWS":"arn:aws:iam::111122223333:user/ada"}`, "sts:AssumeRole", ""), "only: [user/ada]", ""},
		{"another user", statement(`{"AWS":["arn:aws:iam::111122223333:user/ada","arn:aws:iam::111122223333:user/bob"]}`, "sts:AssumeRole", ""), "only: [user/ada]", "lets in arn:aws:iam::111122223333:user/bob"},
		{"the account", statement(`{"AWS":"111122223333"}`, "sts:AssumeRole", ""), "only: [user/ada]", "lets in whomever the account 111122223333 allows"},
		{"the account with an ARN", statement(`{"AWS":"111122223333"}`, "sts:AssumeRole", `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/ada"}}`), "only: [user/ada]", ""},
		{"the account with a pattern", statement(`{"AWS":"111122223333"}`, "sts:AssumeRole", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/*"}}`), "only: [user/ada]", "whomever"},
		{"a unique id", statement(`{"AWS":"AIDAIOSFODNN7EXAMPLE"}`, "sts:AssumeRole", ""), "only: [user/ada]", "nobody can tell"},
		{"a service", statement(`{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", ""), "only: [user/ada]", "the service ec2.amazonaws.com"},
		{"a service that may", statement(`{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", ""), "only: [ec2.amazonaws.com]", ""},
		{"all but one", strings.Replace(statement(`{"AWS":"arn:aws:iam::111122223333:user/eve"}`, "sts:AssumeRole", ""), `"Principal"`, `"NotPrincipal"`, 1), "only: [user/ada]", "NotPrincipal"},
		{"a deny helps nobody", strings.Replace(federated(""), `"Statement":[`, `"Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"},`, 1), "only: [payments/api]", "lets in every identity"},

		{"of the account", statement(`{"AWS":["111122223333","arn:aws:iam::111122223333:role/x"]}`, "sts:AssumeRole", ""), `nobodyOutside: ["111122223333"]`, ""},
		{"of another", statement(`{"AWS":"arn:aws:iam::444455556666:role/x"}`, "sts:AssumeRole", ""), `nobodyOutside: ["111122223333"]`, "lets in arn:aws:iam::444455556666:role/x"},
		{"of another, by its number", statement(`{"AWS":`+account+`}`, "sts:AssumeRole", ""), `nobodyOutside: ["111122223333"]`, "whomever the account 444455556666"},
		{"of another, excepted", statement(`{"AWS":`+account+`}`, "sts:AssumeRole", ""), `nobodyOutside: ["111122223333"], except: ["444455556666"]`, ""},
		{"of an organisation", statement(`"*"`, "sts:AssumeRole", `{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`), `nobodyOutside: ["111122223333"]`, "lets in everybody"},
		{"anybody of the account", statement(`"*"`, "sts:AssumeRole", `{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}`), `nobodyOutside: ["111122223333"]`, ""},
		{"anybody if the account exists", statement(`"*"`, "sts:AssumeRole", `{"StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}}`), `nobodyOutside: ["111122223333"]`, "lets in everybody"},
		{"any service account of the cluster", federated(""), `nobodyOutside: ["111122223333"]`, ""},
		{"any identity of another provider", strings.ReplaceAll(federated(""), issuer, "token.actions.githubusercontent.com"), `nobodyOutside: ["111122223333"]`, "lets in every identity of token.actions.githubusercontent.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := claim(t, tc.trust, tc.test)
			if r.Passed != (tc.reason == "") || !strings.Contains(r.Reason, tc.reason) {
				t.Errorf("passed %v: %s", r.Passed, r.Reason)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("tests: [{serviceAccount: a/b, mayAssume: [r]}]")
	f.Add("world: x\naccount: \"1\"\nroles: [{name: r, trustPolicy: t}]\ntests: [{role: r, only: [a/b@c]}]")
	f.Add("tests:\n  - principal: user/x\n    may: [\"a on b\"]\n    context: {k: [v]}\n")
	f.Add("tests: [{}]")
	f.Add("tests: [&a {role: r, only: [*a]}]")
	f.Fuzz(func(t *testing.T, text string) {
		suite, err := authtest.Parse("suite.yaml", []byte(text))
		if err == nil && len(suite.Tests) == 0 {
			t.Error("a suite without tests")
		}
	})
}
