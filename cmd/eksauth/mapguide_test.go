package main

import (
	"os"
	"strings"
	"testing"
)

// The outputs in the guide are those that the scripts compare with real ones.
func TestMapGuideShowsRealOutput(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/map.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for block := range strings.SplitSeq(string(guide), "```\n$ eksauth map ") {
		command, rest, _ := strings.Cut(block, "\n")
		output, _, fenced := strings.Cut(rest, "```\n")
		name, _, _ := strings.Cut(command, " ")
		if !fenced || strings.HasPrefix(block, "# ") {
			continue
		}
		blocks++
		script, err := os.ReadFile("testdata/script/map_" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(script), "exec eksauth map "+command+"\n") || !strings.Contains(string(script), output) {
			t.Errorf("no script runs eksauth map %s and compares its output with that of the guide", command)
		}
	}
	if blocks < 2 {
		t.Errorf("%d outputs found in the guide", blocks)
	}
}
