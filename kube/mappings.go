package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/awsauth"
)

// askClusterTimeout leaves time to answer who waits for it.
const askClusterTimeout = 2 * time.Second

// Mappings asks a cluster for what is in it now, and watches nothing: edits of
// mappings are few. It is a guard.Cluster. What it needs stands in deploy/guard.yaml.
type Mappings struct {
	core   *rest.RESTClient
	custom dynamic.NamespaceableResourceInterface
}

// NewMappings prepares to ask.
func NewMappings(config *rest.Config) (*Mappings, error) {
	core, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("mappings: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("mappings: %w", err)
	}
	return &Mappings{core, client.Resource(identityMappings)}, nil
}

// NodesExist reports whether there is at least one node.
func (m *Mappings) NodesExist(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askClusterTimeout)
	defer cancel()
	var list corev1.NodeList
	err := m.core.Get().Resource("nodes").VersionedParams(&metav1.ListOptions{Limit: 1}, scheme.ParameterCodec).Do(ctx).Into(&list)
	if err != nil {
		return false, fmt.Errorf("nodes: %w", err)
	}
	return len(list.Items) > 0, nil
}

// ConfigMap is the data of aws-auth; nil if there is none.
func (m *Mappings) ConfigMap(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askClusterTimeout)
	defer cancel()
	var object corev1.ConfigMap
	err := m.core.Get().Namespace(Namespace).Resource("configmaps").Name(Name).Do(ctx).Into(&object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", Namespace, Name, err)
	}
	return object.Data, nil
}

// IdentityMappings are the custom resources; none if the cluster does not know them.
func (m *Mappings) IdentityMappings(ctx context.Context) ([]awsauth.IdentityMapping, error) {
	ctx, cancel := context.WithTimeout(ctx, askClusterTimeout)
	defer cancel()
	list, err := m.custom.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", identityMappings.Resource, err)
	}
	mappings := make([]awsauth.IdentityMapping, 0, len(list.Items))
	for i := range list.Items {
		o, err := readIdentityObject(&list.Items[i])
		if err != nil {
			return nil, err
		}
		mappings = append(mappings, o.IdentityMapping)
	}
	return mappings, nil
}
