package trustpolicy

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

const (
	provider = "arn:aws:iam::111122223333:oidc-provider/" + host
	trusts   = `{"Federated": "` + provider + `"}`
	evil     = "system:serviceaccount:evil:evil"
)

func changed(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(right) }

// withCondition is the right policy with another Condition.
func withCondition(condition string) string {
	return right[:strings.Index(right, `"Condition"`)] + `"Condition": ` + condition + "}]}"
}

// A principal that is anybody trusts all providers, which is not the same as nobody.
func TestAnyProvider(t *testing.T) {
	t.Parallel()
	const other = "oidc.example.com/other"
	for _, principal := range []string{`"*"`, `{"AWS": "*"}`} {
		for _, action := range []string{"sts:AssumeRoleWithWebIdentity", "sts:*"} {
			doc := changed(trusts, principal, "sts:AssumeRoleWithWebIdentity", action)
			found := Lint([]byte(doc))
			if got := rules(found); !slices.Equal(got, []string{"any-provider"}) || found[0].Severity != Warning || !admits(t, []byte(doc), host, web, "sts.amazonaws.com") {
				t.Errorf("%s %s: %v", principal, action, got)
			}
			open := strings.Replace(withCondition("{}"), trusts, principal, 1)
			found = Lint([]byte(open))
			if got := rules(found); !slices.Contains(got, "any-service-account") || found[0].Severity != Error || !admits(t, []byte(open), other, evil, "x") {
				t.Errorf("%s %s: %v", principal, action, got)
			}
		}
	}
	not := strings.Replace(withCondition("{}"), `"Principal"`, `"NotPrincipal"`, 1)
	if got := rules(Lint([]byte(not))); !slices.Contains(got, "any-provider") || !admits(t, []byte(not), other, evil, "x") {
		t.Errorf("NotPrincipal: %v", got)
	}
}

func TestProviderForm(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		host, "arn:aws:iam::1111:oidc-provider/" + host, "arn:aws:iam:us-east-1:111122223333:oidc-provider/" + host,
		"arn:aws:eks::111122223333:oidc-provider/" + host, "arn:aws:iam::111122223333:oidc/" + host, "arn:aws:iam::111122223333:saml-provider/x",
		"arn:aws:iam::111122223333:oidc-provider/", "arn:AWS:iam::111122223333:oidc-provider/" + host,
	} {
		doc := changed(provider, value)
		if got := rules(Lint([]byte(doc))); len(got) == 0 || got[0] != "provider-form" || admits(t, []byte(doc), host, web, "sts.amazonaws.com") {
			t.Errorf("%s: %v", value, got)
		}
	}
	for _, value := range []string{"accounts.google.com", "cognito-identity.amazonaws.com"} {
		if got := rules(Lint([]byte(changed(provider, value)))); len(got) > 0 {
			t.Errorf("%s is none of it: %v", value, got)
		}
	}
}

