package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

const (
	repository = "../.."
	chart      = repository + "/deploy/chart/eksauthd"
)

// built is the folder that has eksauthd and eksauth, as they are built for users.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "eksauth-deploy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "./cmd/...")
	build.Dir = repository
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// helm runs Helm, which `make test` builds, with a home of its own.
// The chart's image is eksauthd, unless args say another.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	if i := slices.Index(args, chart); i >= 0 {
		args = slices.Insert(slices.Clone(args), i+1, "--set", "image.repository=eksauthd")
	}
	program, missing := filepath.Abs(repository + "/bin/helm")
	if missing == nil {
		_, missing = os.Stat(program)
	}
	require.Found(t, "helm", missing)
	return execute(t, []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, append([]string{program}, args...)...)
}

// execute runs a program and waits for its end.
func execute(t *testing.T, env []string, command ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}
