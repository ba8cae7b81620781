package drills

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/child"
)

// replica is an eksauthd of its own process, which can be started again.
type replica struct {
	name string
	args []string
	log  string

	process *child.Process
	address string // host:port where it serves
}

// environment makes client-go find out sooner that a connection is dead.
var environment = []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS=1", "HTTP2_PING_TIMEOUT_SECONDS=1"}

// group is the replicas behind one balancer.
type group struct {
	replicas []*replica
	balancer *balancer
}

// lead leads to the replicas as they are now.
func (g *group) lead() { g.balancer.set(g.replicas[0].address, g.replicas[1].address) }

// eachReplica does something to all four in turn.
func (r *rig) eachReplica(do func(i int, g *group)) {
	for _, g := range []*group{{r.authenticators, r.signIn}, {r.mutants, r.admission}} {
		for i := range g.replicas {
			time.Sleep(pause())
			do(i, g)
		}
	}
	time.Sleep(pause())
}

// newReplica starts one. Those that run at the end are stopped then.
func (r *rig) newReplica(t *testing.T, name string, args ...string) *replica {
	t.Helper()
	p := &replica{name: name, args: args, log: filepath.Join(r.dir, "logs", name+".log")}
	p.start(t)
	return p
}

// start waits until it is ready.
func (p *replica) start(t *testing.T) {
	t.Helper()
	var err error
	p.process, err = child.Start(child.Command{Name: p.name, Path: filepath.Join(built, "eksauthd"), Args: p.args, Log: p.log, Env: environment})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, p.name+" is ready", func() bool {
		if err := p.process.Err(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(p.said(t)) {
			if where, ok := strings.CutPrefix(line, "serving "); ok {
				u, err := url.Parse(strings.TrimSpace(where))
				if err != nil {
					t.Fatal(err)
				}
				p.address = u.Host
			}
			if line == "ready\n" {
				return true
			}
		}
		return false
	})
}

// said is its log since it was started.
func (p *replica) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// kill is kill -9.
func (p *replica) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.process.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.process.Done()
}

// stop is SIGTERM, and the end of a replica in order.
func (p *replica) stop(t *testing.T) {
	t.Helper()
	if err := p.process.Stop(context.Background(), 40*time.Second); err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
}

// again is a process found by what it was started with, to be started anew after it
// was killed: the control plane has no such method, and should have none.
type again struct {
	pid     int
	command child.Command
}

// findProcess looks for the program at path that has dir in its arguments or as its
// working folder.
func findProcess(t *testing.T, path, dir string) again {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skipf("skipped, this drill needs /proc: %v", err)
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !strings.HasPrefix(string(line), path+"\x00") {
			continue
		}
		wd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if err != nil || !strings.Contains(string(line), dir) && !strings.HasPrefix(wd, dir) {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		return again{pid, child.Command{
			Name: filepath.Base(path), Path: path, Args: args[1:], Dir: wd,
			Log: filepath.Join(dir, "logs", filepath.Base(path)+"-again.log"), Env: strings.Split(strings.TrimSuffix(string(env), "\x00"), "\x00"),
		}}
	}
	t.Fatalf("no process %s of %s", path, dir)
	return again{}
}

// kill waits until it is gone.
func (a again) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(a.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, a.command.Name+" is gone", func() bool { return syscall.Kill(a.pid, 0) != nil })
}

// startAgain brings it back until all drills have ended.
func (r *rig) startAgain(t *testing.T, a again) {
	t.Helper()
	p, err := child.Start(a.command)
	if err != nil {
		t.Fatal(err)
	}
	r.t.Cleanup(func() { p.Stop(context.Background(), 20*time.Second) })
}
