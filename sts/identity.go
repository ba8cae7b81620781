package sts

import (
	"context"

	"github.com/eksauth/eksauth/awsquery"
)

// getCallerIdentity answers anyone with a valid signature; no policy can deny
// it. It has no parameters and grants nothing, so whatever came along is of no
// interest.
func (h *Handler) getCallerIdentity(_ context.Context, q *request) ([]element, error) {
	return []element{
		awsquery.E("UserId", q.caller.UserID()),
		awsquery.E("Account", q.caller.Identity.AccountID),
		awsquery.E("Arn", q.caller.Identity.Principal.String()),
	}, nil
}
