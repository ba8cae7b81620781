package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

// inUse is the condition that says what has become of an object.
const inUse = "InUse"

// Reasons of the condition.
const (
	reasonUsed     = "Used"
	reasonShadowed = "Shadowed"
	reasonFaulty   = "Faulty"
	reasonKept     = "LastGoodInUse"
)

const (
	// statusEvery is when statuses are looked at again: another source may have
	// changed what an object is worth.
	statusEvery = time.Minute
	// sayAgain is when a status is written again that somebody else has changed: the
	// definition may know conditions by now.
	sayAgain         = 10 * time.Minute
	statusQPS        = 50 // writes a second at most
	maxStatusMessage = 1024
	statusTimeout    = 5 * time.Second
)

// identityStatus is the status of an IAMIdentityMapping, but for when it changed.
type identityStatus struct {
	canonicalARN    string
	inUse           string // True or False; "" if it is not said
	reason, message string
}

func readIdentityStatus(u *unstructured.Unstructured) (s identityStatus, since string) {
	s.canonicalARN, _, _ = unstructured.NestedString(u.Object, "status", "canonicalARN")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range conditions {
		c, _ := item.(map[string]any)
		if kind, _ := c["type"].(string); kind == inUse {
			s.inUse, _ = c["status"].(string)
			s.reason, _ = c["reason"].(string)
			s.message, _ = c["message"].(string)
			since, _ = c["lastTransitionTime"].(string)
		}
	}
	return s, since
}

// statusWriter writes statuses that are not as they should be. Nobody's sign-in
// depends on them: what fails is logged once, and tried again later.
type statusWriter struct {
	client dynamic.NamespaceableResourceInterface
	log    *slog.Logger
	now    func() time.Time
	due    chan struct{} // has a value when statuses are to be looked at
	last   string        // failure; "" when all is well
	// said is what was written of each object. A replica may know another last good
	// entry, a definition may have no conditions, and aws-iam-authenticator drops them
	// whenever it sees an object: nobody insists, or they would write for ever.
	said map[types.UID]saying
}

// saying is a status that was written, and when.
type saying struct {
	identityStatus
	at time.Time
}

// soon has the statuses looked at.
func (w *statusWriter) soon() {
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// run writes statuses until ctx ends.
func (w *statusWriter) run(ctx context.Context, store *mappingStore, live *awsauth.Live) {
	again := time.NewTicker(statusEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		case <-w.due:
		}
		w.write(ctx, store.objects(), live)
	}
}

// write brings the statuses up to date.
func (w *statusWriter) write(ctx context.Context, objects []identityObject, live *awsauth.Live) {
	w.forget(objects)
	wanted := verdicts(live)
	var refused error
	for _, o := range objects {
		want, ok := wanted[o.Name]
		want.canonicalARN = cmp.Or(canonicalARN(o.ARN), o.status.canonicalARN)
		if !ok || want == o.status || w.hasSaid(o.uid, want) || ctx.Err() != nil {
			continue
		}
		err := w.patch(ctx, o, want)
		if err != nil && !apierrors.IsInvalid(err) {
			w.fail(ctx, err)
			return
		}
		if err != nil { // it is about this object, and no reason to leave the others
			refused = err
		}
		w.said[o.uid] = saying{want, w.now()}
	}
	if refused != nil {
		w.fail(ctx, refused)
		return
	}
	w.last = ""
}

// forget keeps what was said of these objects only.
func (w *statusWriter) forget(objects []identityObject) {
	there := make(map[types.UID]bool, len(objects))
	for _, o := range objects {
		there[o.uid] = true
	}
	maps.DeleteFunc(w.said, func(uid types.UID, _ saying) bool { return !there[uid] })
}

func (w *statusWriter) hasSaid(uid types.UID, s identityStatus) bool {
	before, ok := w.said[uid]
	return ok && before.identityStatus == s && w.now().Sub(before.at) < sayAgain
}

func (w *statusWriter) patch(ctx context.Context, o identityObject, s identityStatus) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	since := o.since
	if o.status.inUse != s.inUse || since == "" {
		since = w.now().UTC().Format(time.RFC3339)
	}
	status := map[string]any{"conditions": []map[string]string{{
		"type": inUse, "status": s.inUse, "reason": s.reason, "message": s.message, "lastTransitionTime": since,
	}}}
	if s.canonicalARN != "" {
		status["canonicalARN"] = s.canonicalARN
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = w.client.Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) { // it was deleted, or its definition has no status
		return nil
	}
	return err
}

func (w *statusWriter) fail(ctx context.Context, err error) {
	if ctx.Err() != nil || err.Error() == w.last {
		return
	}
	w.last = err.Error()
	hint := "sign-ins do not depend on it"
	if apierrors.IsForbidden(err) {
		hint = "a ClusterRole must allow patch on iamidentitymappings/status: see deploy/iamidentitymapping.yaml; " + hint
	}
	w.log.Warn("the status of a custom resource cannot be written", "error", err, "hint", hint)
}

// verdicts are the statuses that the objects should have, but for their ARNs.
func verdicts(live *awsauth.Live) map[string]identityStatus {
	table := live.Table()
	said := map[string]identityStatus{}
	for _, e := range table.Entries() {
		if e.Source == awsauth.CRD {
			said[e.Name] = identityStatus{inUse: "True", reason: reasonUsed, message: "it is searched"}
		}
	}
	for _, s := range table.Shadowed() {
		if e := s.Entry; e.Source == awsauth.CRD {
			said[e.Name] = identityStatus{inUse: "False", reason: reasonShadowed, message: shortenStatus("it is never used: " + s.By.String() + " comes first and is for the same")}
		}
	}
	for _, state := range live.State() {
		if state.Name == awsauth.CRD {
			addFaults(said, state)
		}
	}
	return said
}

func addFaults(said map[string]identityStatus, state awsauth.SourceState) {
	kept := map[string]bool{}
	for _, e := range state.Kept {
		kept[e.Name] = true
	}
	messages := map[string][]string{}
	for _, f := range state.Faults {
		if f.Severity == awsauth.Error {
			messages[f.Key] = append(messages[f.Key], strings.TrimSuffix(f.Message+"; "+f.Hint, "; "))
		}
	}
	for name, list := range messages {
		s := identityStatus{inUse: "False", reason: reasonFaulty, message: shortenStatus(strings.Join(list, "; "))}
		if kept[name] {
			s.reason, s.message = reasonKept, shortenStatus("as it was before it turned faulty: "+s.message)
		}
		said[name] = s
	}
}

// canonicalARN is what aws-iam-authenticator writes, to the letter: its servers find
// objects by it, and both may run while one takes the other's place. So it is in lower
// case, and a role keeps its path. It is "" of what is no principal's ARN; then what
// stands there stays, as it does there.
func canonicalARN(s string) string {
	lowered := strings.ToLower(s)
	p, err := arn.ParsePrincipal(lowered)
	switch {
	case err != nil:
		return ""
	case p.Kind == arn.AssumedRole:
		return p.Canonical()
	}
	return lowered
}

func shortenStatus(s string) string {
	if len(s) <= maxStatusMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxStatusMessage-len("…")], "") + "…"
}
