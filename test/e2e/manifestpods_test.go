//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/kubeconfig"
	"github.com/eksauth/eksauth/internal/node"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/internal/require"
)

// installed is a cluster with the chart in it, and one node with the image.
type installed struct {
	*guide
	plane *controlplane.ControlPlane
	node  *node.Node
	ports map[string]string // those of the manifests, and those here: it is the host's network
}

// The image of hack/image in the pods of the chart, on a real kubelet: as the user that it
// says, with a root file system that is read-only, until each is ready.
func TestPodsOfTheChartRun(t *testing.T) {
	binaries := findBinaries(t)
	programs, err := node.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository(), "bin", "eksauth"))...)
	require.Found(t, "kubelet", err)
	helm := filepath.Join(repository(), "bin", "helm")
	_, err = os.Stat(helm)
	require.Found(t, "helm", err)

	i := install(t, binaries, helm)
	i.startNode(programs)
	for _, workload := range []string{"-n eksauth deployment/pod-identity-webhook", "-n eksauth deployment/eksauth-issuer", "-n kube-system daemonset/eksauthd-authenticator"} {
		i.runPod(workload)
	}
	defer i.must("kubectl", "delete", "pods", "-A", "-l", "test=pod", "--timeout=30s")
	for _, pod := range []string{"-n eksauth pod-identity-webhook", "-n eksauth eksauth-issuer", "-n kube-system eksauthd-authenticator"} {
		args := append(strings.Fields("kubectl wait pod --for=condition=Ready --timeout=50s"), strings.Fields(pod)...)
		if r := i.run(args...); r.err != nil {
			name := strings.Fields(pod)
			log, _ := i.node.PodLog(name[1], name[2])
			t.Fatalf("%s: %v %s\n%s\n%s\n%s", pod, r.err, r.stderr, log, i.must("kubectl", "get", "pod", name[0], name[1], name[2], "-o", "jsonpath={.status}"), i.node.Diagnosis())
		}
	}
	if got := i.must("kubectl", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}"); len(strings.Fields(got)) != 2 {
		t.Errorf("the webhook did not write its authority: %s", got)
	}
	i.checkIssuer()
	i.checkAuthenticator()
}

