package kube

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// listTimeout bounds a list; a watch is bounded by the Reflector.
const listTimeout = 30 * time.Second

// listWatch lists and watches, and reports how that goes.
type listWatch struct {
	*cache.ListWatch
	// listFirst makes the Reflector list, then watch. For one object, streaming
	// the list through the watch saves nothing, and not every API server can.
	listFirst bool
	report    reporter
}

// IsWatchListSemanticsUnSupported is how the Reflector asks for listFirst.
func (l *listWatch) IsWatchListSemanticsUnSupported() bool { return l.listFirst }

func (l *listWatch) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	limited, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := l.ListWatch.ListWithContext(limited, options)
	l.report.note(ctx, err)
	return list, err
}

func (l *listWatch) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := l.ListWatch.WatchWithContext(ctx, options)
	l.report.note(ctx, err)
	if err == nil {
		l.report.recovered()
	}
	return w, err
}

// repeatAfter is when a failure that goes on is logged again.
const repeatAfter = time.Minute

// reporter logs when reading begins to fail and when it works again, and not
// every attempt in between.
type reporter struct {
	what   string // cannot be read
	rights string // what RBAC must allow, as a hint
	absent string // what to do if the API server does not know the kind, as a hint
	log    *slog.Logger
	failed func(error)

	mu     sync.Mutex
	last   string // the failure; "" when all is well
	logged time.Time
}

func (r *reporter) note(ctx context.Context, err error) {
	// An object version that is too old is how a long pause ends, not a fault.
	if err == nil || ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	// A cluster that does not know the kind may never: nothing has failed, and the
	// source is seen to be missing.
	unknown := r.absent != "" && apierrors.IsNotFound(err)
	if r.failed != nil && !unknown {
		r.failed(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := cause(err); text != r.last || !unknown && time.Since(r.logged) >= repeatAfter {
		r.last, r.logged = text, time.Now()
		r.log.Error(r.what+": cannot be read; trying again", "error", text, "hint", r.hint(err))
	}
}

// cause is an error without the URL, which is another for each attempt.
func cause(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

func (r *reporter) recovered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != "" {
		r.log.Info(r.what + ": reading again")
	}
	r.last = ""
}

func (r *reporter) hint(err error) string {
	switch {
	case apierrors.IsUnauthorized(err):
		return "are the credentials in --kubeconfig those of this cluster?"
	case apierrors.IsForbidden(err):
		return r.rights
	case apierrors.IsNotFound(err) && r.absent != "":
		return r.absent
	}
	return "is the API server up, and does --kubeconfig or --master lead to it?"
}
