//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package oidc

import "os"

// lockFile locks nothing here: one process at a time is the caller's to ensure.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
