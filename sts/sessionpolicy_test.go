package sts

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sigv4"
)

// allowing is a session policy of one statement, for all resources.
func allowing(action string) string { return permitting("Allow", action, "*") }

func permitting(effect, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// open is the session behind credentials.
func (w *world) open(t testing.TB, c sigv4.Credentials) Session {
	t.Helper()
	session, _, err := w.handler.Auth.Sessions.Open(c.SessionToken, c.AccessKeyID)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestSessionPolicyIsSealedWithoutItsWhiteSpace(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	policy := allowing("eks:*Cluster")
	spaced := strings.NewReplacer(":[", ": [\n\t", `,"`, `,  "`).Replace(policy)
	answer, pod := w.webSession(t, w.web(t, "Policy", spaced))
	if got := w.open(t, pod).Policy; got != policy {
		t.Errorf("the web identity's session has the policy %s", got)
	}
	if answer.Packed < 1 || answer.Packed > 100 {
		t.Errorf("packed size %d", answer.Packed)
	}
	got := w.call(t, ada(), assume("Policy", spaced))
	c := sigv4.Credentials{AccessKeyID: between(got.body, "<AccessKeyId>", "</AccessKeyId>"), SessionToken: between(got.body, "<SessionToken>", "</SessionToken>")}
	if got := w.open(t, c).Policy; got != policy {
		t.Errorf("the user's session has the policy %s", got)
	}
}

// A policy within its bounds and as many tags as there may be are still too much.
func TestPolicyAndTagsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `"sts:*"`, ""))
	pairs := manyTags(50)
	for i := 3; i < len(pairs); i += 4 {
		pairs[i] = strings.Repeat("v", 65)
	}
	if got := w.call(t, ada(), assume(pairs...)); got.status != 200 {
		t.Fatalf("without the policy: %d %s", got.status, got.body)
	}
	policy := permitting("Allow", "eks:ListClusters", "arn:aws:eks:::"+strings.Repeat("c", 1800))
	refused(t, w.call(t, ada(), assume(append(pairs, "Policy", policy)...)), 400, "PackedPolicyTooLarge", "Packed policy consumes more than 100% of allotted space, please use smaller policy.")
}

func TestSessionPolicyNarrowsTheNextStep(t *testing.T) {
	t.Parallel()
	const session = "arn:aws:sts::111122223333:assumed-role/payments.api/pod-1"
	for name, tc := range map[string]struct {
		policy  string // of the first session; "" for none
		trusts  string // whom the next role trusts
		allowed bool
		reason  string // in the log
	}{
		"no policy":              {"", podRoleARN, true, ""},
		"allowed":                {permitting("Allow", "sts:assumerole", otherARN), podRoleARN, true, ""},
		"something else":         {allowing("eks:*"), podRoleARN, false, `implicitly denied: policy \"of the session\": Statement[0]: Action: want \"eks:*\", found \"sts:AssumeRole\"`},
		"another role":           {permitting("Allow", "sts:AssumeRole", roleARN), podRoleARN, false, `Resource: want`},
		"denied":                 {permitting("Deny", "sts:AssumeRole", "*"), podRoleARN, false, "explicitly denied: "},
		"account":                {allowing("eks:*"), account, false, "implicitly denied: "},
		"the session by name":    {allowing("eks:*"), session, true, ""},
		"denied though by name":  {permitting("Deny", "sts:AssumeRole", "*"), session, false, "explicitly denied: "},
		"trusted by nobody":      {permitting("Allow", "sts:AssumeRole", "*"), adaARN, false, "Statement[0]: Principal: want"},
		"condition of a session": {strings.Replace(allowing("sts:*"), `"Effect"`, `"Condition":{"StringEquals":{"aws:FederatedProvider":"`+providerARN+`"}},"Effect"`, 1), podRoleARN, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPodWorld(t)
			w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(tc.trusts, `"sts:AssumeRole"`, ""))
			var extra []string
			if tc.policy != "" {
				extra = []string{"Policy", tc.policy}
			}
			_, c := w.webSession(t, w.web(t, extra...))
			// Nothing can keep anybody from asking who they are.
			if got := w.call(t, c, whoAmI); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
			got := w.call(t, c, assume("RoleArn", otherARN))
			if tc.allowed {
				if got.status != 200 {
					t.Fatalf("%d %s\n%s", got.status, got.body, w.log)
				}
				return
			}
			refused(t, got, 403, "AccessDenied", "User: "+session+" is not authorized to perform: sts:AssumeRole on resource: "+otherARN)
			if !strings.Contains(w.log.String(), tc.reason) {
				t.Errorf("the log does not say %s:\n%s", tc.reason, w.log)
			}
		})
	}
}

// Tags need a permission of their own, also within the session policy.
func TestSessionPolicyNarrowsTagging(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(podRoleARN, `"sts:*"`, ""))
	tagged := assume("RoleArn", otherARN, "Tags.member.1.Key", "team", "Tags.member.1.Value", "blue")
	_, c := w.webSession(t, w.web(t, "Policy", allowing("sts:AssumeRole")))
	refused(t, w.call(t, c, tagged), 403, "AccessDenied", "is not authorized to perform: sts:TagSession on resource: "+otherARN)
	_, c = w.webSession(t, w.web(t, "Policy", allowing("sts:*")))
	if got := w.call(t, c, tagged); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A session policy is the session's: the next has its own, or none.
func TestSessionPolicyEndsWithItsSession(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(podRoleARN, `"sts:AssumeRole"`, ""))
	_, first := w.webSession(t, w.web(t, "Policy", allowing("sts:AssumeRole")))
	if got := w.open(t, w.session(t, first, otherARN)).Policy; got != "" {
		t.Errorf("the next session has the policy %s", got)
	}
}

func TestSessionPolicyThatCannotBeReadAllowsNothing(t *testing.T) {
	t.Parallel()
	session := someSession(t)
	for policy, want := range map[string]bool{"": true, allowing("*"): true, "{}": false, "x": false} {
		session.Policy = policy
		caller := Caller{Identity: session.Identity, Session: &session}
		decision := (&Authenticator{}).session(t.Context(), caller, iam.Request{Action: "eks:ListClusters", Resource: "*"})
		if decision.Allowed() != want {
			t.Errorf("policy %q: %s", policy, decision)
		}
	}
}
