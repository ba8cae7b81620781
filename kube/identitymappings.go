package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/eksauth/eksauth/awsauth"
)

// identityMappings is the resource of aws-iam-authenticator.
var identityMappings = schema.GroupVersionResource{Group: "iamauthenticator.k8s.aws", Version: "v1alpha1", Resource: "iamidentitymappings"}

const (
	// settle is how long changes are gathered before the table is made anew:
	// thousands of objects may come in a moment.
	settle = 50 * time.Millisecond
)

// IdentityMappings watches the custom resources IAMIdentityMapping for an
// awsauth.Live, and writes into their status what has become of them. What it needs
// of a cluster stands in deploy/iamidentitymapping.yaml. As long as the cluster does
// not know the kind, the source is missing.
type IdentityMappings struct {
	// Failed, if not nil, is told of every list and watch that fails. Set it
	// before Run.
	Failed func(error)

	client dynamic.NamespaceableResourceInterface
	live   *awsauth.Live
	store  mappingStore
	status statusWriter
	log    *slog.Logger
}

// NewIdentityMappings prepares to watch the cluster that config leads to. The live
// mappings must have the source awsauth.CRD.
func NewIdentityMappings(config *rest.Config, live *awsauth.Live, log *slog.Logger) (*IdentityMappings, error) {
	if !slices.ContainsFunc(live.State(), func(s awsauth.SourceState) bool { return s.Name == awsauth.CRD }) {
		return nil, fmt.Errorf("watch %s: the mappings have no source %s", identityMappings.Resource, awsauth.CRD)
	}
	config = dynamic.ConfigFor(config)
	config.WarningHandler = rest.NoWarnings{}
	config.QPS, config.Burst = statusQPS, statusQPS
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", identityMappings.Resource, err)
	}
	k := &IdentityMappings{
		client: client.Resource(identityMappings), live: live, log: log,
		store: mappingStore{changed: make(chan struct{}, 1), byName: map[string]identityObject{}},
	}
	k.status = statusWriter{client: k.client, log: log, now: time.Now, due: make(chan struct{}, 1), said: map[types.UID]saying{}}
	return k, nil
}

// Run watches until ctx ends, whatever the API server does, and returns nil.
func (k *IdentityMappings) Run(ctx context.Context) error {
	lw := &listWatch{
		ListWatch: &cache.ListWatch{
			ListWithContextFunc: k.list,
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return k.client.Watch(ctx, o)
			},
		},
		listFirst: true, // so that an unknown kind is seen at once
		report: reporter{
			what:   identityMappings.Resource,
			rights: "a ClusterRole must allow get, list and watch on iamidentitymappings.iamauthenticator.k8s.aws: see deploy/iamidentitymapping.yaml",
			absent: "kubectl apply -f deploy/iamidentitymapping.yaml",
			log:    k.log, failed: k.Failed,
		},
	}
	var group sync.WaitGroup
	group.Go(func() { k.publish(ctx) })
	group.Go(func() { k.status.run(ctx, &k.store, k.live) }) // beside it: nobody waits for a status
	reflector := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, &k.store, cache.ReflectorOptions{
		Name: identityMappings.Resource, TypeDescription: identityMappings.Resource, ResyncPeriod: resync, Backoff: backoff(),
	})
	reflector.RunWithContext(quiet(ctx))
	group.Wait()
	return nil
}

// list lists; where the kind is not known, nobody is to wait for it.
func (k *IdentityMappings) list(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	list, err := k.client.List(ctx, o)
	if apierrors.IsNotFound(err) {
		if err := k.live.Missing(awsauth.CRD); err != nil {
			return nil, err
		}
	}
	return list, err
}

// publish puts what has changed into use, a moment later.
func (k *IdentityMappings) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.store.changed:
		}
		if !k.store.first() && !sleep(ctx, settle) {
			return
		}
		if err := k.live.Update(awsauth.CRD, awsauth.ParseIdentityMappings(k.store.mappings())); err != nil {
			k.log.Error("custom resources", "error", err) // it is declared
		}
		k.status.soon()
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// identityObject is what is kept of one custom resource.
type identityObject struct {
	awsauth.IdentityMapping
	uid    types.UID
	status identityStatus
	since  string // when its condition became what it is; RFC 3339
}

// mappingStore is where a Reflector puts what it sees.
type mappingStore struct {
	changed chan struct{} // has a value when a mapping is another

	mu     sync.Mutex
	byName map[string]identityObject
	listed bool // since the last publish, for the first time
	known  bool
}

// Replace takes the result of a list.
func (s *mappingStore) Replace(list []any, _ string) error {
	fresh := make(map[string]identityObject, len(list))
	for _, item := range list {
		o, err := readIdentityObject(item)
		if err != nil {
			return err
		}
		fresh[o.Name] = o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byName = fresh
	s.listed = !s.known
	s.known = true
	s.signal()
	return nil
}

// Add takes a new object.
func (s *mappingStore) Add(item any) error { return s.Update(item) }

// Update takes a changed object. A new status is no change.
func (s *mappingStore) Update(item any) error {
	o, err := readIdentityObject(item)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.byName[o.Name]; !ok || !sameMapping(old.IdentityMapping, o.IdentityMapping) {
		s.signal()
	}
	s.byName[o.Name] = o
	return nil
}

// Delete takes the news that an object is gone.
func (s *mappingStore) Delete(item any) error {
	o, err := readIdentityObject(item)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, o.Name)
	s.signal()
	return nil
}

// Resync has what is known put into use once more.
func (s *mappingStore) Resync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		s.signal()
	}
	return nil
}

func (s *mappingStore) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// first reports, once, that all objects have been seen for the first time.
func (s *mappingStore) first() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := s.listed
	s.listed = false
	return listed
}

func (s *mappingStore) objects() []identityObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]identityObject, 0, len(s.byName))
	for _, o := range s.byName {
		list = append(list, o)
	}
	return list
}

func (s *mappingStore) mappings() []awsauth.IdentityMapping {
	var list []awsauth.IdentityMapping
	for _, o := range s.objects() {
		list = append(list, o.IdentityMapping)
	}
	return list
}

func sameMapping(a, b awsauth.IdentityMapping) bool {
	return a.Created.Equal(b.Created) && a.ARN == b.ARN && a.Username == b.Username && slices.Equal(a.Groups, b.Groups)
}

// readIdentityObject reads what counts. What is not as its definition says is left
// empty: the definition of a cluster may be an older one, without validation.
func readIdentityObject(item any) (identityObject, error) {
	u, ok := item.(*unstructured.Unstructured)
	if !ok {
		return identityObject{}, fmt.Errorf("watch %s: got a %T", identityMappings.Resource, item)
	}
	o := identityObject{
		IdentityMapping: awsauth.IdentityMapping{Name: u.GetName(), Created: u.GetCreationTimestamp().UTC()},
		uid:             u.GetUID(),
	}
	o.ARN, _, _ = unstructured.NestedString(u.Object, "spec", "arn")
	o.Username, _, _ = unstructured.NestedString(u.Object, "spec", "username")
	o.Groups, _, _ = unstructured.NestedStringSlice(u.Object, "spec", "groups")
	o.status, o.since = readIdentityStatus(u)
	return o, nil
}
