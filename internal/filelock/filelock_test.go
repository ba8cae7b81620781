//go:build unix

package filelock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOneHasIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := first.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v; want mode 0600", info, err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("error %v, want %v", err, ErrHeld)
	}
	soon, cancel := context.WithTimeout(t.Context(), 3*pause)
	defer cancel()
	if _, err := Wait(soon, path); !errors.Is(err, ErrHeld) {
		t.Errorf("error %v, want %v", err, ErrHeld)
	}

	time.AfterFunc(2*pause, func() { first.Close() })
	second, err := Wait(t.Context(), path)
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	second.Close()
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none", "lock")
	if _, err := Wait(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}
