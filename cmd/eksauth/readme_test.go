package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The README's transcript is what the tour really prints: each of its lines
// comes in a real run, in that order. (The README leaves lines out.)
func TestREADMETranscriptIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "<!-- transcript:")
	_, rest, fenced := strings.Cut(rest, "```\n")
	transcript, _, closed := strings.Cut(rest, "```\n")
	if !ok || !fenced || !closed {
		t.Fatal("the README has no transcript")
	}
	cmd := exec.Command("eksauth", "local", "--data-dir", t.TempDir(), "--tour", "--", "true")
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the tour: %v\n%s", err, out)
	}
	rest = string(out)
	for line := range strings.Lines(transcript) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if _, rest, ok = strings.Cut(rest, line); !ok {
			t.Fatalf("the tour does not print, after what the README has before it:\n%s\nit prints:\n%s", line, out)
		}
	}
}
