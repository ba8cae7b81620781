package iam_test

import (
	"fmt"
	"testing"

	"github.com/eksauth/eksauth/iam"
)

const (
	ada     = "arn:aws:iam::111122223333:user/team/ada"
	session = "arn:aws:sts::111122223333:assumed-role/builder/ci"
)

// TestPrincipal: which principals of a trust policy name which callers, and how.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	user := awsCaller(t, ada)
	user.Identity.UserID = "AIDAEXAMPLE1EXAMPLE2"
	role := awsCaller(t, session)
	role.Identity.UserID = "AROAEXAMPLE1EXAMPLE2"
	withPath := role
	withPath.RolePath = "/team/"
	root := awsCaller(t, "arn:aws:iam::111122223333:root")
	federatedUser := awsCaller(t, "arn:aws:sts::111122223333:federated-user/f")
	china := awsCaller(t, "arn:aws-cn:iam::111122223333:user/team/ada")
	simulated := awsCaller(t, "arn:aws:iam::111122223333:role/team/builder")
	web := iam.Caller{Federated: "arn:aws:iam::111122223333:oidc-provider/oidc.example"}
	service := iam.Caller{Service: "ec2.amazonaws.com"}

	tests := []struct {
		principal string
		caller    iam.Caller
		via       iam.Via
	}{
		{`"*"`, user, iam.ViaAnyone},
		{`"*"`, web, iam.ViaAnyone},
		{`"*"`, iam.Caller{}, iam.ViaAnyone},
		{`{"AWS": "*"}`, user, iam.ViaAnyone},
		{`{"AWS": "*"}`, iam.Caller{}, iam.ViaAnyone}, // for anonymous users equivalent to "*"

		{`{"AWS": "111122223333"}`, user, iam.ViaAccount},
		{`{"AWS": "111122223333"}`, role, iam.ViaAccount},
		{`{"AWS": "111122223333"}`, china, iam.ViaAccount},
		{`{"AWS": "111122223333"}`, web, iam.ViaNone},
		{`{"AWS": "111122223333"}`, iam.Caller{}, iam.ViaNone},
		{`{"AWS": "444455556666"}`, user, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::111122223333:root"}`, user, iam.ViaAccount},
		{`{"AWS": "arn:aws:iam::111122223333:root"}`, federatedUser, iam.ViaAccount},
		{`{"AWS": "arn:aws:iam::111122223333:root"}`, root, iam.ViaSelf},
		{`{"AWS": "arn:aws:iam::111122223333:root"}`, china, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::444455556666:root"}`, user, iam.ViaNone},

		{`{"AWS": "arn:aws:iam::111122223333:user/team/ada"}`, user, iam.ViaSelf},
		{`{"AWS": "arn:aws:iam::111122223333:user/ada"}`, user, iam.ViaNone},      // another path
		{`{"AWS": "arn:aws:iam::111122223333:user/team/Ada"}`, user, iam.ViaNone}, // case-sensitive
		{`{"AWS": "arn:aws:iam::111122223333:user/team/ada"}`, china, iam.ViaNone},
		{`{"AWS": ["111122223333", "arn:aws:iam::111122223333:user/team/ada", "*"]}`, user, iam.ViaSelf},

		{`{"AWS": "arn:aws:iam::111122223333:role/builder"}`, role, iam.ViaRole},
		{`{"AWS": "arn:aws:iam::111122223333:role/team/builder"}`, role, iam.ViaRole}, // the session's path is not known
		{`{"AWS": "arn:aws:iam::111122223333:role/team/builder"}`, withPath, iam.ViaRole},
		{`{"AWS": "arn:aws:iam::111122223333:role/builder"}`, withPath, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::111122223333:role/Builder"}`, role, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::444455556666:role/builder"}`, role, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::111122223333:role/team/builder"}`, simulated, iam.ViaSelf},
		{`{"AWS": "arn:aws:iam::111122223333:role/other/builder"}`, simulated, iam.ViaNone},
		{`{"AWS": "arn:aws:iam::111122223333:user/builder"}`, role, iam.ViaNone},
		{`{"AWS": "arn:aws:sts::111122223333:assumed-role/builder/ci"}`, role, iam.ViaSelf},
		{`{"AWS": "arn:aws:sts::111122223333:assumed-role/builder/ci"}`, withPath, iam.ViaSelf},
		{`{"AWS": "arn:aws:sts::111122223333:assumed-role/builder/cd"}`, role, iam.ViaNone},
		{`{"AWS": "arn:aws:sts::111122223333:federated-user/f"}`, federatedUser, iam.ViaSelf},
		{`{"AWS": "arn:aws:iam::111122223333:role/ada"}`, user, iam.ViaNone},

		{`{"AWS": "AIDAEXAMPLE1EXAMPLE2"}`, user, iam.ViaSelf},
		{`{"AWS": "AROAEXAMPLE1EXAMPLE2"}`, role, iam.ViaRole},
		{`{"AWS": "AROAEXAMPLE1EXAMPLE2"}`, user, iam.ViaNone},
		{`{"AWS": "AIDAEXAMPLE1EXAMPLE2"}`, awsCaller(t, ada), iam.ViaNone}, // id not known

		{`{"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example"}`, web, iam.ViaSelf},
		{`{"Federated": "arn:aws:iam::444455556666:oidc-provider/oidc.example"}`, web, iam.ViaNone},
		{`{"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example/"}`, web, iam.ViaNone},
		{`{"Federated": "accounts.google.com"}`, iam.Caller{Federated: "accounts.google.com"}, iam.ViaSelf},
		{`{"Service": "ec2.amazonaws.com"}`, service, iam.ViaSelf},
		{`{"Service": "ecs.amazonaws.com"}`, service, iam.ViaNone},
		{`{"Federated": "ec2.amazonaws.com"}`, service, iam.ViaNone}, // the kinds do not mix
		{`{"Service": "ec2.amazonaws.com"}`, iam.Caller{Federated: "ec2.amazonaws.com"}, iam.ViaNone},
		{`{"CanonicalUser": "ec2.amazonaws.com"}`, service, iam.ViaNone},
		{`{"Service": "ecs.amazonaws.com", "AWS": "111122223333"}`, role, iam.ViaAccount},
	}
	for _, tt := range tests {
		p := mustParse(t, iam.TrustPolicy, fmt.Sprintf(`{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": %s}}`, tt.principal))
		d := iam.Evaluate(p, iam.Request{Action: "sts:AssumeRole", Caller: tt.caller})
		if d.Via != tt.via || d.Allowed() != (tt.via != iam.ViaNone) {
			t.Errorf("%s for %v: %v via %v, want via %v", tt.principal, tt.caller, d.Effect, d.Via, tt.via)
		}
	}
}

