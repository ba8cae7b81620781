package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// said is what one policy says of sts:AssumeRole.
type said int

const (
	nothing said = iota // there is no such policy, or for identity: it allows something else
	allows
	silent // there is one, about something else
	denies
)

func (s said) String() string { return [...]string{"-", "allow", "silent", "deny"}[s] }

func (s said) document() string {
	switch s {
	case allows:
		return permitting("Allow", "sts:AssumeRole", "*")
	case denies:
		return permitting("Deny", "sts:AssumeRole", "*")
	}
	return allowing("eks:*")
}

func (s said) policy(t *testing.T) *iam.Policy {
	t.Helper()
	policy, err := iam.Parse([]byte(s.document()), iam.IdentityPolicy)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// Every combination of who the trust policy names and what the caller's policies
// say, for roles of the caller's account and of another. The rule is written here a
// second time, from the documentation, and not as the code has it:
//
//   - an explicit deny in any policy denies;
//   - in one account, a trust policy that names the user, the role, the session or
//     everybody grants by itself; one that names the account delegates to it;
//   - across accounts, the caller's account must allow too;
//   - a boundary and a session policy must allow, unless in one account the trust
//     policy names the very user or session: for that they only count when they deny.
//
// Source: "Policy evaluation logic", "Cross-account policy evaluation logic",
// "Permissions boundaries for IAM entities" in the IAM user guide.
func TestWhoMayAssumeARole(t *testing.T) {
	t.Parallel()
	const sessionARN = "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"
	cases := 0
	for _, asSession := range []bool{false, true} {
		named := map[string]string{"account": account, "root": "arn:aws:iam::111122223333:root", "anybody": "*", "self": adaARN}
		if asSession {
			named["self"], named["role"] = sessionARN, roleARN
		}
		for who, principal := range named {
			for _, other := range []bool{false, true} {
				w := newWorld(t)
				role := "arn:aws:iam::111122223333:role/target"
				if other {
					role = "arn:aws:iam::444455556666:role/target"
				}
				w.addRole(t, role, "AROATARGETTARGETTARG", trusting(principal, `"sts:AssumeRole"`, ""))
				for _, identity := range []said{silent, allows, denies} {
					for _, boundary := range []said{nothing, allows, silent, denies} {
						for _, session := range []said{nothing, allows, silent, denies} {
							if session != nothing && !asSession {
								continue
							}
							cases++
							name := fmt.Sprintf("%s session %v, other account %v, identity %s, boundary %s, session policy %s", who, asSession, other, identity, boundary, session)
							want := permittedByTheBook(who, other, identity, boundary, session)
							if got := w.mayAssume(t, role, asSession, identity, boundary, session); got != want {
								t.Errorf("%s: %v, want %v", name, got, want)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

func permittedByTheBook(who string, other bool, identity, boundary, session said) bool {
	if identity == denies || boundary == denies || session == denies {
		return false
	}
	within := boundary != silent && session != silent
	if other || who == "account" || who == "root" {
		return identity == allows && within
	}
	return who == "self" || within
}

func (w *world) mayAssume(t *testing.T, role string, asSession bool, identity, boundary, session said) bool {
	t.Helper()
	caller := Caller{Identity: arn.Identity{Principal: principal(t, adaARN), UserID: "AIDAADAADAADAADAADAA"}, Region: region}
	name := "ada.lovelace"
	if asSession {
		name = "awesome.role"
		caller.Identity = arn.Identity{Principal: principal(t, "arn:aws:sts::111122223333:assumed-role/awesome.role/s-1"), UserID: "AROAAWESOMEAWESOMEAW"}
		caller.Session = &Session{Identity: caller.Identity, Role: principal(t, roleARN), Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
		if session != nothing {
			caller.Session.Policy = session.document()
		}
	}
	policies := Policies{Identity: []*iam.Policy{identity.policy(t)}}
	if boundary != nothing {
		policies.Boundary = boundary.policy(t)
	}
	w.policies[name] = policies
	r := get("")
	q := newRequest(r, w.now())
	q.caller = caller
	_, err := w.handler.trustedRole(t.Context(), principal(t, role), Session{}, petition{
		action: "sts:AssumeRole", caller: caller.Policy(),
		own: func(ctx context.Context, action, resource string, facts iam.Context) (Permission, error) {
			return w.handler.Auth.Permission(ctx, caller, action, resource, facts)
		},
		facts: caller.Context(r, w.now()), refuse: q.notAuthorized,
	})
	refused := new(Error)
	if err != nil && (!errors.As(err, &refused) || refused.Code != "AccessDenied" || refused.Reason == "") {
		t.Errorf("the refusal is %#v", err)
	}
	return err == nil
}

// Word for word what AWS says, which people search for.
//
// Source: "Troubleshoot access denied error messages" in the IAM user guide.
func TestWordsOfARefusal(t *testing.T) {
	t.Parallel()
	const begin = "User: " + adaARN + " is not authorized to perform: sts:AssumeRole on resource: * "
	for _, tc := range []struct {
		identity, boundary, session said
		want                        string // "" when allowed
	}{
		{allows, nothing, nothing, ""},
		{silent, nothing, nothing, "because no identity-based policy allows the sts:AssumeRole action"},
		{denies, nothing, nothing, "with an explicit deny in an identity-based policy"},
		{allows, silent, nothing, "because no permissions boundary allows the sts:AssumeRole action"},
		{allows, denies, nothing, "with an explicit deny in a permissions boundary"},
		{allows, nothing, silent, "because no session policy allows the sts:AssumeRole action"},
		{allows, nothing, denies, "with an explicit deny in a session policy"},
		{silent, silent, denies, "with an explicit deny in a session policy"},
		{silent, allows, allows, "because no identity-based policy allows the sts:AssumeRole action"},
	} {
		w := newWorld(t)
		policies := Policies{Identity: []*iam.Policy{tc.identity.policy(t)}}
		if tc.boundary != nothing {
			policies.Boundary = tc.boundary.policy(t)
		}
		w.policies["ada.lovelace"] = policies
		caller := Caller{Identity: arn.Identity{Principal: principal(t, adaARN)}}
		if tc.session != nothing {
			caller.Session = &Session{Policy: tc.session.document()}
		}
		err := w.handler.Auth.Authorize(t.Context(), caller, "sts:AssumeRole", "*", iam.Context{})
		refused := new(Error)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%v", err)
		case tc.want != "" && (!errors.As(err, &refused) || refused.Status != 403 || refused.Message != begin+tc.want):
			t.Errorf("%s %s %s: %v, want %s", tc.identity, tc.boundary, tc.session, err, begin+tc.want)
		}
	}
}

func TestRootMayAndFaultsDeny(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := Caller{Identity: arn.Identity{Principal: principal(t, "arn:aws:iam::111122223333:root")}}
	if err := w.handler.Auth.Authorize(t.Context(), root, "iam:CreateUser", "*", iam.Context{}); err != nil {
		t.Error(err)
	}
	broken := Caller{Identity: arn.Identity{Principal: principal(t, "arn:aws:iam::111122223333:user/nobodyknows")}}
	err := w.handler.Auth.Authorize(t.Context(), broken, "iam:CreateUser", "*", iam.Context{})
	refused := new(Error)
	if !errors.As(err, &refused) || refused.Code != "InternalFailure" || strings.Contains(refused.Message, "fire") {
		t.Errorf("%v", err)
	}
}
