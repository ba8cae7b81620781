package doctor

import (
	"errors"
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

// What STS says is known: then it is the cause, with what to look at next, all of which
// does nothing when it is pasted.
func TestWhatSTSSays(t *testing.T) {
	t.Parallel()
	const denied = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	far := "arn:aws:iam::444455556666:role/far"
	for name, c := range map[string]struct {
		role, says, policy string
		causes, fixes      []string
	}{
		"another account, which has no provider": {
			far, "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://" + issuerHost, "",
			[]string{"IAM does not know the issuer of the token", "the account of the role has no OIDC provider for https://" + issuerHost},
			[]string{"create the provider in the role's account (444455556666)", "# in AWS, with credentials of account 444455556666"},
		},
		"another account, and another audience": {
			far, "InvalidIdentityToken: Incorrect token audience", "",
			[]string{"the provider does not take tokens for this audience", "among the client ids"},
			[]string{"--open-id-connect-provider-arn arn:aws:iam::444455556666:oidc-provider/" + issuerHost},
		},
		"another account, and denied": {
			far, denied, "",
			[]string{"STS does not give the role to this service account", "the trust policy of the role does not admit it"},
			[]string{`"system:serviceaccount:apps:web"`},
		},
		"an address": {
			roleARN, denied, trust(allow(`"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {` + ourSubject + `}`)),
			[]string{"STS does not give the role to this service account: the trust policy asks for aws:SourceIp of the call"},
			[]string{"eksauth doctor self"},
		},
		"an address, and something new": {
			roleARN, "the moon is full", trust(allow(`"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {` + ourSubject + `}`)),
			[]string{"STS refuses: the trust policy asks for aws:SourceIp of the call"}, []string{"eksauth doctor self"},
		},
		"an address, and what is not about it": {
			roleARN, "RegionDisabledException: STS is not activated in this region for account:111122223333", trust(allow(`"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {` + ourSubject + `}`)),
			[]string{"STS is not activated in this region"}, []string{"# 1. "},
		},
		"against all that IAM says": {
			roleARN, denied, trust(allow(`"StringEquals": {` + ourSubject + `}`)),
			[]string{"STS does not give the role to this service account, though as IAM has it it should"}, []string{"control policies of account 111122223333"},
		},
	} {
		d, cl, a, _ := healthy(t)
		cl.objects["serviceaccount apps/web"] = annotations("eks.amazonaws.com/role-arn", c.role)
		a.role.TrustPolicy, a.says = c.policy, errors.New(c.says)
		causes := d.ServiceAccount(t.Context(), "apps", "web").Causes()
		if len(causes) != 1 || causes[0].ID != "sts" || !allComments(causes[0].Fix) {
			t.Errorf("%s: %+v", name, causes)
			continue
		}
		for _, want := range c.causes {
			if !strings.Contains(causes[0].Cause, want) {
				t.Errorf("%s: the cause is %q, want %q", name, causes[0].Cause, want)
			}
		}
		for _, want := range c.fixes {
			if !strings.Contains(strings.Join(causes[0].Fix, "\n"), want) {
				t.Errorf("%s: the fix is %q, want %q", name, causes[0].Fix, want)
			}
		}
	}
}
