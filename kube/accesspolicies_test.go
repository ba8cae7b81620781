package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	kubetesting "k8s.io/client-go/testing"

	"github.com/eksauth/eksauth/accessentry"
)

func viewIn(namespaces ...string) []accessentry.Grant {
	return accessentry.Grants([]accessentry.Entry{{Policies: []accessentry.Association{{Policy: "AmazonEKSViewPolicy", Namespaces: namespaces}}}})
}

func namespace(name string, deleted *metav1.Time) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, DeletionTimestamp: deleted, Finalizers: []string{"kubernetes"}}}
}

// bindings are those of a cluster: where, which role, for whom.
func bindings(t *testing.T, client *fake.FakeDynamicClient) []string {
	t.Helper()
	var found []string
	for _, resource := range []string{"clusterrolebindings", "rolebindings"} {
		list, err := client.Resource(rbacv1.SchemeGroupVersion.WithResource(resource)).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			var b rbacv1.RoleBinding
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &b); err != nil {
				t.Fatal(err)
			}
			text := b.Namespace + " " + b.RoleRef.Name
			for _, s := range b.Subjects {
				text += " " + strings.TrimPrefix(s.Name, accessentry.GroupPrefix)
			}
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return found
}

func TestAccessPoliciesAreKept(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	foreign := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, RoleRef: rbacv1.RoleRef{Name: "edit"}, Subjects: []rbacv1.Subject{{Name: "them"}}}
	client := fake.NewSimpleDynamicClient(scheme.Scheme, namespace("team-a", nil), namespace("team-b", nil), namespace("team-gone", &now), namespace("other", nil), foreign)
	k := &AccessPolicies{client}
	is := func(want ...string) {
		t.Helper()
		if got := bindings(t, client); !slices.Equal(got, append([]string{" edit them"}, want...)) {
			t.Errorf("the bindings are %q", got)
		}
	}
	keep := func(grants []accessentry.Grant) {
		t.Helper()
		if err := k.Keep(t.Context(), grants); err != nil {
			t.Fatal(err)
		}
	}
	both := []string{
		"team-a system:aggregate-to-view AmazonEKSViewPolicy:team-*", "team-a view AmazonEKSViewPolicy:team-*",
		"team-b system:aggregate-to-view AmazonEKSViewPolicy:team-*", "team-b view AmazonEKSViewPolicy:team-*",
	}
	keep(viewIn("team-*"))
	is(both...)

	// Nothing is to be done, and nothing is done.
	before := len(client.Actions())
	keep(viewIn("team-*"))
	for _, a := range client.Actions()[before:] {
		if a.GetVerb() != "list" {
			t.Errorf("%s %s", a.GetVerb(), a.GetResource().Resource)
		}
	}

	// Whoever adds themselves to a binding is taken out again.
	resource := client.Resource(rbacv1.SchemeGroupVersion.WithResource("rolebindings")).Namespace("team-a")
	b, err := resource.Get(t.Context(), "eksauth:AmazonEKSViewPolicy:team-*:view", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.Object["subjects"] = append(b.Object["subjects"].([]any), map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": "mallory"})
	if _, err := resource.Update(t.Context(), b, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	keep(viewIn("team-*"))
	is(both...)

	keep(nil)
	is()
}

// A namespace in which nothing can be made keeps nobody else from their rights, and
// leaves nobody theirs.
func TestAFailureKeepsNothingElseFromBeingDone(t *testing.T) {
	t.Parallel()
	client := fake.NewSimpleDynamicClient(scheme.Scheme, namespace("a", nil), namespace("b", nil), namespace("c", nil))
	k := &AccessPolicies{client}
	if err := k.Keep(t.Context(), viewIn("c")); err != nil {
		t.Fatal(err)
	}
	client.PrependReactor("create", "rolebindings", func(a kubetesting.Action) (bool, runtime.Object, error) {
		return a.GetNamespace() == "a", nil, errors.New("not in this one")
	})
	if err := k.Keep(t.Context(), viewIn("a", "b")); err == nil || !strings.Contains(err.Error(), "not in this one") {
		t.Errorf("the error is %v", err)
	}
	if got := bindings(t, client); !slices.Equal(got, []string{"b system:aggregate-to-view AmazonEKSViewPolicy:b", "b view AmazonEKSViewPolicy:b"}) {
		t.Errorf("the bindings are %q", got)
	}
}

// Each replica keeps the bindings: another may have made one a moment before.
func TestBindingsThatAnotherMadeAreNoFailure(t *testing.T) {
	t.Parallel()
	client := fake.NewSimpleDynamicClient(scheme.Scheme, namespace("a", nil))
	client.PrependReactor("create", "rolebindings", func(a kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewAlreadyExists(rbacv1.Resource("rolebindings"), "eksauth")
	})
	if err := (&AccessPolicies{client}).Keep(t.Context(), viewIn("a")); err != nil {
		t.Error(err)
	}
}

// A policy for many namespaces is many bindings, which a look at the entries has half a
// minute to make.
func TestManyBindingsAreMadeInTime(t *testing.T) {
	t.Parallel()
	const count = 60
	var created atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			created.Add(1)
			w.WriteHeader(http.StatusCreated)
			io.Copy(w, r.Body)
			return
		}
		list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{}}
		if strings.HasSuffix(r.URL.Path, "/namespaces") {
			var items []any
			for i := range count {
				items = append(items, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": fmt.Sprint("n", i)}})
			}
			list["items"] = items
		}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	k, err := NewAccessPolicies(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := k.Keep(ctx, viewIn("n*")); err != nil || created.Load() != 2*count {
		t.Errorf("%d of %d bindings were made: %.200v", created.Load(), 2*count, err)
	}
}
