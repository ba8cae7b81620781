package child

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestChildDiesWithAKilledParent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, filepath.Join(t.TempDir(), "child.log"))
	parent.Env = []string{role + "=parent"}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	var pid int
	if _, err := fmt.Fscanf(out, "pid %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the child did not live")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the child to die", func() bool { return !alive(pid) })
}

// alive is false for a zombie, too: who reaps it is then not the parent's to say.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	var name string
	var state byte
	fmt.Sscanf(string(stat), "%d %s %c", new(int), &name, &state)
	return state != 'Z' && state != 'X'
}
