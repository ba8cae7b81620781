package main

import (
	"os"
	"strings"
	"testing"
)

// The outputs in the guide are those that the script compares with real ones.
func TestTrustPolicyGuideShowsRealOutput(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/trust-policy.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/iam_lint.txtar")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```\n$ eksauth iam ")
	for _, block := range blocks[1:] {
		command, rest, _ := strings.Cut(block, "\n")
		output, _, _ := strings.Cut(rest, "```\n")
		if !strings.Contains(string(script), "exec eksauth iam "+command+"\n") || !strings.Contains(string(script), output) {
			t.Errorf("no script runs eksauth iam %s and compares its output with that of the guide", command)
		}
	}
	if len(blocks) != 3 {
		t.Errorf("%d outputs found in the guide", len(blocks)-1)
	}
}
