package shell_test

import (
	"os/exec"
	"testing"

	"github.com/eksauth/eksauth/internal/shell"
)

// A real shell reads back what was meant.
func TestAShellReadsItBack(t *testing.T) {
	for _, s := range []string{"", "plain", "a b", "it's", `"$HOME" \ $(id) ` + "`id`", "line\nbreak", "ünï", "-n", "*"} {
		for name, quote := range map[string]func(string) string{"Quote": shell.Quote, "Word": shell.Word, "Path": shell.Path} {
			out, err := exec.Command("sh", "-c", "printf %s "+quote(s)).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(out); got != s && !(name == "Path" && got == "./"+s) {
				t.Errorf("%s(%q): the shell reads %q", name, s, got)
			}
		}
	}
}

func TestPathQuotesOnlyIfItMust(t *testing.T) {
	for s, want := range map[string]string{"env": "./env", "dev/env": "dev/env", "/a b/env": "'/a b/env'"} {
		if got := shell.Path(s); got != want {
			t.Errorf("Path(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestWordQuotesOnlyIfItMust(t *testing.T) {
	for s, want := range map[string]string{"env": "env", "--out=a": "--out=a", "": "''", "{.a}": "'{.a}'"} {
		if got := shell.Word(s); got != want {
			t.Errorf("Word(%q) = %q, want %q", s, got, want)
		}
	}
}
