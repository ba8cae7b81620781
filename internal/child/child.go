package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
)

// reapTimeout bounds the wait for a process that was sent SIGKILL; only a fault
// of the kernel or of a disk takes that long.
const reapTimeout = 10 * time.Second

// Command says what to run.
type Command struct {
	Name string   // what errors call it
	Path string   // the program
	Args []string // without the program's own name
	Dir  string   // working folder
	Log  string   // file for what it prints; the one of the run before becomes Log + ".old"

	// Env is its whole environment. Nothing is inherited: the parent's may hold
	// credentials, and variables that the child would take for settings.
	Env []string
}

// Process is a child that was started.
type Process struct {
	command  Command
	cmd      *exec.Cmd
	stopping atomic.Bool

	done chan struct{}
	err  error // to be read once done is closed
}

// Start runs c. Somebody must call Stop, or wait for Done.
func Start(c Command) (*Process, error) {
	log, err := openLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append([]string{}, c.Env...) // not nil, which would mean inherit
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	p := &Process{command: c, cmd: cmd, done: make(chan struct{})}

	started := make(chan error, 1)
	go func() {
		// On Linux the kernel ties the signal that a child gets at its parent's
		// death to the parent's thread, not to the process (prctl(2),
		// PR_SET_PDEATHSIG). So the thread must live, and serve nobody else who
		// might end it, for as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		log.Close()
		started <- err
		if err == nil {
			p.end(cmd.Wait())
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// One old log is kept, so that logs do not grow from run to run for ever.
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (p *Process) end(err error) {
	if !p.stopping.Load() {
		state := "exit status 0"
		if err != nil {
			state = err.Error()
		}
		p.err = &ExitError{Name: p.command.Name, State: state, Log: p.command.Log, LastLines: tail(p.command.Log)}
	}
	close(p.done)
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns an *ExitError once the process has ended without being asked to,
// and nil otherwise.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Stop asks the process to end, and kills it when it has not ended after grace
// or when ctx is done. It returns once the process is gone; the error says that
// it had to be killed. A process that has ended already is fine.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	p.stopping.Store(true)
	if err := terminate(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.command.Name, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var cause error
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		cause = fmt.Errorf("it did not end within %v", grace)
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("%s had to be killed: %w", p.command.Name, cause)
}

// Kill ends the process at once and returns when it is gone.
func (p *Process) Kill() error {
	p.stopping.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.command.Name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(reapTimeout):
		return fmt.Errorf("%s (process %d) was killed and is still there after %v", p.command.Name, p.PID(), reapTimeout)
	}
}
