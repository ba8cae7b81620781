package deploy_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

// cluster is a real control plane, and kubectl for its administrator.
type cluster struct {
	t       *testing.T
	plane   *controlplane.ControlPlane
	kubectl string
	home    string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, filepath.Join(repository, "bin", "eksauth"))...)
	require.Found(t, "controlplane", err)
	plane := controlplane.New(controlplane.Config{Dir: t.TempDir(), Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err := plane.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := plane.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &cluster{t, plane, binaries.Kubectl, t.TempDir()}
}

// try runs kubectl, with a manifest from a file where there is one.
func (c *cluster) try(manifest string, args ...string) (stdout, stderr string, err error) {
	c.t.Helper()
	if manifest != "" {
		args = append(args, "-f", c.file("manifest.yaml", manifest))
	}
	return execute(c.t, []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH")},
		append([]string{c.kubectl, "--kubeconfig", c.plane.AdminKubeconfig()}, args...)...)
}

func (c *cluster) must(manifest string, args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.try(manifest, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

func (c *cluster) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// helm runs Helm as the administrator, in the namespace eksauth.
func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	stdout, stderr, err := helm(c.t, append(args, "--namespace", "eksauth", "--kubeconfig", c.plane.AdminKubeconfig())...)
	if err != nil {
		c.t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// kubeconfigOf is a kubeconfig of a service account, which has no rights but those
// that were given to it.
func (c *cluster) kubeconfigOf(namespace, name string) string {
	c.t.Helper()
	token := strings.TrimSpace(c.must("", "create", "token", "-n", namespace, name))
	admin := c.must("", "config", "view", "--raw", "--minify", "--flatten")
	path := c.file(name+".kubeconfig", admin)
	for _, args := range [][]string{
		{"config", "set-credentials", name, "--token=" + token},
		{"config", "set-context", "--current", "--user=" + name},
	} {
		if _, stderr, err := execute(c.t, []string{"HOME=" + c.home}, append([]string{c.kubectl, "--kubeconfig", path}, args...)...); err != nil {
			c.t.Fatalf("%v\n%s", err, stderr)
		}
	}
	return path
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
