package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/eksauth/eksauth/irsa"
)

const (
	// askTimeout bounds one question about one service account. kube-apiserver
	// waits ten seconds for an admission webhook, by default.
	askTimeout = 3 * time.Second
	// maxAsks bounds the questions at any one time: whoever creates pods must
	// not make us flood the API server.
	maxAsks = 32
)

// ServiceAccounts knows what the cluster's service accounts are annotated with.
// It watches their metadata, keeps of it what irsa wants to know, and asks the
// API server about whom it has not seen yet: a service account that was created
// a moment before its pod is the webhook's most frequent fault elsewhere.
//
// What it needs of a cluster is get, list and watch on service accounts.
type ServiceAccounts struct {
	// Failed, if not nil, is told of every list and watch that fails. Set it
	// before Run.
	Failed func(error)

	client metadata.ResourceInterface // of all namespaces
	one    func(namespace string) metadata.ResourceInterface
	known  accounts
	log    *slog.Logger

	flights singleflight.Group
	asks    *semaphore.Weighted
}

// NewServiceAccounts prepares to watch the cluster that config leads to.
// Annotations are those with the prefix, such as eks.amazonaws.com.
func NewServiceAccounts(config *rest.Config, prefix string, log *slog.Logger) (*ServiceAccounts, error) {
	config = metadata.ConfigFor(config)
	config.WarningHandler = rest.NoWarnings{}
	config.QPS = -1 // the questions are bounded here, and a pod waits for each
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("watch service accounts: %w", err)
	}
	all := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"})
	return &ServiceAccounts{
		client: all,
		one:    func(namespace string) metadata.ResourceInterface { return all.Namespace(namespace) },
		known:  accounts{prefix: prefix},
		log:    log,
		asks:   semaphore.NewWeighted(maxAsks),
	}, nil
}

// Run watches until ctx ends, whatever the API server does, and returns nil.
func (a *ServiceAccounts) Run(ctx context.Context) error {
	lw := &listWatch{
		ListWatch: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return a.client.List(ctx, o) },
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return a.client.Watch(ctx, o)
			},
		},
		report: reporter{
			what:   "service accounts",
			rights: "a ClusterRole must allow get, list and watch on serviceaccounts",
			log:    a.log, failed: a.Failed,
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, &a.known, cache.ReflectorOptions{
		Name: "serviceaccounts", TypeDescription: "serviceaccounts", Backoff: backoff(),
	})
	reflector.RunWithContext(quiet(ctx))
	return nil
}

// Synced reports whether all service accounts have been seen once.
func (a *ServiceAccounts) Synced() bool { return a.known.synced.Load() }

// Len is how many service accounts are known, and how many of them say
// anything.
func (a *ServiceAccounts) Len() (all, annotated int) { return a.known.count() }

// Lookup says what a service account is annotated with. It answers
// irsa.ErrNotFound, wrapped, for one that does not exist, and any other error
// where it cannot know.
func (a *ServiceAccounts) Lookup(ctx context.Context, namespace, name string) (irsa.ServiceAccount, error) {
	if account, ok := a.known.get(namespace, name); ok {
		return account, nil
	}
	// Many pods of a new service account come at once; one question is enough.
	answer := a.flights.DoChan(namespace+"/"+name, func() (any, error) {
		return a.ask(context.WithoutCancel(ctx), namespace, name)
	})
	select {
	case r := <-answer:
		account, _ := r.Val.(irsa.ServiceAccount)
		return account, r.Err
	case <-ctx.Done():
		return irsa.ServiceAccount{}, fmt.Errorf("service account %s/%s: %w", namespace, name, context.Cause(ctx))
	}
}

// ask does not keep the answer: the watch will bring it, and only the watch
// tells when it is no longer true.
func (a *ServiceAccounts) ask(ctx context.Context, namespace, name string) (irsa.ServiceAccount, error) {
	fail := func(err error) (irsa.ServiceAccount, error) {
		return irsa.ServiceAccount{}, fmt.Errorf("service account %s/%s: %w", namespace, name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("the API server did not answer within %s", askTimeout))
	defer cancel()
	if err := a.asks.Acquire(ctx, 1); err != nil {
		return fail(context.Cause(ctx))
	}
	defer a.asks.Release(1)
	object, err := a.one(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fail(irsa.ErrNotFound)
	case err != nil && errors.Is(err, context.DeadlineExceeded):
		return fail(context.Cause(ctx))
	case err != nil:
		return fail(err)
	}
	return irsa.FromAnnotations(a.known.prefix, object.Annotations), nil
}

// accounts is where the Reflector puts what it sees. There may be 100,000, and
// most say nothing, so that of each only what counts is kept.
type accounts struct {
	prefix string
	synced atomic.Bool

	mu        sync.RWMutex
	byName    map[accountName]*irsa.ServiceAccount // nil: it says nothing
	annotated int
}

type accountName struct{ namespace, name string }

func (s *accounts) get(namespace, name string) (irsa.ServiceAccount, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	account, ok := s.byName[accountName{namespace, name}]
	if account == nil {
		return irsa.ServiceAccount{}, ok
	}
	return *account, true
}

func (s *accounts) count() (all, annotated int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byName), s.annotated
}

// Transformer lets the Reflector forget what does not count before it holds all
// of them at once.
func (s *accounts) Transformer() cache.TransformFunc {
	return func(item any) (any, error) {
		object, ok := item.(*metav1.PartialObjectMetadata)
		if !ok {
			return item, nil
		}
		slim := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name}}
		if irsa.FromAnnotations(s.prefix, object.Annotations) != (irsa.ServiceAccount{}) {
			slim.Annotations = object.Annotations
		}
		return slim, nil
	}
}

// Replace takes the result of a list.
func (s *accounts) Replace(list []any, _ string) error {
	fresh := make(map[accountName]*irsa.ServiceAccount, len(list))
	annotated := 0
	for _, item := range list {
		name, account, err := s.read(item)
		if err != nil {
			return err
		}
		fresh[name] = account
		if account != nil {
			annotated++
		}
	}
	s.mu.Lock()
	s.byName, s.annotated = fresh, annotated
	s.mu.Unlock()
	s.synced.Store(true)
	return nil
}

// Add takes a new service account.
func (s *accounts) Add(item any) error { return s.Update(item) }

// Update takes a changed one.
func (s *accounts) Update(item any) error {
	name, account, err := s.read(item)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(name)
	s.byName[name] = account
	if account != nil {
		s.annotated++
	}
	return nil
}

// Delete takes the news that one is gone.
func (s *accounts) Delete(item any) error {
	name, _, err := s.read(item)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(name)
	return nil
}

// Resync has nothing to hand over: this is the end of the line.
func (s *accounts) Resync() error { return nil }

func (s *accounts) forget(name accountName) {
	if s.byName == nil {
		s.byName = map[accountName]*irsa.ServiceAccount{}
	}
	if s.byName[name] != nil {
		s.annotated--
	}
	delete(s.byName, name)
}

func (s *accounts) read(item any) (accountName, *irsa.ServiceAccount, error) {
	object, ok := item.(*metav1.PartialObjectMetadata)
	if !ok {
		return accountName{}, nil, fmt.Errorf("watch service accounts: got a %T", item)
	}
	name := accountName{object.Namespace, object.Name}
	account := irsa.FromAnnotations(s.prefix, object.Annotations)
	if account == (irsa.ServiceAccount{}) {
		return name, nil, nil
	}
	return name, &account, nil
}
