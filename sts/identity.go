package sts

import "context"

// getCallerIdentity answers anyone with a valid signature; no policy can deny
// it. It has no parameters and grants nothing, so whatever came along is of no
// interest.
func (h *Handler) getCallerIdentity(_ context.Context, q *request) ([]element, error) {
	return []element{
		{"UserId", q.caller.UserID()},
		{"Account", q.caller.Identity.AccountID},
		{"Arn", q.caller.Identity.Principal.String()},
	}, nil
}
