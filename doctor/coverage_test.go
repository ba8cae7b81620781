package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// forbidding lets nobody list a resource.
type forbidding struct {
	Cluster
	resource string
}

func (f forbidding) List(ctx context.Context, resource, namespace string) ([]byte, error) {
	if resource == f.resource {
		return nil, fmt.Errorf("%w: %s", ErrForbidden, resource)
	}
	return f.Cluster.List(ctx, resource, namespace)
}

// A webhook that is for some namespaces only is none for the service accounts of the
// others, however well it does for most.
func TestNamespacesThatAreLeftOut(t *testing.T) {
	t.Parallel()
	d, c, a, _ := healthy(t)
	a.role.TrustPolicy = trust(allow(`"StringLike": {"` + issuerHost + `:sub": "system:serviceaccount:*:web"}`))
	for namespace, labels := range map[string]map[string]string{"apps": {"irsa": "on"}, "bank": {"irsa": "on"}, "shop": {"irsa": "off"}, "test": {}} {
		space := map[string]any{"metadata": map[string]any{"name": namespace, "labels": labels}}
		c.objects["namespace /"+namespace], c.objects["namespaces /"+namespace] = space, space
		account := map[string]any{"metadata": map[string]any{"namespace": namespace, "name": "web", "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN}}}
		c.objects["serviceaccount "+namespace+"/web"], c.objects["serviceaccounts /"+namespace+".web"] = account, account
	}
	hook(c)["namespaceSelector"] = selecting("irsa", "In", "on")
	const leftOut = "bad the registration of the webhook leaves out its namespace: its namespaceSelector wants irsa=on"
	want := []string{"apps ok its pods get the role", "bank ok its pods get the role", "shop " + leftOut, "test " + leftOut}
	verdicts := func() (list []string) {
		for _, v := range d.Everything(t.Context()).Accounts {
			list = append(list, v.Namespace+" "+string(v.Status)+" "+v.Said)
		}
		return list
	}
	if got := verdicts(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if e := d.Everything(t.Context()); len(e.Cluster.Causes()) > 0 || !e.Failing() || !strings.HasPrefix(said(e.Cluster, "webhook"), "ok: ") {
		t.Errorf("%+v", e.Cluster.Checks)
	}
	d.Cluster = forbidding{c, "namespaces"}
	if e := d.Everything(t.Context()); !strings.HasPrefix(said(e.Cluster, "namespaces"), "unknown: could not check whether the webhook is for all namespaces, because forbidden") || e.Accounts[2].Status != OK {
		t.Errorf("%+v\n%+v", e.Cluster.Checks, e.Accounts)
	}
}
