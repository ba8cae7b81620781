package require

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// variable names the programs that must be there.
const variable = "EKSAUTH_REQUIRE"

// Program returns the path of the program called name on PATH, such as "aws" or
// "kubectl". Without it the test ends: skipped, or failed if EKSAUTH_REQUIRE has
// the name.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Found(t, name, err)
	return path
}

// Found is Program for what is found in another way: err is why it was not, or
// nil. The name is what EKSAUTH_REQUIRE calls it, such as "controlplane".
func Found(t testing.TB, name string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case slices.Contains(strings.FieldsFunc(os.Getenv(variable), isSeparator), name):
		t.Fatalf("%s is required (%s=%s) and missing: %v", name, variable, os.Getenv(variable), err)
	default:
		t.Skipf("skipped, this test needs %s: %v (%s=%s makes this a failure)", name, err, variable, name)
	}
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' }
