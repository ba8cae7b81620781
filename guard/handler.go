package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
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

// Cluster is asked for what an edit does not show.
type Cluster interface {
	NodesExist(context.Context) (bool, error)
	// ConfigMap is the data of kube-system/aws-auth; nil if there is none.
	ConfigMap(context.Context) (map[string]string, error)
	IdentityMappings(context.Context) ([]awsauth.IdentityMapping, error)
}

// Config is what a Handler is made of. Cluster is needed.
type Config struct {
	Cluster Cluster

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
	e := Edit{Author: req.UserInfo}
	switch {
	case req.isConfigMap():
		e.Before, e.After = req.OldObject.document(), req.Object.document()
		e.Others = []awsauth.Document{awsauth.ParseIdentityMappings(h.identityMappings(ctx))}
	case req.isIdentityMapping():
		before, after := req.among(h.identityMappings(ctx), h.config.Now())
		e.Before, e.After = awsauth.ParseIdentityMappings(before), awsauth.ParseIdentityMappings(after)
		e.Others = h.configMap(ctx)
	default:
		return answer{outcome: Unrelated}
	}
	e.NodesExist = h.nodesExist(ctx)
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

// What cannot be found out is as if it were not there, which makes the guard refuse
// more; nodes are as if they were there, which does the same.

func (h *Handler) identityMappings(ctx context.Context) []awsauth.IdentityMapping {
	list, err := h.config.Cluster.IdentityMappings(ctx)
	h.warn(ctx, err)
	return list
}

func (h *Handler) configMap(ctx context.Context) []awsauth.Document {
	data, err := h.config.Cluster.ConfigMap(ctx)
	h.warn(ctx, err)
	return []awsauth.Document{awsauth.ParseConfigMap(data)}
}

func (h *Handler) nodesExist(ctx context.Context) bool {
	exist, err := h.config.Cluster.NodesExist(ctx)
	h.warn(ctx, err)
	return exist || err != nil
}

func (h *Handler) warn(ctx context.Context, err error) {
	if err != nil {
		h.config.Log.WarnContext(ctx, "edit of the mappings: not all could be found out", "error", err)
	}
}

// among are all custom resources, before and after the edit of one of them. One that
// is only being made is of now.
func (r *request) among(list []awsauth.IdentityMapping, now time.Time) (before, after []awsauth.IdentityMapping) {
	others := slices.DeleteFunc(slices.Clone(list), func(m awsauth.IdentityMapping) bool { return m.Name == r.Name })
	with := func(o *object) []awsauth.IdentityMapping {
		if o == nil {
			return others
		}
		created := o.Metadata.CreationTimestamp
		if created.IsZero() {
			created = now
		}
		return append(slices.Clip(others), awsauth.IdentityMapping{
			Name: r.Name, Created: created, ARN: o.Spec.ARN, Username: o.Spec.Username, Groups: o.Spec.Groups,
		})
	}
	return with(r.OldObject), with(r.Object)
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
		slog.String("object", strings.TrimPrefix(req.Namespace+"/"+req.Name, "/")), slog.String("by", req.UserInfo.Username), slog.Bool("dry_run", req.DryRun),
	}
	if a.override != "" {
		attrs = append(attrs, slog.String("override", shorten(a.override, maxWarning)))
	}
	for _, p := range a.verdict.Problems[:min(len(a.verdict.Problems), maxProblems)] {
		attrs = append(attrs, slog.String("problem", p.String()))
	}
	h.config.Log.LogAttrs(ctx, slog.LevelWarn, "edit of the mappings", attrs...)
}
