package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// A program that is built in a clone says which commit it is, and whether that is all.
func TestVersionSaysTheCommit(t *testing.T) {
	t.Parallel()
	git := require.Program(t, "git")
	dir := filepath.Join(t.TempDir(), "clone")
	run := func(env []string, command ...string) string {
		t.Helper()
		stdout, stderr, err := execute(t, append(os.Environ(), env...), command...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", command, err, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	run(nil, git, "clone", "--quiet", repository, dir)
	program := filepath.Join(t.TempDir(), "eksauth")
	version := func() (build struct {
		Version, Revision string
		Time              time.Time
		Modified          bool
	}) {
		t.Helper()
		run([]string{"CGO_ENABLED=0"}, "go", "build", "-C", dir, "-trimpath", "-buildvcs=auto", "-ldflags", "-s -w", "-o", program, "./cmd/eksauth")
		if err := json.Unmarshal([]byte(run(nil, program, "version", "-o", "json")), &build); err != nil {
			t.Fatal(err)
		}
		return build
	}
	head := run(nil, git, "-C", dir, "rev-parse", "HEAD")
	clean := version()
	if clean.Revision != head || clean.Modified || clean.Version == "" || clean.Time.IsZero() {
		t.Errorf("%+v, want %s", clean, head)
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed := version(); changed.Revision != head || !changed.Modified {
		t.Errorf("after a change: %+v", changed)
	}
	if text := run(nil, program, "version"); !strings.Contains(text, head+" of ") || !strings.Contains(text, ", and changes\n") {
		t.Errorf("%s", text)
	}
}
