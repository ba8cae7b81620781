package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// spaces are namespaces with their labels, each with service accounts of those names.
func spaces(c cluster, labels map[string]map[string]string, names ...string) {
	for namespace, of := range labels {
		space := map[string]any{"metadata": map[string]any{"name": namespace, "labels": of}}
		c.objects["namespace /"+namespace], c.objects["namespaces /"+namespace] = space, space
		for _, name := range names {
			account := map[string]any{"metadata": map[string]any{"namespace": namespace, "name": name, "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN}}}
			c.objects["serviceaccount "+namespace+"/"+name], c.objects["serviceaccounts /"+namespace+"."+name] = account, account
		}
	}
}

// another adds a webhook like the first, for namespaces with a label.
func another(c cluster, selector map[string]any) {
	registration, more := c.objects["mutatingwebhookconfigurations /pod-identity-webhook"].(map[string]any), maps.Clone(hook(c))
	more["namespaceSelector"] = selector
	registration["webhooks"] = append(registration["webhooks"].([]any), more)
}

// trustedEverywhere is a healthy cluster whose role is for all service accounts.
func trustedEverywhere(t *testing.T) (*Doctor, cluster) {
	t.Helper()
	d, c, a, _ := healthy(t)
	a.role.TrustPolicy = trust(allow(`"StringLike": {"` + issuerHost + `:sub": "system:serviceaccount:*:*"}`))
	return d, c
}

// A webhook that is for some namespaces only is none for the service accounts of the
// others, however well it does for most.
func TestNamespacesThatAreLeftOut(t *testing.T) {
	t.Parallel()
	d, c := trustedEverywhere(t)
	spaces(c, map[string]map[string]string{"apps": {"irsa": "on"}, "bank": {"irsa": "on"}, "shop": {"irsa": "off"}, "test": {}}, "web")
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

// The namespaces that are left out are told so where they are the most, and where they are all.
func TestMostNamespacesAreLeftOut(t *testing.T) {
	t.Parallel()
	for on, want := range map[string]int{"apps": 1, "nobody": 0} {
		d, c := trustedEverywhere(t)
		spaces(c, map[string]map[string]string{"apps": {"irsa": "apps"}, "bank": {}, "shop": {}}, "web")
		hook(c)["namespaceSelector"] = selecting("irsa", "In", on)
		well := 0
		for _, v := range d.Everything(t.Context()).Accounts {
			if v.Status == OK {
				well++
			} else if v.Status != Bad || !strings.Contains(v.Said, "leaves out its namespace") && !strings.Contains(v.Said, "leaves out the namespace") {
				t.Errorf("%+v", v)
			}
		}
		if well != want {
			t.Errorf("for %s: %d are well, want %d", on, well, want)
		}
	}
}

// Of more registrations than are tried no service account is said to be well, nor is one
// that is left out by all passed over.
func TestTooManyRegistrations(t *testing.T) {
	t.Parallel()
	d, c := trustedEverywhere(t)
	labels := map[string]map[string]string{"zz": {}}
	hook(c)["namespaceSelector"] = selecting("team", "In", "t0")
	for i := range 10 {
		team := fmt.Sprint("t", i)
		labels[team] = map[string]string{"team": team}
		if i > 0 {
			another(c, selecting("team", "In", team))
		}
	}
	spaces(c, labels, "web")
	got := map[Status]int{}
	for _, v := range d.Everything(t.Context()).Accounts {
		got[v.Status]++
		if v.Namespace == "zz" && v.Status != Bad {
			t.Errorf("%+v", v)
		}
	}
	if got[OK] != mostGroups-1 || got[Bad] != 1 || got[Unknown] != 3 {
		t.Errorf("%v", got)
	}
}

// particular gives nothing to one service account.
type particular struct {
	cluster
	account string
}

func (p particular) TryPod(ctx context.Context, namespace string, raw []byte) ([]byte, error) {
	var asked pod
	if err := json.Unmarshal(raw, &asked); err != nil || asked.Spec.ServiceAccountName == p.account {
		return raw, err
	}
	return p.cluster.TryPod(ctx, namespace, raw)
}

// One bad annotation is no fault of the webhook.
func TestOneBadAnnotationAmongGood(t *testing.T) {
	t.Parallel()
	d, c := trustedEverywhere(t)
	spaces(c, map[string]map[string]string{"apps": {"irsa": "on"}}, "a", "b", "c")
	spaces(c, map[string]map[string]string{"kube": {"irsa": "too"}}, "aa", "bb")
	hook(c)["namespaceSelector"] = selecting("irsa", "In", "on")
	another(c, selecting("irsa", "In", "too"))
	c.objects["serviceaccounts /kube.aa"] = map[string]any{"metadata": map[string]any{"namespace": "kube", "name": "aa", "annotations": map[string]string{"eks.amazonaws.com/role-arn": roleARN + "\n"}}}
	d.Cluster = particular{c, "aa"}
	for _, v := range d.Everything(t.Context()).Accounts {
		if (v.Status == OK) == (v.Name == "aa") {
			t.Errorf("%+v", v)
		}
	}
}
