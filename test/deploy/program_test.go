package deploy_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/eksauth/eksauth/internal/logtest"
)

// program is eksauthd at work.
type program struct {
	url string // where it listens
	log *logtest.Buffer
}

// serve runs eksauthd until the test ends, and returns when it is ready.
func serve(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{log: &logtest.Buffer{}}
	cmd := exec.Command(filepath.Join(built, "eksauthd"), args...)
	cmd.Env, cmd.Stderr = []string{"HOME=" + t.TempDir()}, p.log
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v:\n%s", err, p.log)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			p.url = at
		}
		if lines.Text() == "ready" {
			return p
		}
	}
	t.Fatalf("it ended before it was ready:\n%s", p.log)
	return nil
}
