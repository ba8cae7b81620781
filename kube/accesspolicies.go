package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// bindingQPS is how many bindings are made or deleted in a second at most. client-go's
// own five would leave a policy for a few hundred namespaces undone for minutes.
const bindingQPS = 50

// AccessPolicies keeps the role bindings that EKS access policies stand for: in
// EKS an authorizer of its own decides, elsewhere RBAC does. What it needs of a
// cluster stands in deploy/access-policies.yaml.
type AccessPolicies struct{ client dynamic.Interface }

// NewAccessPolicies prepares to keep bindings in a cluster.
func NewAccessPolicies(config *rest.Config) (*AccessPolicies, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = bindingQPS, bindingQPS
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &AccessPolicies{client}, nil
}

// binding is what a grant is in one place: a ClusterRoleBinding, or a RoleBinding
// in a namespace.
type binding struct{ namespace, name string }

// Keep makes the bindings those of the grants: it deletes what is left over or was
// changed, and creates what is missing. What fails keeps nothing else from being
// done, and comes again the next time, as do namespaces that do not exist yet.
func (k *AccessPolicies) Keep(ctx context.Context, grants []accessentry.Grant) error {
	wanted, err := k.wanted(ctx, grants)
	if err != nil {
		return err
	}
	there, err := k.list(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, b := range sorted(there) {
		grant, keep := wanted[b]
		if keep && there[b] == content(grant.Group, grant.ClusterRole) {
			delete(wanted, b)
			continue
		}
		if err := k.resource(b.namespace).Delete(ctx, b.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			failures = append(failures, fmt.Errorf("delete binding %s: %w", b.name, err))
		}
	}
	for _, b := range sorted(wanted) {
		if err := k.create(ctx, b, wanted[b]); err != nil {
			failures = append(failures, fmt.Errorf("bind %s to %s: %w", wanted[b].Group, wanted[b].ClusterRole, err))
		}
	}
	return errors.Join(failures...)
}

func sorted[V any](m map[binding]V) []binding {
	return slices.SortedFunc(maps.Keys(m), func(a, b binding) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
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
		if item.GetDeletionTimestamp() == nil { // else nothing can be made in it
			names = append(names, item.GetName())
		}
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

// list finds the bindings that are kept, with what they bind.
func (k *AccessPolicies) list(ctx context.Context) (map[binding]string, error) {
	there := map[binding]string{}
	for _, resource := range []string{"clusterrolebindings", "rolebindings"} {
		list, err := k.client.Resource(rbacv1.SchemeGroupVersion.WithResource(resource)).List(ctx, metav1.ListOptions{LabelSelector: policyLabel})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
		for _, item := range list.Items {
			var b rbacv1.RoleBinding // both kinds have these fields
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &b); err != nil {
				return nil, fmt.Errorf("%s %s: %w", resource, item.GetName(), err)
			}
			there[binding{item.GetNamespace(), item.GetName()}] = fmt.Sprint(b.RoleRef, b.Subjects)
		}
	}
	return there, nil
}

// content is what list says of the binding of a group to a role.
func content(group, clusterRole string) string {
	return fmt.Sprint(roleRef(clusterRole), subjects(group))
}

func roleRef(clusterRole string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}
}

func subjects(group string) []rbacv1.Subject {
	return []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}}
}

func (k *AccessPolicies) create(ctx context.Context, b binding, g accessentry.Grant) error {
	meta := metav1.ObjectMeta{Name: b.name, Namespace: b.namespace, Labels: map[string]string{policyLabel: "true"}}
	role, subjects := roleRef(g.ClusterRole), subjects(g.Group)
	var object any = &rbacv1.RoleBinding{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"}, ObjectMeta: meta, RoleRef: role, Subjects: subjects}
	if b.namespace == "" {
		object = &rbacv1.ClusterRoleBinding{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"}, ObjectMeta: meta, RoleRef: role, Subjects: subjects}
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	_, err = k.resource(b.namespace).Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // another replica was first; the next look sees whether it is right
		return nil
	}
	return err
}
