//go:build unix

package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role makes this test binary play a child, or a parent of one, instead.
const role = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "obedient":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("up")
		<-stop
		fmt.Println("stopped in order")
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		time.Sleep(time.Minute)
	case "failing":
		for i := range 100 {
			fmt.Fprintf(os.Stderr, "line %d %s\n", i, strings.Repeat("x", 1000*(i%2)))
		}
		fmt.Fprintln(os.Stderr, "the reason")
		os.Exit(3)
	case "silent":
		os.Exit(0)
	case "environment":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "parent":
		p, err := Start(Command{Name: "child", Path: os.Args[0], Log: os.Args[1], Env: []string{role + "=deaf"}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("pid", p.PID())
		time.Sleep(time.Minute)
	}
}

func command(t *testing.T, as string) Command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command{
		Name: "the child", Path: self, Dir: t.TempDir(),
		Log: filepath.Join(t.TempDir(), "logs", "child.log"), Env: []string{role + "=" + as},
	}
}

func start(t *testing.T, as string) *Process {
	t.Helper()
	p, err := Start(command(t, as))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

func (p *Process) log(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(p.command.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func (p *Process) waitUp(t *testing.T) {
	t.Helper()
	waitFor(t, "the child to be up", func() bool {
		if p.Err() != nil {
			t.Fatal(p.Err())
		}
		return strings.HasPrefix(p.log(t), "up\n")
	})
}

func TestStopAsksFirst(t *testing.T) {
	t.Parallel()
	p := start(t, "obedient")
	p.waitUp(t)
	if p.Err() != nil {
		t.Errorf("error of a running child: %v", p.Err())
	}
	if err := p.Stop(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(p.log(t), "stopped in order\n") {
		t.Errorf("log: %s", p.log(t))
	}
	<-p.Done()
	if p.Err() != nil {
		t.Errorf("an asked-for end is an error: %v", p.Err())
	}
	if err := p.Stop(t.Context(), time.Minute); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	t.Parallel()
	p := start(t, "deaf")
	p.waitUp(t)
	err := p.Stop(t.Context(), 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "the child had to be killed: it did not end within 50ms") {
		t.Errorf("error %v", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("still there after Stop")
	}
	if p.Err() != nil {
		t.Errorf("an asked-for end is an error: %v", p.Err())
	}
}

func TestStopKillsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	p := start(t, "deaf")
	p.waitUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	p := start(t, "deaf")
	p.waitUp(t)
	for range 2 {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	}
	<-p.Done()
	if p.Err() != nil {
		t.Errorf("an asked-for end is an error: %v", p.Err())
	}
}

func TestUnaskedEndCarriesTheLog(t *testing.T) {
	t.Parallel()
	p := start(t, "failing")
	<-p.Done()
	var exit *ExitError
	if !errors.As(p.Err(), &exit) {
		t.Fatalf("error %v, want an *ExitError", p.Err())
	}
	text := p.Err().Error()
	for _, want := range []string{"the child ended (exit status 3)", p.command.Log, "line 98", "the reason"} {
		if !strings.Contains(text, want) {
			t.Errorf("error does not say %q: %s", want, text)
		}
	}
	if len(text) > tailBytes || strings.Contains(text, "line 60") {
		t.Errorf("error of %d bytes holds too much of the log", len(text))
	}
}

func TestUnaskedEndWithoutAWord(t *testing.T) {
	t.Parallel()
	p := start(t, "silent")
	<-p.Done()
	if p.Err() == nil || p.Err().Error() != "the child ended (exit status 0) and printed nothing" {
		t.Errorf("error %v", p.Err())
	}
}

func TestKilledByAnother(t *testing.T) {
	t.Parallel()
	p := start(t, "obedient")
	p.waitUp(t)
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	var exit *ExitError
	if !errors.As(p.Err(), &exit) || exit.State != "signal: killed" {
		t.Errorf("error %v", p.Err())
	}
}

func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not for children")
	p := start(t, "environment")
	<-p.Done()
	if got := p.log(t); got != role+"=environment\n" {
		t.Errorf("environment of the child: %q", got)
	}
}

func TestOldLogIsKeptOnce(t *testing.T) {
	t.Parallel()
	p := start(t, "silent")
	<-p.Done()
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(p.command.Log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Start(p.command)
		if err != nil {
			t.Fatal(err)
		}
		<-again.Done()
		if old, err := os.ReadFile(p.command.Log + ".old"); err != nil || string(old) != text {
			t.Errorf("old log %q, error %v; want %q", old, err, text)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(p.command.Log)); err != nil || len(entries) != 2 {
		t.Errorf("logs %v, error %v", entries, err)
	}
}

func TestWhatCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Command{
		"no such program": {Name: "etcd", Path: filepath.Join(dir, "etcd"), Log: filepath.Join(dir, "log")},
		"no such folder":  {Name: "etcd", Path: "/bin/sh", Dir: filepath.Join(dir, "missing"), Log: filepath.Join(dir, "log")},
		"no place to log": {Name: "etcd", Path: "/bin/sh", Log: filepath.Join(file, "log")},
	} {
		if _, err := Start(c); err == nil || !strings.HasPrefix(err.Error(), "start etcd: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestChildOutlivesTheThreadThatAskedForIt holds the reason for the thread of
// its own: had the caller's thread forked, its end would kill the child.
func TestChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	c := command(t, "obedient")
	var p *Process
	var err error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		runtime.LockOSThread() // and no unlock: the thread ends with the goroutine
		p, err = Start(c)
	}()
	if <-asked; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	p.waitUp(t)
	select {
	case <-p.Done():
		t.Fatalf("gone with the thread: %v", p.Err())
	case <-time.After(200 * time.Millisecond):
	}
}
