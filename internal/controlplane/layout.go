package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
)

// layout is where things are in the data folder.
type layout struct{ root string }

func (l layout) lock() string            { return filepath.Join(l.root, "lock") }
func (l layout) port() string            { return filepath.Join(l.root, "port") }
func (l layout) adminKubeconfig() string { return filepath.Join(l.root, "admin.kubeconfig") }
func (l layout) pki() string             { return filepath.Join(l.root, "pki") }
func (l layout) etcd() string            { return filepath.Join(l.root, "etcd") }
func (l layout) logs() string            { return filepath.Join(l.root, "logs") }
func (l layout) log(name string) string  { return filepath.Join(l.logs(), name+".log") }

// etcd's sockets are named relative to its folder, which is the working folder
// of both programs: the path of a socket may have 104 bytes at most (unix(4) on
// macOS; 108 on Linux), and that of the data folder may be longer than that.
const (
	clientSocket = "client.sock"
	peerSocket   = "peer.sock"
)

// make creates the folders. The root is left as it is if it exists already; the
// folder with etcd's sockets is closed to others even then.
func (l layout) make() error {
	if err := os.MkdirAll(l.root, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, dir := range []string{l.etcd(), l.pki(), l.logs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	return nil
}
