//go:build unix

package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// helperDir makes this test binary run a control plane on that folder until it
// is killed, instead of the tests.
const helperDir = "CONTROLPLANE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		helper(dir)
	}
	os.Exit(m.Run())
}

// pids is what the helper prints when its control plane is ready and has
// answered that there is a ConfigMap "answered".
type pids struct{ Etcd, APIServer int }

func helper(dir string) {
	binaries, err := findBinaries()
	if err == nil {
		c := New(Config{Dir: dir, Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
		if err = c.Start(context.Background()); err == nil {
			err = errors.Join(
				c.Create(context.Background(), "/api/v1/namespaces/default/configmaps", manifest{
					"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest{"name": "answered"},
				}),
				json.NewEncoder(os.Stdout).Encode(pids{c.etcd.PID(), c.apiServer.PID()}))
		}
		if err == nil {
			time.Sleep(time.Minute)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func findBinaries() (Binaries, error) {
	return FindBinaries(append(BinaryDirs(os.Getenv, os.Args[0]), "../../bin/k8s")...)
}

func binaries(t *testing.T) Binaries {
	t.Helper()
	b, err := findBinaries()
	require.Found(t, "controlplane", err)
	return b
}

// testLog writes to the test's output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// kubectl runs kubectl as the administrator and returns what it printed.
func kubectl(t *testing.T, c *ControlPlane, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binaries(t).Kubectl, args...)
	cmd.Env = []string{"KUBECONFIG=" + c.AdminKubeconfig(), "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func mustKubectl(t *testing.T, c *ControlPlane, args ...string) string {
	t.Helper()
	out, err := kubectl(t, c, "", args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

type userInfo struct {
	Username string
	Groups   []string
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
