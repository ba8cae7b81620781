package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newMapLint() *cobra.Command {
	var source mapSource
	var out output
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Say what is wrong with the mappings; for CI",
		Long: `Say what is wrong with the mappings, with the line and the fix. The exit code is
1 if anything is an error: an entry that is not used, or a text that cannot be
read. With --strict a warning is enough.

-o github prints annotations for a GitHub workflow, -o sarif a SARIF 2.1.0 file
for code scanning.`,
		Example: `  eksauth map lint -f aws-auth.yaml
  eksauth map lint -f aws-auth.yaml --strict -o github
  eksauth map lint -f aws-auth.yaml -o sarif > aws-auth.sarif`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.mapLint(cmd.Context(), &source, out.value, strict)
		},
	}
	source.addFlags(cmd)
	addOutput(cmd, &out, "text", "json", "github", "sarif")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return cmd
}

// findings is what map lint prints as JSON.
type findings struct {
	Source   string    `json:"source"`
	File     string    `json:"file,omitempty"`
	Findings []finding `json:"findings"`
}

type finding struct {
	listedFault
	FileLine int `json:"fileLine,omitempty"` // Line counts within the text of the key
}

func (p *program) mapLint(ctx context.Context, source *mapSource, format string, strict bool) error {
	data, lineOf, err := p.readData(ctx, source)
	if err != nil {
		return err
	}
	all := findings{Source: source.name(), Findings: []finding{}}
	if source.file != "-" {
		all.File = filepath.ToSlash(source.file)
	}
	failed := false
	for _, f := range newListing(all.Source, awsauth.ParseConfigMap(data)).Faults {
		all.Findings = append(all.Findings, finding{f, lineOf(f.Key, f.Line)})
		failed = failed || strict || f.Severity == awsauth.Error.String()
	}
	switch format {
	case "json":
		err = writeJSON(p.Out, all)
	case "github":
		err = p.printAnnotations(all)
	case "sarif":
		err = writeJSON(p.Out, newSARIF(all))
	default:
		err = p.printFindings(all)
	}
	if err == nil && failed {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return err
}

func (p *program) printFindings(all findings) error {
	style := cli.StyleFor(p.Out, p.Getenv)
	for _, f := range all.Findings {
		where := printable(all.Source)
		if f.FileLine > 0 {
			where += fmt.Sprintf(":%d", f.FileLine)
		}
		fmt.Fprintf(p.Out, "%s %s: %s\n", f.mark(style), where, printable(f.String()))
		f.printHint(p.Out, style)
	}
	if len(all.Findings) == 0 {
		fmt.Fprintf(p.Out, "%s %s: nothing is wrong\n", style.Good("✓"), printable(all.Source))
	}
	return nil
}

// printAnnotations writes workflow commands of GitHub Actions
// (docs.github.com, "Workflow commands for GitHub Actions").
func (p *program) printAnnotations(all findings) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range all.Findings {
		var place string
		if all.File != "" {
			place = "file=" + property.Replace(all.File) + ","
		}
		if f.FileLine > 0 {
			place += fmt.Sprintf("line=%d,", f.FileLine)
		}
		if _, err := fmt.Fprintf(p.Out, "::%s %stitle=aws-auth %s::%s\n", f.Severity, place, property.Replace(f.Key), data.Replace(f.advice())); err != nil {
			return err
		}
	}
	return nil
}

// advice is what is wrong, and what to do about it.
func (f finding) advice() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "; " + f.Hint
}
