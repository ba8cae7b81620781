package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
)

// run runs a small command tree, and returns its exit code and what it said.
func run(err error, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	root := &cobra.Command{Use: "prog"}
	do := &cobra.Command{Use: "do", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Fprint(cmd.OutOrStdout(), "done")
		return err
	}}
	do.Flags().Int("n", 0, "")
	root.AddCommand(do)
	code = cli.Run(root, cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &errOut, Getenv: func(string) string { return "" }}, args)
	return code, out.String(), errOut.String()
}

func TestExitCodes(t *testing.T) {
	base := errors.New("it broke")
	for _, tc := range []struct {
		name   string
		err    error
		args   []string
		code   int
		stderr string
	}{
		{"success", nil, []string{"do"}, 0, ""},
		{"failure", base, []string{"do"}, 1, "prog: it broke\n"},
		{"failure with a hint", cli.Hint(base, "mend %s", "it"), []string{"do"}, 1, "prog: it broke\n  hint: mend it\n"},
		{"hint beneath", fmt.Errorf("outer: %w", cli.Hint(base, "mend it")), []string{"do"}, 1, "prog: outer: it broke\n  hint: mend it\n"},
		{"usage", cli.Usage("no %s", "name"), []string{"do"}, 2, "prog: no name\n"},
		{"a code of its own", &cli.ExitError{Code: 7}, []string{"do"}, 7, ""},
		{"a code and words", &cli.ExitError{Code: 7, Err: base}, []string{"do"}, 7, "prog: it broke\n"},
		{"unknown flag", nil, []string{"do", "--m"}, 2, "prog: unknown flag: --m\n  hint: prog do --help\n"},
		{"bad value", nil, []string{"do", "--n", "x"}, 2, "prog: invalid argument \"x\" for \"--n\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n  hint: prog do --help\n"},
		{"too many arguments", nil, []string{"do", "x"}, 2, "prog: unknown command \"x\" for \"prog do\"\n  hint: prog do --help\n"},
		{"unknown command", nil, []string{"nothing"}, 2, "prog: unknown command \"nothing\" for \"prog\"\n  hint: prog --help\n"},
		{"a slip", nil, []string{"doo"}, 2, "prog: unknown command \"doo\" for \"prog\"\n  hint: did you mean prog do?\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, stderr := run(tc.err, tc.args...)
			if code != tc.code || stderr != tc.stderr {
				t.Errorf("exit code %d, stderr %q; want %d, %q", code, stderr, tc.code, tc.stderr)
			}
		})
	}
}

func TestHintOfNothingIsNothing(t *testing.T) {
	if err := cli.Hint(nil, "do something"); err != nil {
		t.Errorf("%v", err)
	}
}

// A file, and a buffer, are no terminals: no colours.
func TestStyleOnlyOnATerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	none := func(string) string { return "" }
	if got := cli.StyleFor(f, none).Good("x"); got != "x" {
		t.Errorf("to a file: %q", got)
	}
	if got := cli.StyleFor(&bytes.Buffer{}, none).Bad("x"); got != "x" {
		t.Errorf("to a buffer: %q", got)
	}
}
