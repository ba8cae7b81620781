// Package leaktest checks that the tests of a program leave nothing running, where
// another package wants to end the process itself and goleak.VerifyTestMain can't.
package leaktest

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// M fails if the tests passed and left something running.
type M struct{ *testing.M }

// Run runs the tests and returns the exit code.
func (m M) Run() int {
	code := m.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests left something running:", err)
		return 1
	}
	return 0
}
