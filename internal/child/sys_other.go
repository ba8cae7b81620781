//go:build !unix

package child

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// terminate kills: these systems have no signal that asks.
func terminate(p *os.Process) error { return p.Kill() }
