package main

import (
	"os"
	"strings"
	"testing"
)

func TestMapGuideShowsRealOutput(t *testing.T) { guideShowsRealOutput(t, "map", "map", 2) }

func TestDoctorGuideShowsRealOutput(t *testing.T) { guideShowsRealOutput(t, "doctor", "doctor", 1) }

func TestTrustPolicyGuideShowsRealOutput(t *testing.T) {
	guideShowsRealOutput(t, "trust-policy", "iam", 2)
}

// guideShowsRealOutput holds a guide to the scripts: what it shows of a command is
// what a script of that command compares with what is really printed.
func guideShowsRealOutput(t *testing.T, name, group string, least int) {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guides/" + name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for block := range strings.SplitSeq(string(guide), "```\n$ eksauth "+group+" ") {
		command, rest, _ := strings.Cut(block, "\n")
		output, _, fenced := strings.Cut(rest, "```\n")
		sub, _, _ := strings.Cut(command, " ")
		if !fenced || strings.HasPrefix(block, "# ") {
			continue
		}
		blocks++
		script, err := os.ReadFile("testdata/script/" + group + "_" + strings.ReplaceAll(sub, "-", "_") + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(script), "exec eksauth "+group+" "+command+"\n") || !strings.Contains(string(script), output) {
			t.Errorf("no script runs eksauth %s %s and compares its output with that of the guide", group, command)
		}
	}
	if blocks < least {
		t.Errorf("%d outputs found in the guide", blocks)
	}
}
