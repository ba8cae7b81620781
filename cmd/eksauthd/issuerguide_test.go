package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/require"
)

const issuerGuide = "../../docs/guides/issuer.md"

// The guide's blocks that are marked run one after the other in one folder, and
// init prints the flags that the guide shows.
func TestIssuerGuideRuns(t *testing.T) {
	t.Parallel()
	require.Program(t, "sh")
	doc, err := os.ReadFile(issuerGuide)
	if err != nil {
		t.Fatal(err)
	}
	dir, printed := t.TempDir(), ""
	blocks := regexp.MustCompile("(?s)<!-- run -->\n```sh\n(.*?)```\n").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks run, want 3", len(blocks))
	}
	for _, block := range blocks {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", block[1])
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", block[1], err, out)
		}
		printed += string(out)
	}
	shown := regexp.MustCompile(`(?m)^--[a-z-]+=.*$`).FindAllString(string(doc), -1)
	if len(shown) != 6 {
		t.Errorf("the guide shows %d flags, want 6", len(shown))
	}
	for _, flag := range shown {
		// The folder is another one here.
		name, file, _ := strings.Cut(flag, "/etc/kubernetes/issuer")
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `.*` + regexp.QuoteMeta(file) + `$`).MatchString(printed) {
			t.Errorf("init does not print %s:\n%s", flag, printed)
		}
	}
}

// Every other command of the guide is one that there is.
func TestIssuerGuideNamesCommandsThatExist(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(issuerGuide)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^eksauthd (issuer .*)$`).FindAllStringSubmatch(strings.ReplaceAll(string(doc), "\\\n", ""), -1)
	if len(lines) < 6 {
		t.Fatalf("the guide has %d commands", len(lines))
	}
	for _, line := range lines {
		root := newRoot(cli.IO{Out: io.Discard, Err: io.Discard})
		cmd, args, err := root.Find(strings.Fields(line[1]))
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err != nil || cmd.Name() == "issuer" {
			t.Errorf("%s: %v", line[0], err)
		}
	}
}
