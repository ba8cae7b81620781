package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/eksauth/eksauth/awsauth"
)

// Override is the annotation that lets an edit stand whatever is wrong with it. It
// must be new, or have another value than before, so that one exception is not the
// end of the guard: a reason, or the number of a ticket. To delete an object it must
// be on it.
const Override = "eksauth.dev/override-guard"

// Outcome is how a review ended.
type Outcome string

// The outcomes.
const (
	Allowed    Outcome = "allowed"
	Refused    Outcome = "refused"
	Overridden Outcome = "overridden"
	Unrelated  Outcome = "unrelated" // not about mappings
	Failed     Outcome = "failed"    // no decision: an HTTP error
)

// Config is what a Handler is made of.
type Config struct {
	// NodesExist asks the cluster whether it has nodes; nil means that it has.
	NodesExist func(context.Context) (bool, error)

	Log      *slog.Logger // one line for each refusal and each exception; nil discards
	Reviewed func(Outcome, time.Duration)
	Now      func() time.Time // nil means time.Now
}

// Handler answers AdmissionReviews (admission.k8s.io/v1) of edits of mappings, at
// any path. What is no review, or breaks it, is answered with an HTTP error, so that
// the failurePolicy of its registration says what becomes of the edit. Make it with
// New.
type Handler struct{ config Config }

// New makes a handler.
func New(c Config) *Handler {
	if c.NodesExist == nil {
		c.NodesExist = func(context.Context) (bool, error) { return true, nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Reviewed == nil {
		c.Reviewed = func(Outcome, time.Duration) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Handler{c}
}

// answer is what becomes of a review, and why.
type answer struct {
	outcome  Outcome
	verdict  Verdict
	override string
}

// ServeHTTP judges one edit.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.config.Now()
	outcome := Failed
	defer func() { h.config.Reviewed(outcome, h.config.Now().Sub(start)) }()
	req, err := read(w, r)
	if err != nil {
		http.Error(w, err.Error(), err.status)
		h.config.Log.WarnContext(r.Context(), "edit of the mappings", "outcome", Failed, "error", err)
		return
	}
	a, failure := h.judgeSafely(r.Context(), req)
	if failure != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		h.config.Log.ErrorContext(r.Context(), "edit of the mappings", "outcome", Failed, "uid", req.UID, "error", failure)
		return
	}
	outcome = a.outcome
	body, err2 := json.Marshal(response(req, a))
	if err2 != nil { // it holds nothing but texts
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body) // who does not read it asks again
	h.log(r.Context(), req, a)
}

func (h *Handler) judgeSafely(ctx context.Context, req *request) (a answer, failure error) {
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h.judge(ctx, req), nil
}

func (h *Handler) judge(ctx context.Context, req *request) answer {
	if !req.isConfigMap() {
		return answer{outcome: Unrelated}
	}
	e := Edit{
		Before: req.OldObject.document(), After: req.Object.document(),
		Author: req.UserInfo,
	}
	var err error
	if e.NodesExist, err = h.config.NodesExist(ctx); err != nil {
		e.NodesExist = true
		h.config.Log.WarnContext(ctx, "whether the cluster has nodes could not be found out; taking it that it has", "error", err)
	}
	a := answer{outcome: Allowed, verdict: Check(e)}
	if len(a.verdict.Problems) == 0 {
		return a
	}
	a.outcome = Refused
	if a.override = req.override(); a.override != "" {
		a.outcome = Overridden
	}
	return a
}

// document is what an object says; nothing if there is none.
func (o *object) document() awsauth.Document {
	if o == nil {
		return awsauth.Document{Source: awsauth.EKSConfigMap}
	}
	return awsauth.ParseConfigMap(o.Data)
}

// override is the reason to let the edit stand; "" if none is given with it.
func (r *request) override() string {
	if r.Object == nil {
		return r.OldObject.annotation(Override)
	}
	if now := r.Object.annotation(Override); now != r.OldObject.annotation(Override) {
		return now
	}
	return ""
}

func (o *object) annotation(name string) string {
	if o == nil {
		return ""
	}
	return strings.TrimSpace(o.Metadata.Annotations[name])
}

func (h *Handler) log(ctx context.Context, req *request, a answer) {
	if a.outcome != Refused && a.outcome != Overridden {
		return
	}
	attrs := []slog.Attr{
		slog.String("outcome", string(a.outcome)), slog.String("uid", req.UID), slog.String("operation", req.Operation),
		slog.String("object", req.Namespace+"/"+req.Name), slog.String("by", req.UserInfo.Username), slog.Bool("dry_run", req.DryRun),
	}
	if a.override != "" {
		attrs = append(attrs, slog.String("override", shorten(a.override, maxWarning)))
	}
	for _, p := range a.verdict.Problems[:min(len(a.verdict.Problems), maxProblems)] {
		attrs = append(attrs, slog.String("problem", p.String()))
	}
	h.config.Log.LogAttrs(ctx, slog.LevelWarn, "edit of the mappings", attrs...)
}
