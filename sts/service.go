package sts

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/iam"
)

// ServiceRequest is what an AWS service asks for: a session of a role for one of
// its users.
type ServiceRequest struct {
	Service     string // such as pods.eks.amazonaws.com, as trust policies name it
	Role        arn.Principal
	SessionName string
	Duration    time.Duration // a role's MaxSessionDuration does not count
	Tags        []Tag
}

// AssumeForService gives an AWS service credentials of a role whose trust policy
// lets it have them: sts:AssumeRole, and sts:TagSession if there are tags. Errors
// are *Error. r is the request that made the service ask.
//
// Source: "Learn how EKS Pod Identity grants pods access to AWS services" in the
// EKS user guide.
func (h *Handler) AssumeForService(ctx context.Context, r *http.Request, in ServiceRequest) (Issued, error) {
	q := newRequest(r, h.Auth.Now())
	q.Action = "AssumeRole"
	q.about = append(q.about, slog.String("service", in.Service), slog.String("role", in.Role.String()), slog.String("sessionName", in.SessionName))
	now := q.at.UTC().Truncate(time.Second)
	session := Session{Issued: now, Expires: now.Add(in.Duration), Tags: in.Tags}
	facts := requestContext(r, q.at, "")
	facts.Set("aws:PrincipalIsAWSService", "true")
	facts.Set("sts:RoleSessionName", in.SessionName)
	session.setRequested(&facts)
	role, err := h.trustedRole(ctx, in.Role, session, petition{
		action: "sts:AssumeRole", caller: iam.Caller{Service: in.Service}, facts: facts,
		refuse: func(action, resource, _, reason string) *Error {
			return errDenied("Service "+in.Service+" is not authorized to perform: "+action+" on resource: "+resource, reason)
		},
	})
	if err != nil {
		return Issued{}, err
	}
	issued, err := h.issueRole(q, role, in.SessionName, session)
	if err == nil {
		h.logSuccess(q, operation{issues: true})
	}
	return issued, err
}
