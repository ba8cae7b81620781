package kube

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// resync hands the object over again, in case a change of it got lost on the
// way; the same document twice is no change.
const resync = 10 * time.Minute

// backoff between attempts. client-go's own grows to a minute, which would be
// a minute without mappings when an API server starts after its authenticator.
func backoff() *wait.Backoff {
	return &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Cap: 5 * time.Second, Steps: 10}
}

// newClient speaks to the cluster about the types of API group "".
func newClient(config *rest.Config) (*rest.RESTClient, error) {
	return newGroupClient(config, corev1.SchemeGroupVersion, corev1.AddToScheme)
}

func newGroupClient(config *rest.Config, group schema.GroupVersion, add func(*runtime.Scheme) error) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/apis"
	if group.Group == "" {
		config.APIPath = "/api"
	}
	config.GroupVersion = &group
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.WarningHandler = rest.NoWarnings{}
	return rest.RESTClientFor(config)
}

// object watches one object. What it needs of a cluster is get, list and watch
// on that one.
type object[T kubeObject] struct {
	client   *rest.RESTClient
	resource string // such as "configmaps"
	kind     string // such as "ConfigMap"
	store    store[T]
	example  T

	failed func(error) // told of every list and watch that fails; nil for nobody
	log    *slog.Logger
}

// run watches until ctx ends, whatever the API server does.
func (o *object[T]) run(ctx context.Context) {
	s := &o.store
	role := "a ClusterRole"
	if s.namespace != "" {
		role = "a Role in " + s.namespace
	}
	lw := &listWatch{
		ListWatch: cache.NewListWatchFromClient(o.client, o.resource, s.namespace, fields.OneTermEqualSelector("metadata.name", s.name)),
		listFirst: true,
		report: reporter{
			what:   o.kind + " " + s.name,
			rights: fmt.Sprintf("%s must allow get, list and watch on the %s %s", role, o.kind, s.name),
			log:    o.log, failed: o.failed,
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, o.example, s, cache.ReflectorOptions{Name: s.name, ResyncPeriod: resync, Backoff: backoff()})
	reflector.RunWithContext(quiet(ctx))
}

// quiet keeps client-go's own words on a failure out of the log, where they
// would stand beside ours.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, logr.Discard()) }
