//go:build unix

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/filelock"
)

// script makes a program that writes its process id to NAME.pid, then runs body.
// It stands in for one that does not do what it should.
func script(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	// A fork of a parallel test would inherit the open file, and a file that is
	// open for writing cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	text := fmt.Sprintf("#!/bin/sh\necho $$ > '%s.pid'\necho run >> '%s.runs'\n%s\n", path, path, body)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	listens = "touch client.sock; exec /bin/sleep 60"
	hangs   = "exec /bin/sleep 60"
)

func fake(t *testing.T, etcd, apiServer string) *ControlPlane {
	t.Helper()
	dir := t.TempDir()
	return New(Config{
		Dir: filepath.Join(dir, "data"), Log: testLog(t),
		Binaries: Binaries{Etcd: script(t, dir, "etcd", etcd), APIServer: script(t, dir, "kube-apiserver", apiServer)},
	})
}

// checkGone fails the test if a fake that has run runs still.
func checkGone(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		data, err := os.ReadFile(program + ".pid")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s (%d) is still there: %v", program, pid, err)
		}
	}
}

func TestStartFailsWithTheReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, etcd, apiServer, want string }{
		{"etcd ends", "echo 'database is broken' >&2; exit 1", hangs, "etcd ended (exit status 1)"},
		{"etcd ends: its log", "echo 'database is broken' >&2; exit 1", hangs, "database is broken"},
		{"etcd ends without an error", "exit 0", hangs, "etcd ended (exit status 0)"},
		{"kube-apiserver ends", listens, "echo 'unknown flag' >&2; exit 2", "unknown flag"},
		{"etcd ends under kube-apiserver", "touch client.sock; sleep 0.2; echo 'disk full' >&2; exit 1", hangs, "disk full"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := fake(t, tc.etcd, tc.apiServer)
			err := c.Start(t.Context())
			var exit *child.ExitError
			if !errors.As(err, &exit) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want a *child.ExitError with %q", err, tc.want)
			}
			checkGone(t, c.config.Binaries.Etcd, c.config.Binaries.APIServer)
			if lock, err := filelock.Try(c.files.lock()); err != nil {
				t.Errorf("the data folder is not free again: %v", err)
			} else {
				lock.Close()
			}
			if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "started already") {
				t.Errorf("the second Start: %v", err)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, etcd := range map[string]string{"while etcd starts": hangs, "while kube-apiserver starts": listens} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := fake(t, etcd, hangs)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := c.Start(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.files.logs()) {
				t.Errorf("error %v", err)
			}
			checkGone(t, c.config.Binaries.Etcd, c.config.Binaries.APIServer)
		})
	}
}

// TestLostPort: between the choice of a port and its use another process may
// take it. One more try is made, on another port, and not a third.
func TestLostPort(t *testing.T) {
	t.Parallel()
	const taken = `echo "failed to listen on 127.0.0.1:1: listen tcp 127.0.0.1:1: bind: address already in use" >&2; exit 1`
	c := fake(t, listens, taken)
	c.choosePort = func() (int, error) { return 1, nil }
	err := c.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v", err)
	}
	if runs, err := os.ReadFile(c.config.Binaries.APIServer + ".runs"); err != nil || string(runs) != "run\nrun\n" {
		t.Errorf("runs %q, error %v; want two", runs, err)
	}
	if c.port == 1 {
		t.Error("the second try was on the port that is taken")
	}
	if _, err := os.Stat(c.files.port()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a port that never worked is remembered: %v", err)
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := New(Config{
		AuthenticatorKubeconfig: filepath.Join(dir, "missing"),
		AuthenticatorCacheTTL:   -time.Second,
		Log:                     testLog(t),
	})
	err := c.Start(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no data folder", "etcd and kube-apiserver are not given", "cache time -1s is negative", filepath.Join(dir, "missing")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("Stop after it: %v", err)
	}
}

func TestDamagedKeyIsNamed(t *testing.T) {
	t.Parallel()
	c := fake(t, hangs, hangs)
	pki := layout{c.config.Dir}.pki()
	if err := os.MkdirAll(pki, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pki, "ca.crt"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "ca.crt is damaged") {
		t.Errorf("error %v", err)
	}
}
