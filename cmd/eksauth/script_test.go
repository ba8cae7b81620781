package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eksauth/eksauth/internal/leaktest"
)

func TestMain(m *testing.M) {
	testscript.Main(leaktest.M{M: m}, map[string]func(){"eksauth": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// A home of its own, AWS's documentation key, and no way to reach
			// instance metadata.
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("EXAMPLE_ID", "AKIAIOSFODNN7EXAMPLE")
			env.Setenv("EXAMPLE_SECRET", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
			return os.MkdirAll(home, 0o755)
		},
	})
}
