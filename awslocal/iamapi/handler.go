package iamapi

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sts"
)

const (
	apiVersion   = "2010-05-08"
	xmlNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"
)

// Handler is the IAM API. Auth, Store and Log are needed.
//
// Each refusal is one line in the log, at level warn, with the true reason; each
// write one at level info, each other success at level debug. No line has a secret
// in it.
type Handler struct {
	Auth   *sts.Authenticator
	Store  *awslocal.Store
	Quotas Quotas // the zero value stands for IAM's own
	Log    *slog.Logger
}

// call is one request of a known operation, by a caller whose signature is good.
type call struct {
	awsquery.Request
	h       *Handler
	caller  sts.Caller
	facts   iam.Context
	invalid awsquery.Violations
}

// element is a named value of an answer.
type element = awsquery.Element

// ServeHTTP answers one request. Whatever goes wrong inside is answered as
// ServiceFailure.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: awsquery.NewRequest(r), h: h}
	result, err := c.serve(w)
	if err == nil {
		c.Answer(w, xmlNamespace, result)
		return
	}
	refused := new(awsquery.Error)
	if !errors.As(err, &refused) {
		refused = awsquery.Internal("%v", err)
	}
	if refused.Code == "InternalFailure" { // so IAM calls it
		refused = &awsquery.Error{Code: "ServiceFailure", Status: refused.Status, Message: refused.Message, Reason: refused.Reason}
	}
	c.logRefusal(refused)
	c.Refuse(w, xmlNamespace, refused)
}

func (c *call) serve(w http.ResponseWriter) (result []element, err error) {
	defer func() {
		if v := recover(); v != nil {
			result, err = nil, awsquery.Internal("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err := c.Read(w); err != nil {
		return nil, err
	}
	if c.Action == "" {
		return nil, awsquery.MissingAction()
	}
	op, ok := operations()[c.Action]
	if !ok || c.Version != apiVersion {
		return nil, awsquery.InvalidAction(c.Action, c.Version)
	}
	if c.caller, err = c.h.Auth.Authenticate(c.HTTP, c.Body, "iam"); err != nil {
		return nil, err
	}
	if c.caller.IsUserSession() { // so AWS answers, without MFA
		return nil, &awsquery.Error{
			Code: "InvalidClientTokenId", Status: http.StatusForbidden, Message: "The security token included in the request is invalid",
			Reason: "a session of GetSessionToken or GetFederationToken cannot call IAM without MFA",
		}
	}
	c.facts = c.caller.Context(c.HTTP, c.h.Auth.Now())
	result, err = op.run(c)
	if err == nil {
		c.logSuccess(op)
	}
	return result, err
}

func (c *call) logRefusal(e *awsquery.Error) {
	level := slog.LevelWarn
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	c.h.Log.LogAttrs(c.HTTP.Context(), level, "iam refused", append(c.attrs(), slog.String("code", e.Code),
		slog.String("answer", e.Message), slog.String("reason", cmp.Or(e.Reason, "as answered")))...)
}

func (c *call) logSuccess(op operation) {
	level := slog.LevelDebug
	if op.writes {
		level = slog.LevelInfo
	}
	c.h.Log.LogAttrs(c.HTTP.Context(), level, "iam answered", c.attrs()...)
}

func (c *call) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("requestId", c.ID), slog.String("action", awsquery.Clip(c.Action))}
	if c.caller.Identity.Kind != 0 {
		attrs = append(attrs,
			slog.String("principal", c.caller.Identity.Principal.String()),
			slog.String("accessKeyId", c.caller.Identity.AccessKeyID))
	}
	return attrs
}
