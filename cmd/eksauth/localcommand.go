package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/eksauth/eksauth/internal/cli"
)

// stopGrace is what a command gets to end by itself when we are told to stop.
const stopGrace = 10 * time.Second

// run executes a command in the local environment and ends with its exit code:
// that is how a CI job uses it.
//
// Ctrl-C reaches the command by itself, being in our process group: what to do
// about it is the command's decision, for as long as it likes. When we are told
// to end (SIGTERM, SIGHUP), it is told too, and has some seconds.
func (l *local) run(command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = l.In, l.Out, l.Err
	cmd.Env = l.env.Environ(os.Environ())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return cli.Hint(err, "the command stands after --, as in: eksauth local -- aws sts get-caller-identity")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var patience <-chan time.Time // nil until the command was told to end
	var broken error
	for {
		select {
		case err := <-ended:
			if broken != nil {
				return broken
			}
			return exitCode(err)
		case s := <-signals:
			if s != os.Interrupt {
				_ = cmd.Process.Signal(s)
				patience = time.After(stopGrace)
			}
		case broken = <-l.failed: // what the command needs is gone
			_ = cmd.Process.Signal(syscall.SIGTERM)
			patience = time.After(stopGrace)
		case <-patience:
			_ = cmd.Process.Kill()
		}
	}
}

// exitCode is the command's own, or 128 and the signal that ended it, as shells
// say it.
func exitCode(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("run the command: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &cli.ExitError{Code: 128 + int(status.Signal())}
	}
	return &cli.ExitError{Code: exit.ExitCode()}
}
