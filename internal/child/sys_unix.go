//go:build unix && !linux

package child

import (
	"os"
	"syscall"
)

// attributes puts the child in a process group of its own, so that Ctrl-C in a
// terminal reaches the parent only, which then stops its children in order. These
// systems have no signal at a parent's death: a parent that is killed with
// SIGKILL leaves its children behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
