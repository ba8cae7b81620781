package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// nodesTimeout leaves time to answer who waits for it.
const nodesTimeout = 2 * time.Second

// Nodes are a cluster's nodes. What it needs is to list them.
type Nodes struct{ client *rest.RESTClient }

// NewNodes prepares to ask for them.
func NewNodes(config *rest.Config) (*Nodes, error) {
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	return &Nodes{client}, nil
}

// Exist reports whether there is at least one.
func (n *Nodes) Exist(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	var list corev1.NodeList
	err := n.client.Get().Resource("nodes").VersionedParams(&metav1.ListOptions{Limit: 1}, scheme.ParameterCodec).Do(ctx).Into(&list)
	if err != nil {
		return false, fmt.Errorf("nodes: %w", err)
	}
	return len(list.Items) > 0, nil
}
