package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/eksauth/eksauth/awsquery"
)

// refuseEC2 refuses a request to EC2, which is not here, but to those who may not
// make it in EC2's own words: with the message that DecodeAuthorizationMessage of
// STS is for.
func (s *Server) refuseEC2(w http.ResponseWriter, r *http.Request) {
	q := awsquery.NewRequest(r)
	err := q.Read(w)
	if err == nil {
		err = s.permitEC2(&q)
	}
	var refused *awsquery.Error
	switch {
	case err == nil:
		s.refuseService(w, r, "ec2")
	case errors.As(err, &refused):
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "ec2 refused", slog.String("action", awsquery.Clip(q.Action)), slog.String("code", refused.Code), slog.String("reason", refused.Reason))
		answerError(w, r, "ec2", refused)
	default:
		answerError(w, r, "ec2", awsquery.Internal("%v", err))
	}
}

func (s *Server) permitEC2(q *awsquery.Request) error {
	caller, err := s.auth.Authenticate(q.HTTP, q.Body, "ec2")
	if err != nil {
		return err
	}
	action := "ec2:" + q.Action
	permission, err := s.auth.Permission(q.HTTP.Context(), caller, action, "*", caller.Context(q.HTTP, s.auth.Now()))
	if err != nil || permission.Allowed() {
		return err
	}
	return &awsquery.Error{
		Code: "UnauthorizedOperation", Status: http.StatusForbidden, Reason: permission.String(),
		Message: fmt.Sprintf("You are not authorized to perform this operation. User: %s is not authorized to perform: %s %s. Encoded authorization failure message: %s",
			caller.Identity.Principal, awsquery.Clip(action), permission.Why(), s.auth.EncodeRefusal(caller, action, "*", permission)),
	}
}
