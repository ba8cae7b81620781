package sts

import (
	"context"
	"errors"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// petition is somebody's request for a session of a role, as its trust policy
// sees it.
type petition struct {
	action string // of the API, sts:AssumeRole…
	caller iam.Caller
	// own asks the caller's policies; nil for one who has none, a web identity.
	own   func(ctx context.Context, action, resource string, facts iam.Context) (Permission, error)
	facts iam.Context
	// refuse words a refusal; why is of the caller's policies, "" for the trust
	// policy, of which AWS says nothing.
	refuse func(action, resource, why, reason string) *Error
}

// trustedRole finds the role that was asked for and the permission to make this
// session of it. From outside, a role that does not exist looks like one that
// does not trust the caller.
func (h *Handler) trustedRole(ctx context.Context, asked arn.Principal, session Session, p petition) (Role, error) {
	role, err := h.Auth.Directory.Role(ctx, asked)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Role{}, awsquery.Internal("look up role %s: %v", asked, err)
	}
	if err != nil {
		return Role{}, p.refuse(p.action, asked.String(), "", "the role does not exist")
	}
	if role.Principal != asked {
		return Role{}, p.refuse(p.action, asked.String(), "", "the role's ARN is "+role.Principal.String())
	}
	for _, t := range role.Tags {
		p.facts.Set("aws:ResourceTag/"+t.Key, t.Value)
	}
	for _, action := range neededActions(p.action, session) {
		if err := p.permit(ctx, role, action); err != nil {
			return Role{}, err
		}
	}
	return role, nil
}

// neededActions are what a caller must be allowed, all of it, to make a session.
//
// Source: "Pass session tags in AWS STS" and "Monitor and control actions taken
// with assumed roles" in the IAM user guide.
func neededActions(action string, session Session) []string {
	actions := []string{action}
	if len(session.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if session.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	return actions
}

// permit asks the role's trust policy, and the caller's own policies.
//
// In the role's account a trust policy that names the caller suffices, unless
// theirs deny. One that names the account leaves it to the account, so that
// theirs must allow too; and so they must for a role of another account. What
// theirs leave out of a boundary or of a session policy is missing, unless the
// trust policy names the very user or session.
//
// Source: "Policy evaluation logic", "Cross-account policy evaluation logic" and
// "AWS STS: using AssumeRole" in the IAM user guide.
func (p petition) permit(ctx context.Context, role Role, action string) error {
	resource := role.Principal.String()
	trust := iam.Evaluate(role.TrustPolicy, iam.Request{Action: action, Resource: resource, Caller: p.caller, Context: p.facts})
	if !trust.Allowed() {
		return p.refuse(action, resource, "", trust.String())
	}
	if p.own == nil {
		return nil
	}
	own, err := p.own(ctx, action, resource, p.facts)
	if err != nil {
		return err
	}
	delegated := trust.Via == iam.ViaAccount || role.Principal.AccountID != p.caller.Identity.AccountID
	if !delegated && own.Identity.Effect == iam.NoMatch {
		own.Identity = iam.Decision{Effect: iam.Allow} // the trust policy stands for it
	}
	switch {
	case own.Allowed():
		return nil
	case own.Denied(), delegated, trust.Via != iam.ViaSelf:
		return p.refuse(action, resource, own.Why(), own.String())
	}
	return nil
}

// notAuthorized is AWS's answer to every reason for a refusal.
func (q *request) notAuthorized(action, resource, why, reason string) *Error {
	message := notPermitted(q.caller, action, resource)
	if why != "" {
		message += " " + why
	}
	return errDenied(message, reason)
}

// sessionContext are the condition keys of a request for a role session.
//
// Source: "IAM and AWS STS condition context keys" and "AWS global condition
// context keys" in the IAM user guide.
func (q *request) sessionContext(in assumeRoleInput, session Session) iam.Context {
	facts := q.caller.Context(q.HTTP, q.at)
	facts.Set("sts:RoleSessionName", in.sessionName)
	if in.externalID != "" {
		facts.Set("sts:ExternalId", in.externalID)
	}
	session.setRequested(&facts)
	return facts
}

// setRequested sets the condition keys of what a session is to have.
func (session Session) setRequested(facts *iam.Context) {
	if session.SourceIdentity != "" {
		facts.Set("sts:SourceIdentity", session.SourceIdentity)
	}
	var keys, transitive []string
	for _, t := range session.Tags {
		facts.Set("aws:RequestTag/"+t.Key, t.Value)
		keys = append(keys, t.Key)
		if t.Transitive {
			transitive = append(transitive, t.Key)
		}
	}
	facts.Set("aws:TagKeys", keys...)
	facts.Set("sts:TransitiveTagKeys", transitive...)
}
