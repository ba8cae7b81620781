package trustpolicy

import (
	"slices"
	"strings"
	"testing"
)

// A mistake may be all that keeps the role shut: it is not taken away then.
func TestCorrectLetsInNoStrangers(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"each of the cluster":      changed("apps:web", "*"),
		"each namespace":           changed("apps:web", "*:web"),
		"no subject, and a scheme": withCondition(`{"StringEquals": {"https://` + host + `:aud": "sts.amazonaws.com"}}`),
		"no condition":             strings.Replace(withCondition("{}"), "oidc-provider/", "oidc-provider/https://", 1),
		"the action alone":         strings.Replace(withCondition("{}"), "AssumeRoleWithWebIdentity", "AssumeRole", 1),
		"the audience alone":       withCondition(`{"StringEquals": {"` + host + `:sub": "sts.amazonaws.com"}}`),
	} {
		for _, who := range []string{evil, "system:serviceaccount:evil:web"} {
			if admits(t, []byte(doc), host, who, "sts.amazonaws.com") || admits(t, Correct([]byte(doc)), host, who, "sts.amazonaws.com") {
				t.Errorf("%s: %s gets in\n%s", name, who, Correct([]byte(doc)))
			}
		}
	}
}

// Two keys that would be one stay two, whatever the order in which a map gives them.
func TestCorrectLosesNoCondition(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{
		`{"StringEquals": {"` + host + `:sub": "` + web + `", "https://` + host + `:sub": "system:serviceaccount:apps:api"}}`,
		`{"StringLike": {"` + host + `:sub": "` + web + `", "` + host + `:aud": "system:serviceaccount:apps:*"}}`,
		`{"StringEquals": {"` + host + `:sub": "` + web + `"}, "ForAllValues:StringEquals": {"` + host + `:sub": "system:serviceaccount:apps:api"}}`,
	} {
		doc := []byte(withCondition(condition))
		for range 30 {
			if got := Correct(doc); string(got) != string(Format(doc)) {
				t.Fatalf("%s", got)
			}
		}
	}
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"the two claims for each other":  withCondition(`{"StringEquals": {"` + host + `:aud": "` + web + `", "` + host + `:sub": "sts.amazonaws.com"}}`),
		"a wildcard that any case hides": changed("StringEquals", "StringEqualsIgnoreCase"),
	} {
		corrected := Correct([]byte(doc))
		if len(Lint(corrected)) > 0 || !admits(t, corrected, host, web, "sts.amazonaws.com") || admits(t, corrected, host, evil, "sts.amazonaws.com") {
			t.Errorf("%s: %v\n%s", name, rules(Lint(corrected)), corrected)
		}
	}
}

// What is right beside the mistake stays what it was.
func TestCorrectKeepsTheRest(t *testing.T) {
	t.Parallel()
	beside := changed(trusts, `{"Federated": "`+provider+`", "AWS": "111122223333"}`, `"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRole", "sts:TagSession"]`)
	if got := string(Correct([]byte(beside))); !strings.Contains(got, `"sts:AssumeRole"`) {
		t.Errorf("another principal lost its action:\n%s", got)
	}
	ignoreCase := changed("StringEquals", "StringEqualsIgnoreCase", "apps:web", "apps:*")
	if got := rules(Lint(Correct([]byte(ignoreCase)))); !slices.Equal(got, []string{"wildcard-equals"}) {
		t.Errorf("there is no StringLikeIgnoreCase: %v", got)
	}
	number := withCondition(`{"NumericLessThan": {"aws:MultiFactorAuthAge": 12345678901234567890}, "StringEquals": {"https://` + host + `:sub": "` + web + `"}}`)
	if got := string(Correct([]byte(number))); !strings.Contains(got, ": 12345678901234567890") || strings.Contains(got, "https://") {
		t.Errorf("a number changed:\n%s", got)
	}
	twice := changed(`"Effect": "Allow"`, `"Effect": "Deny", "Effect": "Allow"`)
	if got := string(Correct([]byte(twice))); got != twice {
		t.Errorf("what is no policy changed:\n%s", got)
	}
}

// How far a pattern reaches is known of service accounts alone. One for another issuer's
// subjects may be for everybody there.
func TestCorrectLeavesOtherSubjectsAlone(t *testing.T) {
	t.Parallel()
	const ci = "token.actions.githubusercontent.com"
	for name, doc := range map[string]string{
		"a wildcard": changed(host, ci, web, "repo:*"),
		"a scheme":   changed(`"`+host, `"https://`+ci, host, ci, "StringEquals", "StringLike", web, "repo:*"),
		"the action": changed(host, ci, "StringEquals", "StringLike", web, "repo:*", "AssumeRoleWithWebIdentity", "AssumeRole"),
	} {
		corrected := Correct([]byte(doc))
		if admits(t, corrected, ci, "repo:evil/evil", "sts.amazonaws.com") {
			t.Errorf("%s:\n%s", name, corrected)
		}
	}
}
