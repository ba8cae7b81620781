package cli_test

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
)

func TestNewBuild(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Main: debug.Module{Version: "v0.3.1"}, Settings: []debug.BuildSetting{
		{Key: "-trimpath", Value: "true"},
		{Key: "vcs.revision", Value: "593c4c4"},
		{Key: "vcs.time", Value: "2026-11-26T22:41:05Z"},
		{Key: "vcs.modified", Value: "true"},
	}}
	want := cli.Build{
		Program: "eksauthd", Version: "v0.3.1", Revision: "593c4c4", Time: time.Date(2026, 11, 26, 22, 41, 5, 0, time.UTC), Modified: true,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if got := cli.NewBuild("eksauthd", info); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	text, err := json.Marshal(cli.NewBuild("eksauthd", &debug.BuildInfo{}))
	if err != nil || strings.Contains(string(text), "revision") || strings.Contains(string(text), "time") {
		t.Errorf("what is not known is said: %s %v", text, err)
	}
}

func TestVersionCommand(t *testing.T) {
	t.Parallel()
	version := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		root := &cobra.Command{Use: "prog"}
		root.AddCommand(cli.NewVersion("prog"))
		code := cli.Run(root, cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &errs}, append([]string{"version"}, args...))
		return code, out.String(), errs.String()
	}
	if code, out, _ := version(); code != 0 || !strings.HasPrefix(out, "prog ") || !strings.Contains(out, "\n  built by  "+runtime.Version()+" for ") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ := version("-o", "json")
	var build cli.Build
	if err := json.Unmarshal([]byte(out), &build); err != nil || code != 0 || build != cli.ReadBuild("prog") {
		t.Errorf("%d %s %v", code, out, err)
	}
	if code, _, errs := version("-o", "xml"); code != cli.ExitUsage || !strings.Contains(errs, "hint: prog version -o json") {
		t.Errorf("%d %s", code, errs)
	}
}
