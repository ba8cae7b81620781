package kubeconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/eksauth/eksauth/internal/kubeconfig"
)

var dev = kubeconfig.Entry{
	Context: "dev", Cluster: "arn:aws:eks:us-east-1:111122223333:cluster/dev", User: "ada",
	Server: "https://127.0.0.1:6443", CA: []byte("-----BEGIN CERTIFICATE-----\n"),
	Exec: &kubeconfig.Exec{
		Command: "eksauth", Args: []string{"token", "--cluster-name", "dev"},
		Env: []kubeconfig.EnvVar{{Name: "AWS_PROFILE", Value: "x"}},
	},
	Current: true,
}

// client-go, which kubectl uses, reads back what was meant.
func TestMergeIsReadByClientGo(t *testing.T) {
	doc, err := kubeconfig.Merge(nil, dev)
	if err != nil {
		t.Fatal(err)
	}
	got, err := clientcmd.Load(doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if got.CurrentContext != "dev" {
		t.Errorf("current context %q", got.CurrentContext)
	}
	if c := got.Clusters[dev.Cluster]; c == nil || c.Server != dev.Server || string(c.CertificateAuthorityData) != string(dev.CA) {
		t.Errorf("cluster %+v", c)
	}
	want := &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1beta1", Command: "eksauth", Args: dev.Exec.Args,
		Env: []api.ExecEnvVar{{Name: "AWS_PROFILE", Value: "x"}}, InteractiveMode: api.IfAvailableExecInteractiveMode,
	}
	if diff := cmp.Diff(want.Args, got.AuthInfos["ada"].Exec.Args); diff != "" || got.AuthInfos["ada"].Exec.Command != want.Command ||
		got.AuthInfos["ada"].Exec.InteractiveMode != want.InteractiveMode || got.AuthInfos["ada"].Exec.APIVersion != want.APIVersion ||
		!cmp.Equal(got.AuthInfos["ada"].Exec.Env, want.Env) {
		t.Errorf("exec %+v", got.AuthInfos["ada"].Exec)
	}
	if ctx := got.Contexts["dev"]; ctx == nil || ctx.Cluster != dev.Cluster || ctx.AuthInfo != "ada" {
		t.Errorf("context %+v", ctx)
	}
}

func TestMergeKeepsTheRest(t *testing.T) {
	const old = `# mine
apiVersion: v1
kind: Config
preferences:
  colors: true # yes
clusters:
- name: other
  cluster: {server: "https://other"}
contexts: []
users:
- name: ada
  user: {token: old}
- name: "1"
  user: {token: one}
current-context: other
x-unknown: [1, 2]
`
	e := dev
	e.Current = false
	doc, err := kubeconfig.Merge([]byte(old), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# mine", "colors: true # yes", "current-context: other", "x-unknown: [1, 2]", "name: other", `name: "1"`} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("%q is gone:\n%s", want, doc)
		}
	}
	if strings.Contains(string(doc), "token: old") {
		t.Errorf("the user of the same name was not replaced:\n%s", doc)
	}
	again, err := kubeconfig.Merge(doc, e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(doc), string(again)); diff != "" {
		t.Errorf("a second merge changes something (-first +second)\n%s", diff)
	}
}

// A name that YAML could take for a number must stay a string.
func TestMergeQuotes(t *testing.T) {
	e := dev
	e.Context, e.Cluster, e.User = "1", "0x10", "true"
	doc, err := kubeconfig.Merge(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := clientcmd.Load(doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if got.Contexts["1"] == nil || got.Clusters["0x10"] == nil || got.AuthInfos["true"] == nil {
		t.Errorf("names got lost:\n%s", doc)
	}
}

func TestMergeRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		"a: [":          "not YAML",
		"- a list":      "not a YAML mapping",
		"clusters: yes": "line 1: clusters is not a list",
		"{a: b}: c":     "cannot be edited",
	} {
		if _, err := kubeconfig.Merge([]byte(doc), dev); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", doc, err, want)
		}
	}
}

func TestWriteFileKeepsLinkAndHidesKeys(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "real"), filepath.Join(dir, "sub", "config")
	if err := os.WriteFile(target, []byte("current-context: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	e := dev
	e.Exec, e.ClientCert = nil, &kubeconfig.ClientCert{Cert: []byte("cert"), Key: []byte("key")}
	if err := kubeconfig.WriteFile(link, e); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became a file: %v, %v", info, err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := clientcmd.LoadFromFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if u := got.AuthInfos["ada"]; string(u.ClientKeyData) != "key" || string(u.ClientCertificateData) != "cert" {
		t.Errorf("%+v", u)
	}
}
