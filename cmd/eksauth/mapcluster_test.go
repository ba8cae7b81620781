package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/require"
)

const configMaps = "/api/v1/namespaces/kube-system/configmaps"

// mapCluster is a real API server with a real kubectl before it.
type mapCluster struct {
	plane *controlplane.ControlPlane
	env   []string
}

func startMapCluster(t *testing.T) *mapCluster {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, "../../bin/eksauth")...)
	require.Found(t, "controlplane", err)
	plane := controlplane.New(controlplane.Config{Dir: t.TempDir(), Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := plane.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := plane.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Dir(binaries.Kubectl) + string(filepath.ListSeparator) + os.Getenv("PATH")
	return &mapCluster{plane, []string{"PATH=" + path, "HOME=" + t.TempDir(), "KUBECONFIG=" + plane.AdminKubeconfig()}}
}

// setAWSAuth makes data the whole of aws-auth.
func (c *mapCluster) setAWSAuth(t *testing.T, data map[string]string) {
	t.Helper()
	err := c.plane.Replace(t.Context(), configMaps, awsAuthName, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": awsAuthName}, "data": data,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run is eksauth as a user runs it.
func (c *mapCluster) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "eksauth", args...)
	cmd.Env = c.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestMapReadsACluster(t *testing.T) {
	c := startMapCluster(t)
	_, stderr, code := c.run(t, "map", "list")
	if code != 1 || !strings.Contains(stderr, `(NotFound): configmaps "aws-auth" not found`) || !strings.Contains(stderr, "hint: the cluster has no aws-auth") {
		t.Errorf("without aws-auth: %d %s", code, stderr)
	}
	c.setAWSAuth(t, map[string]string{"mapUsers": "- userarn: arn:aws:iam::111122223333:user/ada\n  username: ada\n"})
	stdout, stderr, code := c.run(t, "map", "list")
	if code != 0 || !strings.Contains(stdout, "arn:aws:iam::111122223333:user/ada  ada") {
		t.Errorf("list: %d %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = c.run(t, "map", "explain", "--kubeconfig", c.plane.AdminKubeconfig(), "arn:aws:iam::111122223333:user/ada")
	if code != 0 || !strings.Contains(stdout, "because of   EKSConfigMap mapUsers[0] (line 1), by ARN") {
		t.Errorf("explain: %d %s%s", code, stdout, stderr)
	}
	_, stderr, code = c.run(t, "map", "list", "--context", "nope")
	if code != 1 || !strings.Contains(stderr, "nope") {
		t.Errorf("another context: %d %s", code, stderr)
	}

	// Somebody whom RBAC gives nothing, and somebody whom nobody knows.
	cert, key, err := c.plane.IssueClient("stranger")
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, code = c.run(t, "map", "list", "--kubeconfig", c.kubeconfig(t, cert, key))
	if code != 1 || !strings.Contains(stderr, "(Forbidden)") || !strings.Contains(stderr, "hint: what may you do?") {
		t.Errorf("stranger: %d %s", code, stderr)
	}
	c.env = append(c.env, "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
	_, stderr, code = c.run(t, "map", "list")
	if code != 1 || !strings.Contains(stderr, "hint: is the cluster up") {
		t.Errorf("no cluster: %d %s", code, stderr)
	}
}

// kubeconfig is a file for a user with a client certificate.
func (c *mapCluster) kubeconfig(t *testing.T, cert, key []byte) string {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority-data": %q}}],
"users": [{"name": "u", "user": {"client-certificate-data": %q, "client-key-data": %q}}],
"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}`,
		c.plane.URL(), encode(c.plane.CACert()), encode(cert), encode(key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
