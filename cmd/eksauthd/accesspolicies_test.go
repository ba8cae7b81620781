package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/deploy"
	"github.com/eksauth/eksauth/kube"
)

// On a real API server the rights of the manifest are enough to keep the bindings
// of every access policy, and no more than those; what is right is left alone.
func TestAccessPoliciesInACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must(string(deploy.AccessPolicies), "apply", "-f", "-")
	c.must("", "create", "namespace", "shop")
	cert, key, err := c.plane.IssueClient("eksauth:authenticator")
	if err != nil {
		t.Fatal(err)
	}
	bindings, err := kube.NewAccessPolicies(&rest.Config{Host: c.plane.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: c.plane.CACert(), CertData: cert, KeyData: key}})
	if err != nil {
		t.Fatal(err)
	}
	var e accessentry.Entry
	for _, p := range accessentry.Policies() {
		e.Policies = append(e.Policies, accessentry.Association{Policy: p.Name}, accessentry.Association{Policy: p.Name, Namespaces: []string{"sh*"}})
	}
	grants := accessentry.Grants([]accessentry.Entry{e})
	keep := func(grants []accessentry.Grant) []string {
		t.Helper()
		if err := bindings.Keep(t.Context(), grants); err != nil {
			t.Fatal(err)
		}
		return strings.Fields(c.must("", "get", "clusterrolebindings,rolebindings", "-A", "-l", "eksauth.dev/access-policy", "-o", "jsonpath={.items[*].metadata.uid}"))
	}
	first := keep(grants)
	if len(first) != len(grants) {
		t.Errorf("%d bindings for %d grants", len(first), len(grants))
	}
	if second := keep(grants); !slices.Equal(second, first) {
		t.Error("bindings that were right were made again")
	}
	if _, stderr, err := c.try("", "--as", "eksauth:authenticator", "create", "clusterrolebinding", "mine", "--clusterrole=system:node", "--user=eksauth:authenticator"); err == nil || !strings.Contains(stderr, "forbidden") {
		t.Errorf("another role can be bound: %v %s", err, stderr)
	}
	if left := keep(nil); len(left) > 0 {
		t.Errorf("%d bindings are left", len(left))
	}
}
