package sts

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/eksauth/eksauth/awsquery"
)

// Handler is the STS API. It looks at the method, the query and the body; the
// path is left to whoever mounts it. Auth and Log are needed.
//
// Each refusal is one line in the log, at level warn, with the true reason; each
// success one at level debug, or info when it issues credentials. No line has a
// secret, a token or a signature in it.
type Handler struct {
	Auth *Authenticator
	Log  *slog.Logger
	// WebIdentity is nil for an API without AssumeRoleWithWebIdentity.
	WebIdentity *WebIdentity
	// MaxSession, if it is not 0, is when sessions end that are made from now on,
	// if not sooner: shorter than any that can be asked for, it lets somebody
	// see whether a client refreshes its credentials. It is at least a second.
	MaxSession time.Duration
}

// end is when a session ends that was asked for until its Expires.
func (h *Handler) end(session Session) time.Time {
	limit := session.Issued.Add(h.MaxSession.Truncate(time.Second))
	if h.MaxSession == 0 || session.Expires.Before(limit) {
		return session.Expires
	}
	return limit
}

// operation is one action of the API.
type operation struct {
	run      func(*Handler, context.Context, *request) ([]element, error)
	issues   bool // credentials
	unsigned bool // a signature, if there is one, is not looked at
}

func (h *Handler) findOperation(action, version string) (operation, bool) {
	if version != apiVersion {
		return operation{}, false
	}
	switch action {
	case "AssumeRoleWithWebIdentity":
		return operation{run: (*Handler).assumeRoleWithWebIdentity, issues: true, unsigned: true}, h.WebIdentity != nil
	case "GetCallerIdentity":
		return operation{run: (*Handler).getCallerIdentity}, true
	case "AssumeRole":
		return operation{run: (*Handler).assumeRole, issues: true}, true
	case "GetSessionToken":
		return operation{run: (*Handler).getSessionToken, issues: true}, true
	case "GetFederationToken":
		return operation{run: (*Handler).getFederationToken, issues: true}, true
	case "GetAccessKeyInfo":
		return operation{run: (*Handler).getAccessKeyInfo}, true
	case "DecodeAuthorizationMessage":
		return operation{run: (*Handler).decodeAuthorizationMessage}, true
	}
	return operation{}, false
}

// ServeHTTP answers one request. Whatever goes wrong inside is answered as
// InternalFailure.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := newRequest(r, h.Auth.Now())
	result, err := h.serve(w, q)
	if err == nil {
		q.Answer(w, xmlNamespace, result)
		return
	}
	refused := new(Error)
	if !errors.As(err, &refused) {
		refused = awsquery.Internal("%v", err)
	}
	h.logRefusal(q, refused)
	q.Refuse(w, xmlNamespace, refused)
}

func (h *Handler) serve(w http.ResponseWriter, q *request) (result []element, err error) {
	defer func() {
		if v := recover(); v != nil {
			result, err = nil, awsquery.Internal("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err := q.Read(w); err != nil {
		return nil, err
	}
	if q.Action == "" {
		return nil, awsquery.MissingAction()
	}
	op, ok := h.findOperation(q.Action, q.Version)
	if !ok {
		return nil, awsquery.InvalidAction(q.Action, q.Version)
	}
	ctx := q.HTTP.Context()
	if !op.unsigned {
		if q.caller, err = h.Auth.Authenticate(q.HTTP, q.Body, "sts"); err != nil {
			return nil, err
		}
		if err := checkKind(q.caller, q.Action); err != nil {
			return nil, err
		}
	}
	result, err = op.run(h, ctx, q)
	if err == nil {
		h.logSuccess(q, op)
	}
	return result, err
}

func (h *Handler) logRefusal(q *request, e *Error) {
	attrs := append(q.attrs(), slog.String("code", e.Code), slog.String("answer", e.Message), slog.String("reason", cmp.Or(e.Reason, "as answered")))
	level := slog.LevelWarn
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	h.Log.LogAttrs(q.HTTP.Context(), level, "sts refused", attrs...)
}

func (h *Handler) logSuccess(q *request, op operation) {
	level := slog.LevelDebug
	if op.issues {
		level = slog.LevelInfo
	}
	// Asking first saves GetCallerIdentity, the hot one, the work.
	if ctx := q.HTTP.Context(); h.Log.Enabled(ctx, level) {
		h.Log.LogAttrs(ctx, level, "sts answered", append(q.attrs(), q.notes...)...)
	}
}

func (q *request) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("requestId", q.ID),
		slog.String("action", awsquery.Clip(q.Action)),
		slog.String("source", sourceIP(q.HTTP)),
	}
	if q.caller.Identity.Kind != 0 {
		attrs = append(attrs,
			slog.String("principal", q.caller.Identity.Principal.String()),
			slog.String("accessKeyId", q.caller.Identity.AccessKeyID))
	}
	return append(attrs, q.about...)
}

// sourceIP is the address that the request came from, without the port; "" when
// it is not known.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
