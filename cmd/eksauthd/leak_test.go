package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leakless fails if the tests passed and left something running.
type leakless struct{ *testing.M }

func (m leakless) Run() int {
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
