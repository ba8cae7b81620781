package sts

import (
	"context"
	"errors"
	"fmt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
)

// petition is somebody's request for a session of a role, as its trust policy
// sees it.
type petition struct {
	action string // of the API, sts:AssumeRole…
	caller iam.Caller
	within func(action, resource string, facts iam.Context) iam.Decision // of the caller's session policy
	facts  iam.Context
	refuse func(action, resource, reason string) *Error
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
		return Role{}, p.refuse(p.action, asked.String(), "the role does not exist")
	}
	if role.Principal != asked {
		return Role{}, p.refuse(p.action, asked.String(), "the role's ARN is "+role.Principal.String())
	}
	for _, action := range neededActions(p.action, session) {
		if err := p.permit(role, action); err != nil {
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

// permit asks the role's trust policy, and what the caller's session policy leaves
// of it. The caller's identity policies are not asked, not even where the
// decision's Via says that the trust policy names the account and leaves the rest
// to it.
func (p petition) permit(role Role, action string) error {
	decision := iam.Evaluate(role.TrustPolicy, iam.Request{
		Action:   action,
		Resource: role.Principal.String(),
		Caller:   p.caller,
		Context:  p.facts,
	})
	if !decision.Allowed() {
		return p.refuse(action, role.Principal.String(), decision.String())
	}
	narrowed := p.within(action, role.Principal.String(), p.facts)
	// A trust policy that names the very session adds to what its session policy
	// allows; not to what that denies.
	if narrowed.Effect == iam.Deny || !narrowed.Allowed() && decision.Via != iam.ViaSelf {
		return p.refuse(action, role.Principal.String(), narrowed.String())
	}
	return nil
}

// notAuthorized is AWS's answer to every reason for a refusal.
func (q *request) notAuthorized(action, resource, reason string) *Error {
	return errDenied(fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s",
		q.caller.Identity.Principal, action, awsquery.Clip(resource)), reason)
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
