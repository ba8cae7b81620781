//go:build linux

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the absolute paths of the programs.
type Binaries struct {
	Kubelet, Containerd, Ctr string
	Unshare, Nsenter         string // of util-linux
}

// FindBinaries looks for kubelet in dirs, in that order, and for it and all other
// programs on PATH. The error says all that keeps a node from running here.
func FindBinaries(dirs ...string) (Binaries, error) {
	var found Binaries
	var missing []string
	for _, program := range []struct {
		name string
		dirs []string
		path *string
	}{
		{"kubelet", dirs, &found.Kubelet},
		{"containerd", nil, &found.Containerd},
		{"ctr", nil, &found.Ctr},
		{"containerd-shim-runc-v2", nil, new(string)}, // containerd finds these two on PATH
		{"runc", nil, new(string)},
		{"unshare", nil, &found.Unshare},
		{"nsenter", nil, &found.Nsenter},
	} {
		if *program.path = find(program.name, program.dirs); *program.path == "" {
			missing = append(missing, program.name)
		}
	}
	var faults []error
	if len(missing) > 0 {
		faults = append(faults, fmt.Errorf("no %s: `make controlplane` builds kubelet, the packages containerd, runc and util-linux have the others",
			strings.Join(missing, ", no ")))
	}
	if os.Geteuid() != 0 {
		faults = append(faults, errors.New("only root may run a node"))
	}
	return found, errors.Join(faults...)
}

func find(name string, dirs []string) string {
	for _, dir := range dirs {
		// Absolute, because LookPath refuses what is found in the working folder.
		if path, err := filepath.Abs(filepath.Join(dir, name)); err == nil {
			if path, err = exec.LookPath(path); err == nil {
				return path
			}
		}
	}
	if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
		return path
	}
	return ""
}
