package child

import (
	"os"
	"syscall"
)

// attributes puts the child in a process group of its own, so that Ctrl-C in a
// terminal reaches the parent only, which then stops its children in order; and
// has the kernel kill it when the parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
