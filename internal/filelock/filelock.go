// Package filelock takes a file for one process at a time. The lock goes with the
// process, however it ends; the file stays. On systems without flock(2) nothing is
// locked.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrHeld says that another process, or another part of this one, has the file.
var ErrHeld = errors.New("the file is locked")

// pause is between two attempts of Wait.
const pause = 20 * time.Millisecond

// Try takes the file at path, which it creates with mode 0600, until the file that
// it returns is closed or the process ends. It does not wait: see [ErrHeld].
func Try(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Wait is Try for a file that whoever has it will soon give back. It returns
// [ErrHeld] once ctx is done.
func Wait(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}
