package iam

import "github.com/eksauth/eksauth/arn"

// Request is what is to be decided. It must not change while a decision about
// it is in use: reasons are worked out from it later.
type Request struct {
	Action   string // such as sts:AssumeRoleWithWebIdentity; any case
	Resource string // the ARN that the action is on; trust policies do not look at it
	Caller   Caller // identity policies do not look at it
	Context  Context
}

// Evaluate decides a request by one policy. A Deny that applies wins, then an
// Allow; else nothing applied, which denies too. A policy that Parse did not
// make, nil included, applies to nothing.
//
// For a trust policy the decision also says how it names the caller
// (Decision.Via): whether that suffices is the service's business.
//
// The time it takes is proportional to the statements, their values, and for
// each pattern at most to its length times that of what it is matched against.
//
// Source: "Policy evaluation logic".
func Evaluate(p *Policy, r Request) Decision {
	if p == nil || !p.parsed {
		return Decision{}
	}
	d := Decision{policy: p, request: r}
	action := foldASCII(r.Action)
	for i := range p.Statements {
		s := &p.Statements[i]
		via, ok := s.applies(p.Kind, action, &r)
		if !ok {
			continue
		}
		if s.Effect == Deny {
			d.Effect, d.Via = Deny, ViaNone
			return d
		}
		d.Effect, d.Via = Allow, max(d.Via, via)
	}
	return d
}

// applies says whether all elements of a statement match; action is in lower
// case. Decision.Reasons asks the same functions, each on its own.
func (s *Statement) applies(kind Kind, action string, r *Request) (Via, bool) {
	via := ViaNone
	if kind == TrustPolicy {
		if via = s.Principals.match(r.Caller, s.Effect); via == ViaNone {
			return ViaNone, false
		}
	}
	if !s.Actions.match(action) {
		return ViaNone, false
	}
	if kind == IdentityPolicy && s.Resources.match(r.Resource, r.Context) != match {
		return ViaNone, false
	}
	for i := range s.Conditions {
		if s.Conditions[i].evaluate(r.Context) != holds {
			return ViaNone, false
		}
	}
	return via, true
}

// match compares an action in lower case.
//
// Source: "IAM JSON policy elements: Action", "… NotAction".
func (a *Actions) match(action string) bool {
	for _, pattern := range a.folded {
		if arn.Match(pattern, action) {
			return !a.Not
		}
	}
	return a.Not
}

// match compares a resource's ARN as a whole, so that a wildcard reaches across
// colons. AWS's page promises that only of a '*' at the end of a field, and
// advises against relying on either.
//
// Source: "IAM JSON policy elements: Resource", "… NotResource".
func (rs *Resources) match(resource string, ctx Context) verdict {
	best := mismatch
	for _, t := range rs.patterns {
		switch t.like(resource, ctx) {
		case match:
			return verdictOf(!rs.Not)
		case unresolved:
			best = unresolved
		}
	}
	if best == unresolved {
		return unresolved
	}
	return verdictOf(rs.Not)
}
