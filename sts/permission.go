package sts

import (
	"context"
	"errors"
	"fmt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// Policies are what decides what a user or a role may do.
type Policies struct {
	Identity []*iam.Policy // of the principal and of its groups; they add up
	Boundary *iam.Policy   // limits them; nil for none
}

// Permission is what the policies of a caller say of one request. An Allow in
// Identity counts only as far as Boundary and Session allow the same; a Deny in
// any of them wins.
//
// Source: "Policy evaluation logic" in the IAM user guide.
type Permission struct {
	Identity, Boundary, Session iam.Decision
	action                      string
}

// Permission asks the policies of a caller whether they may do something.
// Errors are *Error. An account's root may do everything.
func (a *Authenticator) Permission(ctx context.Context, c Caller, action, resource string, facts iam.Context) (Permission, error) {
	r := iam.Request{Action: action, Resource: resource, Caller: c.Policy(), Context: facts}
	p := Permission{
		Identity: iam.Decision{Effect: iam.Allow}, Boundary: iam.Decision{Effect: iam.Allow},
		Session: a.session(ctx, c, r), action: action,
	}
	if c.principal().Kind == arn.Root {
		return p, nil
	}
	policies, err := a.Directory.Policies(ctx, c.principal())
	if errors.Is(err, ErrNotFound) { // gone since the signature was checked
		return Permission{action: action}, nil
	}
	if err != nil {
		return Permission{}, awsquery.Internal("look up the policies of %s: %v", c.principal(), err)
	}
	decisions := make([]iam.Decision, len(policies.Identity))
	for i, policy := range policies.Identity {
		decisions[i] = iam.Evaluate(policy, r)
	}
	p.Identity = iam.AnyOf(decisions...)
	if policies.Boundary != nil {
		p.Boundary = iam.Evaluate(policies.Boundary, r)
	}
	return p, nil
}

// Authorize refuses with AccessDenied what the policies of a caller do not
// permit. Errors are *Error.
func (a *Authenticator) Authorize(ctx context.Context, c Caller, action, resource string, facts iam.Context) error {
	p, err := a.Permission(ctx, c, action, resource, facts)
	if err != nil || p.Allowed() {
		return err
	}
	return errDenied(fmt.Sprintf("%s %s", notPermitted(c, action, resource), p.Why()), p.String())
}

// Allowed reports whether the caller may do it, as far as their own policies go.
func (p Permission) Allowed() bool { return p.all().Effect == iam.Allow }

// Denied reports an explicit deny, which no policy of a resource overrides.
func (p Permission) Denied() bool { return p.all().Effect == iam.Deny }

func (p Permission) all() iam.Decision { return iam.AllOf(p.Identity, p.Boundary, p.Session) }

// kinds are the policies asked, in the order in which AWS names them in answers.
func (p Permission) kinds() []kindOfPolicy {
	return []kindOfPolicy{
		{p.Identity, "an identity-based policy", "no identity-based policy"},
		{p.Boundary, "a permissions boundary", "no permissions boundary"},
		{p.Session, "a session policy", "no session policy"},
	}
}

type kindOfPolicy struct {
	decision iam.Decision
	one, no  string
}

// Why is the end of AWS's sentence about a refusal.
//
// Source: "Troubleshoot access denied error messages" in the IAM user guide.
func (p Permission) Why() string {
	for _, k := range p.kinds() {
		if k.decision.Effect == iam.Deny {
			return "with an explicit deny in " + k.one
		}
	}
	for _, k := range p.kinds() {
		if !k.decision.Allowed() {
			return "because " + k.no + " allows the " + p.action + " action"
		}
	}
	return ""
}

// String is the decision and its reasons, for the log.
func (p Permission) String() string {
	effect := p.all().Effect
	for _, k := range p.kinds() {
		if k.decision.Effect == effect {
			return k.no[len("no "):] + ": " + k.decision.String()
		}
	}
	return p.Identity.String()
}

// principal is whose policies count: the caller's, or those of the role or the
// user behind a session.
func (c Caller) principal() arn.Principal {
	switch {
	case c.Session != nil && c.Session.Role.Kind != 0:
		return c.Session.Role
	case c.Session != nil && c.Session.User.Kind != 0:
		return c.Session.User
	}
	return c.Identity.Principal
}

// notPermitted is how AWS's answers to unpermitted requests begin.
func notPermitted(c Caller, action, resource string) string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", c.Identity.Principal, action, awsquery.Clip(resource))
}
