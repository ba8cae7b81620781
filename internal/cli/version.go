package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// Build is what the Go tool recorded when it built a program. Of a program that
// was not built in a clone of the repository the commit is not known.
type Build struct {
	Program  string    `json:"program"`
	Version  string    `json:"version"` // of the module
	Revision string    `json:"revision,omitempty"`
	Time     time.Time `json:"time,omitzero"`      // of the commit
	Modified bool      `json:"modified,omitempty"` // since the commit
	Go       string    `json:"go"`
	Platform string    `json:"platform"` // such as linux/amd64
}

// ReadBuild is the program that runs.
func ReadBuild(program string) Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{Main: debug.Module{Version: "unknown"}}
	}
	return NewBuild(program, info)
}

// NewBuild reads a record of the Go tool's.
func NewBuild(program string, info *debug.BuildInfo) Build {
	b := Build{Program: program, Version: info.Main.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time, _ = time.Parse(time.RFC3339, s.Value)
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b Build) print(w io.Writer) error {
	commit := "not known"
	if b.Revision != "" {
		commit = b.Revision
		if !b.Time.IsZero() {
			commit += " of " + b.Time.Format(time.RFC3339)
		}
		if b.Modified {
			commit += ", and changes"
		}
	}
	_, err := fmt.Fprintf(w, "%s %s\n  commit    %s\n  built by  %s for %s\n", b.Program, b.Version, commit, b.Go, b.Platform)
	return err
}

// NewVersion is the command that prints which program this is.
func NewVersion(program string) *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit it was built from",
		Example: "  " + program + " version\n  " + program + " version -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch build, out := ReadBuild(program), cmd.OutOrStdout(); output {
			case "text":
				return build.print(out)
			case "json":
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(build)
			}
			return Hint(Usage("-o %q: it is text or json", output), "%s version -o json", program)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "output: text or json")
	return cmd
}

// Version is the build in one line, for logs.
func Version() string {
	b := ReadBuild("")
	v := b.Version
	if b.Revision != "" {
		v += " " + b.Revision
	}
	return v + " " + b.Go + " " + b.Platform
}
