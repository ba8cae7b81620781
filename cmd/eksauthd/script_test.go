package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eksauth/eksauth/internal/leaktest"
)

func TestMain(m *testing.M) {
	testscript.Main(leaktest.M{M: m}, map[string]func(){"eksauthd": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"waitfor":   waitFor,
			"terminate": terminate,
		},
	})
}

// exits runs a program that must end with this code: exits CODE PROGRAM ARGS…
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// waitFor waits for a text in a file: waitfor FILE TEXT
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(readIfThere(ts, args[0]), args[1]) {
			return
		}
	}
	ts.Fatalf("%s has no %q after 20 s:\n%s", args[0], args[1], readIfThere(ts, args[0]))
}

func readIfThere(ts *testscript.TestScript, name string) string {
	text, err := os.ReadFile(ts.MkAbs(name))
	if err != nil {
		return ""
	}
	return string(text)
}

// terminate sends SIGTERM to what runs in the background, as a kubelet does.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