// How far a pattern reaches, and that the engine lets in whom it then lets in.
func TestReach(t *testing.T) {
	t.Parallel()
	for pattern, c := range map[string]struct{ rule, gets string }{
		"*": {"any-service-account", evil}, "s*": {"any-service-account", evil}, "system:*": {"any-service-account", evil},
		"system:serviceaccount*": {"any-service-account", evil}, "system:serviceaccount:*": {"any-service-account", evil}, "*:*": {"any-service-account", evil},
		"*:web":                         {"any-namespace", "system:serviceaccount:evil:web"},
		"*apps:web":                     {"any-namespace", "system:serviceaccount:evilapps:web"},
		"system:*:web":                  {"any-namespace", "system:serviceaccount:evil:web"},
		"system:serviceaccount:*:web":   {"any-namespace", "system:serviceaccount:evil:web"},
		"system:serviceaccount:a*":      {"any-namespace", "system:serviceaccount:an-evil:evil"},
		"system:serviceaccount:a*:we":   {"any-namespace", "system:serviceaccount:an-evil:we"},
		"system:serviceaccount:a?s:w":   {"any-namespace", "system:serviceaccount:abs:w"},
		"system:serviceaccount:apps:*":  {"any-of-namespace", "system:serviceaccount:apps:evil"},
		"system:serviceaccount:apps:w*": {"", "system:serviceaccount:apps:web"}, "system:serviceaccount:apps:???": {"", web}, web: {"", web},
	} {
		doc := changed("StringEquals", "StringLike", web, pattern)
		var want []string
		if c.rule != "" {
			want = []string{c.rule}
		}
		if got := rules(Lint([]byte(doc))); !slices.Equal(got, want) || !admits(t, []byte(doc), host, c.gets, "sts.amazonaws.com") {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

// Conditions that name nobody, or that hold because their key is of no issuer.
func TestConditionsThatDoNotNarrow(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{
		`{"Null": {"` + host + `:sub": "false"}}`,
		`{"StringNotEquals": {"` + host + `:sub": "` + web + `"}}`,
		`{"StringNotLike": {"` + host + `:sub": "system:serviceaccount:kube-system:*"}}`,
		`{"StringEqualsIfExists": {"https://` + host + `:sub": "` + web + `"}}`,
		`{"ForAllValues:StringEquals": {"` + provider + `:sub": "` + web + `"}}`,
	} {
		doc := withCondition(condition)
		if got := rules(Lint([]byte(doc))); !slices.Contains(got, "any-service-account") || !slices.Contains(got, "no-audience") || !admits(t, []byte(doc), host, evil, "x") {
			t.Errorf("%s: %v", condition, got)
		}
	}
	anyAudience := withCondition(`{"StringLike": {"` + host + `:aud": "*", "` + host + `:sub": "` + web + `"}}`)
	if got := rules(Lint([]byte(anyAudience))); !slices.Equal(got, []string{"no-audience"}) || !admits(t, []byte(anyAudience), host, web, "x") {
		t.Errorf("any audience: %v", got)
	}
}

// ForAllValues lets in a request that has no claim.
func TestForAllValuesHoldsForNothing(t *testing.T) {
	t.Parallel()
	doc := changed("StringEquals", "ForAllValues:StringEquals")
	for text, want := range map[string]bool{doc: true, string(Correct([]byte(doc))): false} {
		policy, err := iam.Parse([]byte(text), iam.TrustPolicy)
		if err != nil {
			t.Fatal(err)
		}
		if got := iam.Evaluate(policy, iam.Request{Action: webIdentity, Caller: iam.Caller{Federated: provider}}).Allowed(); got != want {
			t.Errorf("%v\n%s", got, text)
		}
	}
	forAny := changed("StringEquals", "ForAnyValue:StringEquals")
	if got := rules(Lint([]byte(forAny))); !slices.Equal(got, []string{"for-any-value"}) || !admits(t, []byte(forAny), host, web, "sts.amazonaws.com") {
		t.Errorf("ForAnyValue: %v", got)
	}
	mended := Correct([]byte(forAny))
	if len(Lint(mended)) > 0 || !admits(t, mended, host, web, "sts.amazonaws.com") || admits(t, mended, host, evil, "sts.amazonaws.com") {
		t.Errorf("%v\n%s", rules(Lint(mended)), mended)
	}
}

func TestSeveralIssuers(t *testing.T) {
	t.Parallel()
	const second = "oidc.example.com/b"
	doc := strings.Replace(withCondition(`{"StringEquals": {"`+host+`:sub": "`+web+`", "`+host+`:aud": "sts.amazonaws.com", "`+second+`:sub": "`+web+`"}}`),
		trusts, `{"Federated": ["`+provider+`", "arn:aws:iam::111122223333:oidc-provider/`+second+`"]}`, 1)
	if got := rules(Lint([]byte(doc))); !slices.Equal(got, []string{"several-issuers"}) {
		t.Error(got)
	}
	for _, issuer := range []string{host, second} {
		if admits(t, []byte(doc), issuer, web, "sts.amazonaws.com") {
			t.Errorf("%s gets in", issuer)
		}
	}
}

// An issuer that no condition is about has nobody who meets them.
func TestConditionsOfOneIssuerOfTwo(t *testing.T) {
	t.Parallel()
	const second = "oidc.example.com/b"
	doc := []byte(changed(trusts, `{"Federated": ["`+provider+`", "arn:aws:iam::111122223333:oidc-provider/`+second+`"]}`))
	found := Lint(doc)
	if !slices.Equal(rules(found), []string{"several-issuers"}) || !strings.Contains(found[0].Message, second) || admits(t, doc, second, web, "sts.amazonaws.com") || !admits(t, doc, host, web, "sts.amazonaws.com") {
		t.Errorf("%+v", found)
	}
}

func TestDenyAll(t *testing.T) {
	t.Parallel()
	with := func(deny string) []byte {
		return []byte(strings.TrimSuffix(strings.TrimSpace(right), "]\n}") + `, {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"` + deny + `}]}`)
	}
	for condition, all := range map[string]bool{
		``: true,
		`, "Condition": {"StringNotEquals": {"` + host + `:sub": "system:serviceaccount:apps:*"}}`: true, // a wildcard that is none
		`, "Condition": {"StringNotEquals": {"` + host + `:aud": "other"}}`:                        true,
		`, "Condition": {"StringNotLike": {"` + host + `:sub": "system:serviceaccount:apps:*"}}`:   false,
		`, "Condition": {"StringEquals": {"` + host + `:sub": "` + evil + `"}}`:                    false,
	} {
		doc := with(condition)
		if got := slices.Contains(rules(Lint(doc)), "deny-all"); got != all || admits(t, doc, host, web, "sts.amazonaws.com") == all {
			t.Errorf("%q: %v", condition, got)
		}
	}
	if got := rules(Lint([]byte(changed(`"Allow"`, `"Deny"`)))); len(got) > 0 {
		t.Errorf("nobody is let in beside it: %v", got)
	}
}

func TestSubjectForm(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"web", "apps:web", "apps/web", "system:serviceaccount:apps:", "system:serviceaccount:Apps:web", "system:serviceaccount:apps/web", "system:serviceaccounts:apps:web", "system:serviceaccount:apps:web:x"} {
		doc := changed(web, v)
		if got := rules(Lint([]byte(doc))); !slices.Equal(got, []string{"subject-form"}) || admits(t, []byte(doc), host, web, "sts.amazonaws.com") {
			t.Errorf("%s: %v", v, got)
		}
	}
}

// An action that only comes beside, such as sts:TagSession, lets nobody in.
func TestOtherActionsAreNotAboutIt(t *testing.T) {
	t.Parallel()
	for _, action := range []string{`"Action": "sts:TagSession"`, `"NotAction": "sts:AssumeRoleWithWebIdentity"`} {
		doc := strings.Replace(withCondition("{}"), `"Action": "sts:AssumeRoleWithWebIdentity"`, action, 1)
		if got := rules(Lint([]byte(doc))); len(got) > 0 || admits(t, []byte(doc), host, evil, "x") {
			t.Errorf("%s: %v", action, got)
		}
	}
}

// IfExists holds for the tokens of another issuer, which have no such claim.
func TestIfExistsOfOneIssuerOfTwo(t *testing.T) {
	t.Parallel()
	const second = "oidc.example.com/b"
	both := func(condition string) string {
		return strings.Replace(withCondition(condition), trusts, `{"Federated": ["`+provider+`", "arn:aws:iam::111122223333:oidc-provider/`+second+`"]}`, 1)
	}
	claims := func(host string) string {
		return `"` + host + `:sub": "` + web + `", "` + host + `:aud": "sts.amazonaws.com"`
	}
	for condition, open := range map[string]bool{
		`{"StringEqualsIfExists": {` + claims(host) + `}}`:                         true,
		`{"StringEqualsIfExists": {` + claims(host) + `, ` + claims(second) + `}}`: false,
	} {
		doc := []byte(both(condition))
		if got := slices.Contains(rules(Lint(doc)), "any-service-account"); got != open || admits(t, doc, second, evil, "x") != open {
			t.Errorf("%s: %v", condition, rules(Lint(doc)))
		}
		if slices.Contains(rules(Lint(doc)), "no-audience") != open {
			t.Errorf("%s: %v", condition, rules(Lint(doc)))
		}
	}
}

// What a Deny says of the call may well not hold: where it comes from is not known here.
func TestADenyAboutTheCallDeniesNotAll(t *testing.T) {
	t.Parallel()
	for condition, all := range map[string]bool{
		`{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}`:                                                      false,
		`{"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}`:                                                         false,
		`{"StringNotLike": {"sts:RoleSessionName": "web-*"}}`:                                                     false,
		`{"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}`:                                                      true, // a web identity is of no organisation
		`{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {"` + host + `:sub": "` + web + `"}}`: false,
	} {
		doc := []byte(strings.TrimSuffix(strings.TrimSpace(right), "]\n}") + `, {"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": ` + condition + `}]}`)
		if got := slices.Contains(rules(Lint(doc)), "deny-all"); got != all {
			t.Errorf("%s: %v", condition, rules(Lint(doc)))
		}
	}
}
