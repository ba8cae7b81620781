//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package controlplane

import "os"

// lockFile locks nothing here; etcd's own lock keeps the data whole.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
