package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNothingOutlivesAKilledParent runs a control plane in another process, kills
// that with SIGKILL, and then runs one on the same folder, where all is still there
// that was answered.
func TestNothingOutlivesAKilledParent(t *testing.T) {
	b := binaries(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), helperDir+"="+dir)
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	var children pids
	if err := json.NewDecoder(out).Decode(&children); err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]int{"etcd": children.Etcd, "kube-apiserver": children.APIServer} {
		if !alive(pid, name) {
			t.Fatalf("%s (%d) did not live", name, pid)
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the children to die", func() bool {
		return !alive(children.Etcd, "etcd") && !alive(children.APIServer, "kube-apiserver")
	})

	c := New(Config{Dir: dir, Binaries: b, NoSync: true, Log: testLog(t)})
	if err := c.Start(t.Context()); err != nil {
		t.Fatalf("on the folder of the run that was killed: %v", err)
	}
	mustKubectl(t, c, "get", "configmap", "answered")
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// alive is false for a zombie, too: who reaps it is then not the parent's to say.
// The name tells the process from a later one of the same number; the kernel
// keeps 15 bytes of it (proc(5)).
func alive(pid int, name string) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, ok := strings.Cut(string(stat), "("+name[:min(15, len(name))]+") ")
	return ok && !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}
