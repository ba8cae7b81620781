package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of both programs.
const (
	ExitFailed = 1 // refused, or it did not work
	ExitUsage  = 2 // the command line is not right
	ExitBlind  = 3 // nothing is known to be wrong, because it could not be found out
)

// IO is where a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
}

// System is the process's own IO.
func System() IO {
	return IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
}

// Hint adds to an error what its reader can do about it.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// Usage marks an error as the command line's.
func Usage(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// ExitError ends the program with a code of its own. Without Err nothing is
// printed: the reason has been said already.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// UntilSignal is ctx until the process is told to stop (SIGINT, SIGTERM, or
// SIGHUP when its terminal closes). A second signal kills. It is for commands that stay: the others just die, and
// start without the cost of a signal handler.
func UntilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Run executes root with args and returns the exit code.
func Run(root *cobra.Command, stdio IO, args []string) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	// Making the completion command costs more than all others together.
	root.CompletionOptions.HiddenDefaultCmd = true
	root.CompletionOptions.DisableDefaultCmd = len(args) == 0 || args[0] != "completion"
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Hint(Usage("%w", err), "%s --help", cmd.CommandPath())
	})
	strict(root)
	return report(root, stdio.Err, root.ExecuteContext(context.Background()))
}

// strict turns every wrong number of arguments into a usage error. cobra's own
// have no type, so they cannot be told from failures; and for a group of
// commands it would print the help and call an unknown one a success.
func strict(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			hint := cmd.CommandPath() + " --help"
			if similar := suggestions(cmd, args); len(similar) > 0 {
				hint = "did you mean " + cmd.CommandPath() + " " + similar[0] + "?"
			}
			return Hint(Usage("%w", err), "%s", hint)
		}
		return nil
	}
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

func suggestions(cmd *cobra.Command, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	return cmd.SuggestionsFor(args[0])
}

func report(root *cobra.Command, stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code := ExitFailed
	var exit *ExitError
	if errors.As(err, &exit) {
		code = exit.Code
		if exit.Err == nil {
			return code
		}
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.Name(), err)
	var h *hinted
	if errors.As(err, &h) && h.hint != "" {
		fmt.Fprintf(stderr, "  hint: %s\n", h.hint)
	}
	return code
}
