package kubeconfig

import (
	"bytes"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// FuzzMerge: a file that is there is kept or refused; what comes out has the entry, is
// the same when it is merged again, and is one that client-go reads if it read the
// file before.
func FuzzMerge(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "apiVersion: v1\nkind: Config\n", "clusters: []\nusers: null\n", "- a\n", "a: &a [*a]\n", "clusters: {a: b}\n", "a: b\n---\nc: d\n",
		"users:\n- name: u\n  user: {token: x}\ncurrent-context: c # mine\n", "clusters:\n- name: dev\n- name: dev\n",
	} {
		f.Add([]byte(seed))
	}
	e := Entry{Context: "c", Cluster: "dev", User: "u", Server: "https://localhost:1", Exec: &Exec{Command: "eksauth", Args: []string{"token"}}, Current: true}
	f.Fuzz(func(t *testing.T, doc []byte) {
		out, err := Merge(doc, e)
		if err != nil {
			return
		}
		again, err := Merge(out, e)
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("merged again: %v\n%s\n---\n%s", err, out, again)
		}
		if _, err := clientcmd.Load(doc); err != nil {
			return
		}
		c, err := clientcmd.Load(out)
		if err != nil {
			t.Fatalf("client-go read it before, and now says: %v\n%s", err, out)
		}
		if c.CurrentContext != e.Context || c.Clusters[e.Cluster] == nil || c.AuthInfos[e.User] == nil || c.AuthInfos[e.User].Exec == nil {
			t.Errorf("the entry is not in\n%s", out)
		}
	})
}
