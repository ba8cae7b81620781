//go:build linux

package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/kubeconfig"
	"github.com/eksauth/eksauth/internal/node"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/internal/require"
)

const (
	nodeName = "node-1"
	podImage = "localhost/pod:1"
)

// MISSION section 3 as it is lived: real pods on a real kubelet, in containers
// that hold nothing but a program with the unmodified AWS SDK. The service
// account's annotation is all that tells the first two from the third.
func TestPodsBecomeTheirRole(t *testing.T) {
	findBinaries(t)
	programs, err := node.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository(), "bin", "eksauth"))...)
	require.Found(t, "kubelet", err)

	system, err := start(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer system.stop()
	c := system.client(t)
	n := startNode(t, system, programs)

	c.admin("create", "namespace", "awesome-app")
	for _, name := range []string{"awesome-app", "no-annotation"} {
		c.admin("create", "serviceaccount", "-n", "awesome-app", name)
	}
	c.admin("annotate", "serviceaccount", "-n", "awesome-app", "awesome-app", "eks.amazonaws.com/role-arn="+appRole)

	const assumed = "arn:aws:sts::" + account + ":assumed-role/awesome.app/"
	pods := []struct {
		name, serviceAccount, securityContext string
		exitCode, log                         string // the log begins so
	}{
		{"as-root", "awesome-app", "{}", "0", assumed},
		{"as-nobody", "awesome-app", "{runAsNonRoot: true, runAsUser: 65534}", "0", assumed},
		{"no-annotation", "no-annotation", "{}", "1",
			"operation error STS: GetCallerIdentity, get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found"},
	}
	// All at once; kubelet has not even registered its node yet.
	for _, pod := range pods {
		c.apply(podManifest(pod.name, pod.serviceAccount, pod.securityContext, c.env["AWS_ENDPOINT_URL"]))
	}
	for _, pod := range pods {
		t.Run(pod.name, func(t *testing.T) {
			c := system.client(t)
			const exitCode = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
			get := []string{"kubectl", "--kubeconfig", system.adminKubeconfig(), "-n", "awesome-app", "get", "pod", pod.name, "-o"}
			r := c.run("kubectl", "--kubeconfig", system.adminKubeconfig(), "-n", "awesome-app", "wait", "pod", pod.name,
				"--for="+exitCode, "--timeout=50s")
			if r.err != nil {
				t.Fatalf("%v: %s\n%s\n%s", r.err, r.stderr, c.run(append(get, "yaml")...).stdout, n.Diagnosis())
			}
			log, err := n.PodLog("awesome-app", pod.name)
			if err != nil {
				t.Fatal(err)
			}
			if code := c.must(append(get, exitCode)...); code != pod.exitCode || !strings.HasPrefix(log, pod.log) || strings.Count(log, "\n") != 1 {
				t.Errorf("exit status %s, want %s; it printed\n%swant\n%s…\n%s", code, pod.exitCode, log, pod.log, c.must(append(get, "yaml")...))
			}
		})
	}
	c.admin("delete", "pods", "-n", "awesome-app", "--all", "--timeout=30s")
}

func (s *system) adminKubeconfig() string {
	return filepath.Join(s.dir, "controlplane", "admin.kubeconfig")
}

// apply creates what the manifest says, as the cluster's administrator.
func (c *client) apply(manifest string) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.admin("create", "-f", file)
}

// podManifest is a pod as its author writes it. It is told where AWS is, and
// that it is on no EC2 instance; nothing of it is a credential.
func podManifest(name, serviceAccount, securityContext, aws string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %q, namespace: awesome-app}
spec:
  serviceAccountName: %q
  nodeName: %q # there is no scheduler
  tolerations: [{operator: Exists}] # and without a container network the node is not ready
  hostNetwork: true # the local AWS is on the machine's loopback
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  securityContext: %s
  containers:
  - name: app
    image: %q
    imagePullPolicy: Never
    env:
    - {name: AWS_ENDPOINT_URL_STS, value: %q}
    - {name: AWS_REGION, value: us-east-1}
    - {name: AWS_EC2_METADATA_DISABLED, value: "true"}
`, name, serviceAccount, nodeName, securityContext, podImage, aws)
}

// startNode joins a node to the system, with podImage on it. When the test is
// over, nothing of the node may be left.
func startNode(t *testing.T, s *system, programs node.Binaries) *node.Node {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "./test/e2e/pod", "./internal/node/pause")
	build.Dir = repository()
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	n := node.New(node.Config{
		Dir: filepath.Join(dir, "node"), Binaries: programs, Pause: filepath.Join(dir, "pause"),
		Programs: map[string]string{podImage: filepath.Join(dir, "pod")},
		Name:     nodeName, Kubeconfig: nodeKubeconfig(t, s),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	before := traces()
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		for trace := range traces() {
			if !before[trace] {
				t.Errorf("left behind: %s", trace)
			}
		}
	})
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// nodeKubeconfig is for the kubelet, who is a node and no administrator.
func nodeKubeconfig(t *testing.T, s *system) string {
	t.Helper()
	ca, err := pki.LoadOrCreateCA(filepath.Join(s.dir, "controlplane", "pki"), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Client("system:node:"+nodeName, "system:nodes"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err = kubeconfig.WriteFile(path, kubeconfig.Entry{
		Context: nodeName, Cluster: "dev", User: nodeName,
		Server: s.client(t).admin("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"), CA: ca.PEM(),
		ClientCert: &kubeconfig.ClientCert{Cert: pair.CertPEM, Key: pair.KeyPEM}, Current: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// traces are what a node could leave on the machine: processes in process
// namespaces other than this one, mounts, cgroups, and folders of its programs.
func traces() map[string]bool {
	found := map[string]bool{}
	own, _ := os.Readlink("/proc/self/ns/pid")
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if namespace, err := os.Readlink(process + "/ns/pid"); err == nil && namespace != own {
			command, _ := os.ReadFile(process + "/cmdline")
			found[fmt.Sprintf("process %s %q", filepath.Base(process), command)] = true
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for mount := range strings.Lines(string(mounts)) {
		found["mount "+mount] = true
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/k8s.io*", "/sys/fs/cgroup/*/k8s.io*", "/sys/fs/cgroup/kube*", "/sys/fs/cgroup/*/kube*",
		"/etc/cni", "/opt/*", "/run/*", "/usr/libexec/*", "/var/lib/*", "/var/log/*",
	} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			found[path] = true
		}
	}
	return found
}
