package irsa

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Policy is what becomes of a pod whose service account cannot be looked up.
type Policy int

// The policies.
const (
	Admit  Policy = iota // without credentials, with a warning
	Refuse               // whoever creates it may try again
)

// Config is what a Handler is made of. Accounts is needed.
type Config struct {
	Settings Settings
	Accounts ServiceAccounts
	// Fallbacks stand in for annotations; nil, or what it returns being nil, means
	// that there are none. It must be quick: every review calls it.
	Fallbacks func() *Fallbacks
	// Identities are the service accounts that use EKS Pod Identity; the same.
	Identities      func() *Identities
	OnLookupFailure Policy

	Log      *slog.Logger     // one line for each decision that matters; nil discards
	Observer Observer         // nil: nobody
	Now      func() time.Time // nil means time.Now
	// Notify, if not nil, is told of each pod that was admitted without
	// credentials because its service account could not be looked up. It must not
	// wait.
	Notify func(namespace, serviceAccount, message string)
}

// Handler answers AdmissionReviews of pods at any path. It may serve any number
// of requests at once. Make it with New.
type Handler struct {
	config Config
	bodies bodies
}

// New makes a handler.
func New(c Config) *Handler {
	c.Settings = c.Settings.withDefaults()
	if c.Fallbacks == nil {
		c.Fallbacks = func() *Fallbacks { return nil }
	}
	if c.Identities == nil {
		c.Identities = func() *Identities { return nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Notify == nil {
		c.Notify = func(string, string, string) {}
	}
	return &Handler{config: c}
}

// decision is what becomes of a review, and why.
type decision struct {
	outcome  Outcome
	reason   Reason
	mutation Mutation
	err      error // for the log
	refusal  string
}

// ServeHTTP decides one review, answers it, and leaves one line in the log where
// something was decided.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.config.Now()
	req, err := h.bodies.read(w, r)
	if err != nil {
		h.refuseRequest(w, r, err, start)
		return
	}
	d := h.decideSafely(r.Context(), req)
	h.answer(w, req, &d)
	took := h.config.Now().Sub(start)
	h.log(r.Context(), req, &d, took)
	h.config.Observer.Reviewed(r.Context(), d.outcome, d.reason, took)
}

// refuseRequest answers what is no review.
func (h *Handler) refuseRequest(w http.ResponseWriter, r *http.Request, err error, start time.Time) {
	status := http.StatusBadRequest
	var b *badRequest
	if errors.As(err, &b) {
		status = b.status
	}
	http.Error(w, err.Error(), status)
	h.config.Log.WarnContext(r.Context(), "pod admission", "outcome", Failed, "reason", BadRequest, "error", err)
	h.config.Observer.Reviewed(r.Context(), Failed, BadRequest, h.config.Now().Sub(start))
}

// decideSafely: whatever goes wrong in a decision must not look to the API server
// like a webhook that is down, which it may be told to ignore.
func (h *Handler) decideSafely(ctx context.Context, req *request) (d decision) {
	defer func() {
		if p := recover(); p != nil {
			d = h.unknown(req, Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return h.decide(ctx, req)
}

func (h *Handler) decide(ctx context.Context, req *request) decision {
	if !req.isCreation() && !req.isDebugging() {
		return decision{outcome: Untouched}
	}
	pod := req.Object
	if !pod.isWhole() {
		return h.unknown(req, Unreadable, errors.New("the review has no pod, or the pod no metadata or spec"))
	}
	if pod.isMirror() || req.isDebugging() && !h.config.Settings.hasToken(pod) {
		return decision{outcome: Untouched}
	}
	grant, err := h.grant(ctx, req.Namespace, pod.ServiceAccountName())
	switch {
	case errors.Is(err, ErrNotFound):
		// The API server's own admission has seen it: it was deleted just now.
		return decision{outcome: Degraded, reason: NotFound, err: err, mutation: Mutation{
			Warnings: []string{"the pod gets no AWS credentials: its service account " + quote(pod.ServiceAccountName()) + " does not exist"},
		}}
	case err != nil:
		return h.unknown(req, Lookup, err)
	}
	d := decision{outcome: Mutated}
	if req.isDebugging() {
		d.mutation = h.config.Settings.mutateEphemeral(pod, req.OldObject, grant)
	} else {
		d.mutation = h.config.Settings.mutate(pod, grant)
	}
	switch {
	case d.mutation.Means != Nothing:
	case len(d.mutation.Containers) == 0 && len(d.mutation.Warnings) > 0:
		d.outcome, d.reason = Degraded, Unusable
	default:
		d.outcome = Untouched
	}
	return d
}

// grant is what the service account's annotations say, or what stands in for
// them. EKS Pod Identity needs no annotation, so that it does without those that
// cannot be looked up.
func (h *Handler) grant(ctx context.Context, namespace, name string) (Grant, error) {
	identity := h.config.Identities().Has(namespace, name)
	account, err := h.config.Accounts.Lookup(ctx, namespace, name)
	if err != nil && !identity {
		return Grant{}, err
	}
	if account.RoleARN == "" {
		if other, ok := h.config.Fallbacks().For(namespace, name); ok {
			account = account.or(other)
		}
	}
	return Grant{ServiceAccount: account, PodIdentity: identity}, nil
}

// unknown is what becomes of a pod of which it cannot be known what it should
// get.
func (h *Handler) unknown(req *request, reason Reason, err error) decision {
	account := "default"
	if req.Object != nil {
		account = req.Object.ServiceAccountName()
	}
	// The cause goes to the log only: it may name hosts of the cluster.
	what := "whether the service account " + quote(account) + " has an IAM role could not be found out (" + string(reason) + ")"
	if h.config.OnLookupFailure == Refuse {
		return decision{outcome: Refused, reason: reason, err: err, refusal: what + "; try again in a moment"}
	}
	message := "the pod is admitted without AWS credentials: " + what + "; delete and create it again to try again"
	if !req.DryRun {
		h.config.Notify(req.Namespace, account, message)
	}
	return decision{outcome: Degraded, reason: reason, err: err, mutation: Mutation{Warnings: []string{message}}}
}

// The API server cuts warnings off where they come to more than 4096 bytes, and
// asks for at most 256 each.
const (
	maxWarnings = 12
	maxWarning  = 256
)

func (h *Handler) answer(w http.ResponseWriter, req *request, d *decision) {
	buffer := h.bodies.get()
	defer h.bodies.put(buffer)
	buffer.Grow(512 + 2*len(d.mutation.Patch))
	body := appendAnswer(buffer.AvailableBuffer(), req.UID, d)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // or net/http sends it in chunks
	w.Write(body)                                             // who does not read it asks again
}

// appendAnswer writes an AdmissionReview (admission.k8s.io/v1).
func appendAnswer(b []byte, uid string, d *decision) []byte {
	b = append(b, `{"kind":"`+kind+`","apiVersion":"`+apiVersion+`","response":{"uid":`...)
	b = appendString(b, uid)
	if d.outcome == Refused {
		b = append(b, `,"allowed":false,"status":{"status":"Failure","reason":"ServiceUnavailable","code":503,"message":`...)
		b = appendString(b, d.refusal)
		return append(b, `}}}`...)
	}
	b = append(b, `,"allowed":true`...)
	if d.mutation.Patch != nil {
		b = append(b, `,"patchType":"JSONPatch","patch":"`...)
		b = base64.StdEncoding.AppendEncode(b, d.mutation.Patch)
		b = append(b, '"')
	}
	b = appendWarnings(b, d.mutation.Warnings)
	return append(b, `}}`...)
}

func appendWarnings(b []byte, warnings []string) []byte {
	if len(warnings) == 0 {
		return b
	}
	b = append(b, `,"warnings":[`...)
	for i, warning := range warnings[:min(len(warnings), maxWarnings)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, shorten(warning))
	}
	return append(b, ']')
}

func shorten(s string) string {
	if len(s) <= maxWarning {
		return s
	}
	return strings.ToValidUTF8(s[:maxWarning-len("…")], "") + "…"
}

// log writes the line that tells of a decision. It never holds the pod.
func (h *Handler) log(ctx context.Context, req *request, d *decision, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case d.reason == Internal:
		level = slog.LevelError
	case d.outcome == Degraded, d.outcome == Refused, len(d.mutation.Warnings) > 0:
		level = slog.LevelWarn
	case d.outcome == Untouched:
		level = slog.LevelDebug
	}
	if !h.config.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("uid", req.UID), slog.String("outcome", string(d.outcome)))
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("reason", string(d.reason))
	add("namespace", req.Namespace)
	if pod := req.Object; pod != nil {
		add("pod", pod.DisplayName())
		add("service_account", pod.ServiceAccountName())
	}
	add("means", string(d.mutation.Means))
	add("role_arn", d.mutation.RoleARN)
	for _, warning := range d.mutation.Warnings {
		add("warning", shorten(warning))
	}
	if d.err != nil {
		add("error", d.err.Error())
	}
	if req.DryRun {
		attrs = append(attrs, slog.Bool("dry_run", true))
	}
	attrs = append(attrs, slog.Float64("latency_ms", float64(took.Microseconds())/1000))
	h.config.Log.LogAttrs(ctx, level, "pod admission", attrs...)
}
