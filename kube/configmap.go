package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/eksauth/eksauth/awsauth"
)

// Where the mappings are.
const (
	Namespace = "kube-system"
	Name      = "aws-auth"
)

// ConfigMap watches the ConfigMap kube-system/aws-auth for an awsauth.Live.
// What it needs of a cluster is get, list and watch on that one object.
type ConfigMap struct {
	// Failed, if not nil, is told of every list and watch that fails. Set it
	// before Run.
	Failed func(error)

	client *rest.RESTClient
	live   *awsauth.Live
	log    *slog.Logger
}

// NewConfigMap prepares to watch the cluster that config leads to. The live
// mappings must have the source awsauth.EKSConfigMap.
func NewConfigMap(config *rest.Config, live *awsauth.Live, log *slog.Logger) (*ConfigMap, error) {
	if !slices.ContainsFunc(live.State(), func(s awsauth.SourceState) bool { return s.Name == awsauth.EKSConfigMap }) {
		return nil, fmt.Errorf("watch %s/%s: the mappings have no source %s", Namespace, Name, awsauth.EKSConfigMap)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("watch %s/%s: %w", Namespace, Name, err)
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.WarningHandler = rest.NoWarnings{}
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("watch %s/%s: %w", Namespace, Name, err)
	}
	return &ConfigMap{client: client, live: live, log: log}, nil
}

// resync hands the object over again, in case a change of it got lost on the
// way; the same document twice is no change.
const resync = 10 * time.Minute

// backoff between attempts. client-go's own grows to a minute, which would be
// a minute without mappings when an API server starts after its authenticator.
func backoff() *wait.Backoff {
	return &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Cap: 5 * time.Second, Steps: 10}
}

// Run watches until ctx ends, whatever the API server does, and returns nil.
func (c *ConfigMap) Run(ctx context.Context) error {
	lw := &listWatch{
		ListWatch: cache.NewListWatchFromClient(c.client, "configmaps", Namespace, fields.OneTermEqualSelector("metadata.name", Name)),
		report:    reporter{log: c.log, failed: c.Failed},
	}
	reflector := cache.NewReflectorWithOptions(lw, &corev1.ConfigMap{}, &store{live: c.live}, cache.ReflectorOptions{
		Name:         Name,
		ResyncPeriod: resync,
		Backoff:      backoff(),
	})
	// client-go's own words on a failure would stand in the log beside ours.
	reflector.RunWithContext(klog.NewContext(ctx, logr.Discard()))
	return nil
}
