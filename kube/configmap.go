package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

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

	watch object[*corev1.ConfigMap]
}

// NewConfigMap prepares to watch the cluster that config leads to. The live
// mappings must have the source awsauth.EKSConfigMap.
func NewConfigMap(config *rest.Config, live *awsauth.Live, log *slog.Logger) (*ConfigMap, error) {
	if !slices.ContainsFunc(live.State(), func(s awsauth.SourceState) bool { return s.Name == awsauth.EKSConfigMap }) {
		return nil, fmt.Errorf("watch %s/%s: the mappings have no source %s", Namespace, Name, awsauth.EKSConfigMap)
	}
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("watch %s/%s: %w", Namespace, Name, err)
	}
	c := &ConfigMap{watch: configMapObject(client, Namespace, Name, log)}
	c.watch.store.found = func(cm *corev1.ConfigMap) error {
		return live.Update(awsauth.EKSConfigMap, awsauth.ParseConfigMap(cm.Data))
	}
	c.watch.store.missing = func() error { return live.Missing(awsauth.EKSConfigMap) }
	return c, nil
}

// Run watches until ctx ends, whatever the API server does, and returns nil.
func (c *ConfigMap) Run(ctx context.Context) error {
	c.watch.failed = c.Failed
	c.watch.run(ctx)
	return nil
}

// configMapObject is a ConfigMap to watch; whoever watches says what for.
func configMapObject(client *rest.RESTClient, namespace, name string, log *slog.Logger) object[*corev1.ConfigMap] {
	return object[*corev1.ConfigMap]{
		client: client, resource: "configmaps", kind: "ConfigMap", example: &corev1.ConfigMap{}, log: log,
		store: store[*corev1.ConfigMap]{namespace: namespace, name: name},
	}
}
