package require

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder notes how a test ended instead of ending.
type recorder struct {
	testing.TB
	ended, text string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Skipf(f string, a ...any)  { r.ended, r.text = "skipped", fmt.Sprintf(f, a...) }
func (r *recorder) Fatalf(f string, a ...any) { r.ended, r.text = "failed", fmt.Sprintf(f, a...) }

func TestFound(t *testing.T) {
	missing := errors.New("etcd was not found")
	for _, tc := range []struct {
		name, require string
		err           error
		want          string
	}{
		{"found", "", nil, ""},
		{"found and required", "controlplane", nil, ""},
		{"missing", "", missing, "skipped"},
		{"missing and required", "controlplane", missing, "failed"},
		{"missing and required among others", "aws, controlplane,kubectl", missing, "failed"},
		{"others are required", "aws,kubectl", missing, "skipped"},
		{"a part of the name is required", "control,plane,controlplanes", missing, "skipped"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("EKSAUTH_REQUIRE", tc.require)
			r := &recorder{}
			Found(r, "controlplane", tc.err)
			if r.ended != tc.want {
				t.Errorf("ended %q (%s), want %q", r.ended, r.text, tc.want)
			}
			if tc.want != "" && !(strings.Contains(r.text, "controlplane") && strings.Contains(r.text, missing.Error())) {
				t.Errorf("notice %q does not say what is missing and why", r.text)
			}
		})
	}
}

func TestProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs are marked by their name's ending there")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "aws")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("EKSAUTH_REQUIRE", "kubectl")

	r := &recorder{}
	if got := Program(r, "aws"); got != path || r.ended != "" {
		t.Errorf("aws: %q, ended %q %s", got, r.ended, r.text)
	}
	r = &recorder{}
	if Program(r, "kubectl"); r.ended != "failed" {
		t.Errorf("kubectl: ended %q, want failed", r.ended)
	}
	r = &recorder{}
	if Program(r, "terraform"); r.ended != "skipped" {
		t.Errorf("terraform: ended %q, want skipped", r.ended)
	}
}
