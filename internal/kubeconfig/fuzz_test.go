package kubeconfig_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/internal/kubeconfig"
)

// FuzzMerge: what comes out is YAML with the entry in it, the same the second time,
// and all else of the file is still there.
func FuzzMerge(f *testing.F) {
	for _, seed := range []string{
		"", "apiVersion: v1\nkind: Config\n", "clusters: []\nusers:\ncontexts: [{name: x, context: {cluster: dev, user: ada}}]\n",
		"# kept\nclusters:\n- cluster: {server: https://a} # this too\n  name: a\n- name: dev\n  cluster: {server: https://b}\ncurrent-context: a\n",
		"a: &a [1]\nclusters: *a\n", "<<: {clusters: []}\n", "{}", "--- {}\n--- {}\n", "\xef\xbb\xbfkind: Config", "clusters: [{name: dev}, {name: dev}]", "1: 2\ntrue: x\n", "users: [{name: x, user: }, {a}]\nb: {c: }\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		merged, err := kubeconfig.Merge(doc, dev)
		if err != nil {
			return
		}
		var before map[string]any
		if yaml.Unmarshal(doc, &before) != nil {
			return // what was there is for nobody to read
		}
		again, err := kubeconfig.Merge(merged, dev)
		if err != nil {
			t.Fatalf("%v\n%s", err, merged)
		}
		once, twice := read(t, merged), read(t, again)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Errorf("the second time is another: %s", diff)
		}
		for key, value := range before {
			switch key {
			case "clusters", "contexts", "users":
				for _, entry := range asList(value) {
					if name := nameOf(entry); name != dev.Cluster && name != dev.Context && name != dev.User && !contains(once[key], entry) {
						t.Errorf("%s: %v is gone\n%s", key, entry, merged)
					}
				}
			case "current-context":
			default:
				if value != nil && !cmp.Equal(value, once[key], cmpopts.EquateNaNs()) {
					t.Errorf("%s was %v and is %v", key, value, once[key])
				}
			}
		}
	})
}

func read(t *testing.T, doc []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal(doc, &all); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	for list, name := range map[string]string{"clusters": dev.Cluster, "contexts": dev.Context, "users": dev.User} {
		n := 0
		for _, entry := range asList(all[list]) {
			if nameOf(entry) == name {
				n++
			}
		}
		if n == 0 {
			t.Errorf("%s do not have %s:\n%s", list, name, doc)
		}
	}
	return all
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

func nameOf(entry any) string {
	m, _ := entry.(map[string]any)
	name, _ := m["name"].(string)
	return name
}

func contains(list, entry any) bool {
	for _, e := range asList(list) {
		if cmp.Equal(e, entry, cmpopts.EquateNaNs()) {
			return true
		}
	}
	return false
}
