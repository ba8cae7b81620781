package doctor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	issuerHost = "issuer.example.com/dev"
	ourSubject = `"` + issuerHost + `:sub": "system:serviceaccount:apps:web"`
	// statement is an Allow for the issuer, with a condition.
	statement = `{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/` + issuerHost + `"}, "Condition": {CONDITION}}`
)

func trust(statements ...string) string {
	return `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
}

func allow(condition string) string { return strings.Replace(statement, "CONDITION", condition, 1) }

// What a trust policy asks of the call is not known here: it is no cause, and no fix
// takes it away.
func TestTrustPoliciesThatAskAboutTheCall(t *testing.T) {
	t.Parallel()
	const fromHere = `"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}`
	deny := func(condition string) string {
		return `{"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {` + condition + `}}`
	}
	ours := allow(`"StringEquals": {` + ourSubject + `}`)
	for policy, want := range map[string]Status{
		trust(allow(fromHere + `, "StringEquals": {` + ourSubject + `}`)):                                              Unknown,
		trust(allow(`"StringLike": {"sts:RoleSessionName": "web-*"}, "StringEquals": {` + ourSubject + `}`)):           Unknown,
		trust(ours, deny(`"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}`)):                                          Unknown,
		trust(ours, deny(`"StringNotEquals": {"aws:SourceVpc": "vpc-1"}`)):                                             Unknown,
		trust(ours, deny(`"StringNotEquals": {"aws:SourceVpc": "vpc-1"}`), deny(`"StringEquals": {`+ourSubject+`}`)):   Bad,
		trust(ours, deny(`"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}`)):                                          Bad,
		trust(allow(fromHere + `, "StringEquals": {"` + issuerHost + `:sub": "system:serviceaccount:apps:api"}`)):      Bad,
		trust(allow(`"StringEquals": {"`+issuerHost+`:sub": "x"}`), deny(`"StringNotEquals": {"aws:SourceVpc": "v"}`)): Bad,
		"{": Unknown, // IAM took it, whatever this program makes of it
	} {
		d, c, a, _ := healthy(t)
		a.role.TrustPolicy = policy
		r := d.ServiceAccount(t.Context(), "apps", "web")
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == "trust-policy" })
		if i < 0 || r.Checks[i].Status != want || want == Unknown && len(r.Causes()) > 0 {
			t.Errorf("%s\n%+v", policy, r.Checks[i])
		}
		c.objects["serviceaccounts /web"] = map[string]any{"metadata": map[string]any{"namespace": "apps", "name": "web", "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN}}}
		if e := d.Everything(t.Context()); len(e.Accounts) != 1 || e.Accounts[0].Status != want {
			t.Errorf("%s\n%+v", policy, e.Accounts)
		}
	}
}

// The mistake that is named is the one that is mended.
func TestTheMistakeThatIsNamed(t *testing.T) {
	t.Parallel()
	d, _, a, _ := healthy(t)
	ci := strings.Replace(allow(`"StringLike": {"`+issuerHost+`:sub": "repo:us/app:*"}`), issuerHost, "ci.example.com", -1)
	a.role.TrustPolicy = trust(ci, allow(`"StringEquals": {"https://`+ourSubject[1:]+`}`))
	causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
	if len(causes) != 1 || !strings.Contains(causes[0].Cause, "a condition key has no scheme") {
		t.Errorf("%+v", causes)
	}
}

// A fix keeps what it does not change, to the last digit, and says if IAM may refuse it.
func TestFixOfALongPolicy(t *testing.T) {
	t.Parallel()
	d, _, a, _ := healthy(t)
	var others []string
	for i := range 60 {
		others = append(others, fmt.Sprintf(`"system:serviceaccount:apps:other-%d"`, i))
	}
	a.role.TrustPolicy = trust(allow(`"NumericLessThan": {"aws:MultiFactorAuthAge": 12345678901234567890}, "StringEquals": {"` + issuerHost + `:sub": [` + strings.Join(others, ",") + `]}`))
	causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
	if len(causes) != 1 {
		t.Fatalf("%+v", causes)
	}
	fix := strings.Join(causes[0].Fix, "\n")
	if !strings.Contains(fix, "12345678901234567890") || !strings.Contains(fix, "# the policy has ") || !strings.Contains(fix, "IAM takes 2048 unless") {
		t.Error(fix)
	}
}
