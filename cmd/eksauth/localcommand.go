package main

import (
	"context"
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
func (l *local) run(ctx context.Context, command []string) error {
	// Ctrl-C reaches the command by itself, being in our process group; it, not
	// we, decides what to do about it.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = l.In, l.Out, l.Err
	cmd.Env = l.env.Environ(os.Environ())
	cmd.Cancel = func() error {
		select {
		case <-interrupts:
			return nil
		default:
			return cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		return cli.Hint(err, "the command stands after --, as in: eksauth local -- aws sts get-caller-identity")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return exitCode(err)
	case err := <-l.failed:
		_ = cmd.Process.Signal(syscall.SIGTERM) // what it needs is gone
		<-ended
		return err
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
