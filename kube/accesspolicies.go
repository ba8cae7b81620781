package kube

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
)

// policyLabel marks the bindings that AccessPolicies keeps; no others are touched.
const policyLabel = "eksauth.dev/access-policy"

// AccessPolicies keeps the role bindings that EKS access policies stand for: in
// EKS an authorizer of its own decides, elsewhere RBAC does. What it needs of a
// cluster stands in deploy/access-policies.yaml.
type AccessPolicies struct{ client dynamic.Interface }

// NewAccessPolicies prepares to keep bindings in a cluster.
func NewAccessPolicies(config *rest.Config) (*AccessPolicies, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &AccessPolicies{client}, nil
}

// binding is what a grant is in one place: a ClusterRoleBinding, or a RoleBinding
// in a namespace.
type binding struct{ namespace, name string }

// Keep makes the bindings those of the grants: it creates what is missing and
// deletes what is left over. Namespaces that do not exist yet get theirs the next
// time.
func (k *AccessPolicies) Keep(ctx context.Context, grants []accessentry.Grant) error {
	wanted, err := k.wanted(ctx, grants)
	if err != nil {
		return err
	}
	there, err := k.list(ctx)
	if err != nil {
		return err
	}
	for b, grant := range wanted {
		if there[b] {
			continue
		}
		if err := k.create(ctx, b, grant); err != nil {
			return fmt.Errorf("bind %s to %s: %w", grant.Group, grant.ClusterRole, err)
		}
	}
	for b := range there {
		if _, keep := wanted[b]; keep {
			continue
		}
		if err := k.resource(b.namespace).Delete(ctx, b.name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("delete binding %s: %w", b.name, err)
		}
	}
	return nil
}

func (k *AccessPolicies) wanted(ctx context.Context, grants []accessentry.Grant) (map[binding]accessentry.Grant, error) {
	wanted := map[binding]accessentry.Grant{}
	var namespaces []string
	for _, g := range grants {
		if g.Namespace == "" {
			wanted[binding{"", bindingName(g)}] = g
			continue
		}
		if namespaces == nil {
			var err error
			if namespaces, err = k.namespaces(ctx); err != nil {
				return nil, err
			}
		}
		for _, namespace := range namespaces {
			if arn.Match(g.Namespace, namespace) {
				wanted[binding{namespace, bindingName(g)}] = g
			}
		}
	}
	return wanted, nil
}

// bindingName says which policy and which role: roleRef cannot be changed, so each
// role has a binding of its own.
func bindingName(g accessentry.Grant) string {
	return "eksauth:" + strings.TrimPrefix(g.Group, accessentry.GroupPrefix) + ":" + g.ClusterRole
}

func (k *AccessPolicies) namespaces(ctx context.Context) ([]string, error) {
	list, err := k.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	names := []string{}
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	return names, nil
}

// resource is of the ClusterRoleBindings, or of the RoleBindings of a namespace.
func (k *AccessPolicies) resource(namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return k.client.Resource(rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"))
	}
	return k.client.Resource(rbacv1.SchemeGroupVersion.WithResource("rolebindings")).Namespace(namespace)
}

func (k *AccessPolicies) list(ctx context.Context) (map[binding]bool, error) {
	there := map[binding]bool{}
	for _, resource := range []string{"clusterrolebindings", "rolebindings"} {
		list, err := k.client.Resource(rbacv1.SchemeGroupVersion.WithResource(resource)).List(ctx, metav1.ListOptions{LabelSelector: policyLabel})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
		for _, item := range list.Items {
			there[binding{item.GetNamespace(), item.GetName()}] = true
		}
	}
	return there, nil
}

func (k *AccessPolicies) create(ctx context.Context, b binding, g accessentry.Grant) error {
	meta := metav1.ObjectMeta{Name: b.name, Namespace: b.namespace, Labels: map[string]string{policyLabel: "true"}}
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: g.ClusterRole}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: g.Group}}
	var object any = &rbacv1.RoleBinding{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"}, ObjectMeta: meta, RoleRef: role, Subjects: subjects}
	if b.namespace == "" {
		object = &rbacv1.ClusterRoleBinding{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"}, ObjectMeta: meta, RoleRef: role, Subjects: subjects}
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	_, err = k.resource(b.namespace).Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	return err
}