// install starts a control plane and installs all parts of the chart.
func install(t *testing.T, binaries controlplane.Binaries, helm string) *installed {
	t.Helper()
	home := t.TempDir()
	i := &installed{guide: &guide{&client{t: t, system: &system{kubectl: binaries.Kubectl}, home: home, env: map[string]string{
		"HOME": home, "PATH": built + string(os.PathListSeparator) + filepath.Dir(binaries.Kubectl) + string(os.PathListSeparator) + os.Getenv("PATH"),
	}}}, ports: map[string]string{}}
	for _, port := range []string{"8443", "9999", "18443", "19999", "21362", "21363"} {
		i.ports[port] = fmt.Sprint(freePort(t))
	}
	i.startPlane(binaries)
	server, err := url.Parse(i.plane.URL())
	if err != nil {
		t.Fatal(err)
	}
	// No Service leads anywhere here: the API server is on the host's loopback.
	at := `[{name: KUBERNETES_SERVICE_HOST, value: 127.0.0.1}, {name: KUBERNETES_SERVICE_PORT, value: "` + server.Port() + `"}]`
	values := `image: {repository: eksauthd, pullPolicy: Never}
webhook: {env: ` + at + `}
issuer: {enabled: true}
authenticator:
  enabled: true
  env: ` + at + `
  config:
    clusterID: dev
    # The node's own folders.
    server: {backendMode: [EKSConfigMap], port: ` + i.ports["21362"] + `, stateDir: /var/lib/eksauth/state, generateKubeconfig: /var/lib/eksauth/webhook/kubeconfig.yaml}
`
	if err := os.WriteFile(filepath.Join(home, "values.yaml"), []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	i.must(helm, "install", "eksauthd", filepath.Join(repository(), "deploy", "chart", "eksauthd"), "--namespace", "eksauth", "--create-namespace", "--values", filepath.Join(home, "values.yaml"))
	i.sh(`eksauthd issuer init --dir ./issuer --issuer https://localhost/dev
kubectl create configmap -n eksauth eksauth-issuer --from-file=issuer/issuer.json`)
	ca, err := pki.NewCA("issuer", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.LoadOrIssue(home, "tls", pki.Server("localhost"), time.Now()); err != nil {
		t.Fatal(err)
	}
	i.sh("kubectl create secret tls -n eksauth eksauth-issuer-tls --cert=tls.crt --key=tls.key")
	i.env["CURL_CA_BUNDLE"] = filepath.Join(home, "ca.crt")
	if err := os.WriteFile(i.env["CURL_CA_BUNDLE"], ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *installed) startPlane(binaries controlplane.Binaries) {
	i.t.Helper()
	i.plane = controlplane.New(controlplane.Config{Dir: filepath.Join(i.home, "cluster"), Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err := i.plane.Start(i.t.Context()); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() {
		if err := i.plane.Stop(context.Background()); err != nil {
			i.t.Error(err)
		}
	})
	i.env["KUBECONFIG"] = i.plane.AdminKubeconfig()
}

// startNode joins a node that has the image, built by hack/image.
func (i *installed) startNode(programs node.Binaries) {
	t := i.t
	t.Helper()
	dir := t.TempDir()
	for _, command := range [][]string{
		{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir + "/", "./internal/node/pause"},
		{"go", "run", "-C", "hack/image", ".", "--out", dir + "/image", filepath.Join(built, "eksauthd")},
	} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir, cmd.Env = repository(), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	cert, key, err := i.plane.IssueClient("system:node:"+nodeName, "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "kubeconfig")
	err = kubeconfig.WriteFile(config, kubeconfig.Entry{
		Context: nodeName, Cluster: "dev", User: nodeName, Server: i.plane.URL(), CA: i.plane.CACert(),
		ClientCert: &kubeconfig.ClientCert{Cert: cert, Key: key}, Current: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob(dir + "/image-linux-*.tar")
	if err != nil || len(archives) != 1 {
		t.Fatalf("%v, %v", archives, err)
	}
	i.node = node.New(node.Config{
		Dir: filepath.Join(dir, "node"), Binaries: programs, Pause: filepath.Join(dir, "pause"),
		Archives: archives,
		Name:     nodeName, Kubeconfig: config, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	before := traces()
	t.Cleanup(func() {
		if err := i.node.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		for trace := range traces() {
			if !before[trace] {
				t.Errorf("left behind: %s", trace)
			}
		}
	})
	if err := i.node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// runPod makes the pod of a workload, as its controller would, bound to the node. There is
// no container network, so that it is on the host's, at ports that are free.
func (i *installed) runPod(workload string) {
	i.t.Helper()
	args := strings.Fields(workload)
	var o struct {
		Spec struct{ Template map[string]any }
	}
	if err := json.Unmarshal([]byte(i.must(append([]string{"kubectl", "get", "-o", "json"}, args...)...)), &o); err != nil {
		i.t.Fatal(err)
	}
	pod := o.Spec.Template
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	_, name, _ := strings.Cut(args[2], "/")
	pod["metadata"] = map[string]any{"name": name, "labels": map[string]any{"test": "pod"}}
	spec := pod["spec"].(map[string]any)
	spec["nodeName"], spec["hostNetwork"], spec["dnsPolicy"] = nodeName, true, "Default"
	spec["tolerations"] = []any{map[string]any{"operator": "Exists"}}
	delete(spec, "affinity")
	c := spec["containers"].([]any)[0].(map[string]any)
	switch name {
	case "pod-identity-webhook":
		c["args"] = append(c["args"].([]any), "--metrics-port=9999")
	case "eksauthd-authenticator":
		c["args"] = append(c["args"].([]any), "--health-address=127.0.0.1:21363")
	}
	data, err := json.Marshal(pod)
	if err != nil {
		i.t.Fatal(err)
	}
	text := string(data)
	if name == "eksauth-issuer" {
		text = strings.NewReplacer("8443", "18443", "9999", "19999").Replace(text)
	}
	for port, free := range i.ports {
		text = strings.NewReplacer(":"+port, ":"+free, "="+port, "="+free).Replace(text)
	}
	file := filepath.Join(i.home, name+".json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	i.must("kubectl", "create", args[0], args[1], "-f", file)
}

func (i *installed) checkIssuer() {
	i.t.Helper()
	discovery := i.must("curl", "-fsS", "https://localhost:"+i.ports["18443"]+"/dev/.well-known/openid-configuration")
	if !strings.Contains(discovery, `"https://localhost/dev"`) {
		i.t.Errorf("the issuer's pod serves %s", discovery)
	}
	if metrics := i.must("curl", "-fsS", "http://localhost:"+i.ports["19999"]+"/metrics"); !strings.Contains(metrics, "eksauth_issuer_keys 1") {
		i.t.Errorf("the issuer's pod measures %s", metrics)
	}
}

// checkAuthenticator asks the pod as kube-apiserver would: by the file that it has written
// on the host.
func (i *installed) checkAuthenticator() {
	t := i.t
	t.Helper()
	file, err := i.node.ReadFile("/var/lib/eksauth/webhook/kubeconfig.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cluster := config.Clusters["eksauthd"]
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cluster.CertificateAuthorityData)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post(cluster.Server, "application/json", bytes.NewReader([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"k8s-aws-v1.x"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var review struct{ Status struct{ Error string } }
	if err := json.NewDecoder(resp.Body).Decode(&review); err != nil || !strings.HasPrefix(review.Status.Error, "refused: malformed ") {
		t.Errorf("it answers %+v, %v", review, err)
	}
}
