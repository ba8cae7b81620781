package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/irsa"
)

// FallbacksName is the ConfigMap whose key "config" stands in for annotations,
// as amazon-eks-pod-identity-webhook calls it.
const FallbacksName = "pod-identity-webhook"

// Fallbacks watches that ConfigMap. What it needs of a cluster is get, list and
// watch on the one object.
type Fallbacks struct {
	watch   object[*corev1.ConfigMap]
	current atomic.Pointer[irsa.Fallbacks]
	synced  atomic.Bool
	log     *slog.Logger
}

// NewFallbacks prepares to watch the ConfigMap in the namespace.
func NewFallbacks(config *rest.Config, namespace string, log *slog.Logger) (*Fallbacks, error) {
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("watch %s/%s: %w", namespace, FallbacksName, err)
	}
	f := &Fallbacks{watch: configMapObject(client, namespace, FallbacksName, log), log: log}
	f.watch.store.found = func(cm *corev1.ConfigMap) error {
		f.take(cm.Data["config"])
		return nil
	}
	f.watch.store.missing = func() error {
		if f.current.Swap(nil) != nil {
			f.log.Warn(FallbacksName+": the ConfigMap is gone; only annotations count", "namespace", namespace)
		}
		f.synced.Store(true)
		return nil
	}
	return f, nil
}

// Run watches until ctx ends, whatever the API server does, and returns nil.
func (f *Fallbacks) Run(ctx context.Context) error {
	f.watch.run(ctx)
	return nil
}

// Synced reports whether a good ConfigMap has been read once, or found missing.
func (f *Fallbacks) Synced() bool { return f.synced.Load() }

// Current is what the ConfigMap says; nil if it says nothing.
func (f *Fallbacks) Current() *irsa.Fallbacks { return f.current.Load() }

// take uses what is good of a document, and keeps the last good version of what is not:
// a typo must not take credentials from anybody. A replica that has no good version is
// not ready: it would take the place of one that has.
func (f *Fallbacks) take(config string) {
	before := f.current.Load()
	fresh, faults := irsa.ParseFallbacks(config)
	for _, fault := range faults {
		f.log.Error(FallbacksName+": "+fault.Error(), "namespace", f.watch.store.namespace)
	}
	switch {
	case fresh != nil:
		if kept := fresh.Keep(before); kept > 0 {
			f.log.Error(FallbacksName+": keeping the last good version of entries", "entries", kept)
		}
		f.current.Store(fresh)
		f.synced.Store(true)
	case before != nil:
		f.log.Error(FallbacksName + ": keeping the last good version")
	}
}