// TestNotPrincipal: the statements of "AWS JSON policy elements: NotPrincipal".
func TestNotPrincipal(t *testing.T) {
	t.Parallel()
	bob := `["arn:aws:iam::444455556666:user/Bob", "arn:aws:iam::444455556666:root"]`
	app := `["arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app",
		"arn:aws:iam::444455556666:role/cross-account-read-only-role", "arn:aws:iam::444455556666:root"]`
	tests := []struct {
		effect, list, caller string
		applies              bool
	}{
		{"Deny", bob, "arn:aws:iam::444455556666:user/Bob", false},
		{"Deny", bob, "arn:aws:iam::444455556666:user/Eve", true}, // the account in the list spares nobody else
		{"Deny", bob, "arn:aws:iam::111122223333:user/Bob", true},
		{"Deny", app, "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app", false},
		{"Deny", app, "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/another", true},
		{"Deny", `"*"`, "arn:aws:iam::444455556666:user/Eve", false},
		{"Allow", bob, "arn:aws:iam::444455556666:user/Bob", false},
		{"Allow", bob, "arn:aws:iam::444455556666:user/Eve", false}, // nor lets an Allow reach them
		{"Allow", bob, "arn:aws:iam::111122223333:user/Eve", true},
		{"Allow", `"arn:aws:iam::444455556666:role/r"`, "arn:aws:sts::444455556666:assumed-role/r/s", false},
	}
	for _, tt := range tests {
		p := mustParse(t, iam.TrustPolicy, fmt.Sprintf(`{"Statement": {"Effect": "%s", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": %s}}}`, tt.effect, tt.list))
		d := iam.Evaluate(p, iam.Request{Action: "sts:AssumeRole", Caller: awsCaller(t, tt.caller)})
		if (d.Effect != iam.NoMatch) != tt.applies {
			t.Errorf("%s NotPrincipal %s for %s: %v", tt.effect, tt.list, tt.caller, d)
		}
		if want := iam.ViaAnyone; d.Allowed() && d.Via != want {
			t.Errorf("an Allow with NotPrincipal names %v, want %v", d.Via, want)
		}
	}
	// A web identity is no AWS principal, so a list of those does not spare it.
	p := mustParse(t, iam.TrustPolicy, `{"Statement": {"Effect": "Deny", "Action": "sts:*", "NotPrincipal": {"AWS": "444455556666"}}}`)
	if d := iam.Evaluate(p, iam.Request{Action: "sts:AssumeRoleWithWebIdentity", Caller: iam.Caller{Federated: "accounts.google.com"}}); d.Effect != iam.Deny {
		t.Errorf("web identity: %v", d)
	}
}

func TestNamesForLogs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value fmt.Stringer
		want  string
	}{
		{awsCaller(t, session), "AWS " + session},
		{iam.Caller{Federated: "accounts.google.com"}, "Federated accounts.google.com"},
		{iam.Caller{Service: "ec2.amazonaws.com"}, "Service ec2.amazonaws.com"},
		{iam.Caller{}, "anonymous"},
		{iam.Principal{Value: "*"}, "*"},
		{iam.ViaNone, "nobody"},
		{iam.ViaAccount, "the caller's account"},
		{iam.ViaRole, "the role of the caller's session"},
		{iam.NoMatch, "NoMatch"},
		{iam.TrustPolicy, "trust policy"},
		{iam.IdentityPolicy, "identity policy"},
	} {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
