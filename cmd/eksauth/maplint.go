package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newMapLint() *cobra.Command {
	var source mapSource
	var out output
	var strict bool
	var against string
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Say what is wrong with the mappings; for CI",
		Long: `Say what is wrong with the mappings, with the line and the fix. The exit code is
1 if anything is an error: an entry that is not used, or a text that cannot be
read. With --strict a warning is enough.

--against FILE, or --against cluster, judges the edit from there to here as well, as
the guard does: an error is also what takes away the last mapping to system:masters,
one that nodes sign in by, or all of them.

-o github prints annotations for a GitHub workflow, -o sarif a SARIF 2.1.0 file
for code scanning.`,
		Example: `  eksauth map lint -f aws-auth.yaml
  eksauth map lint -f aws-auth.yaml --strict -o github
  eksauth map lint -f aws-auth.yaml -o sarif > aws-auth.sarif
  git show main:aws-auth.yaml | eksauth map lint -f aws-auth.yaml --against -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.mapLint(cmd.Context(), &source, against, out.value, strict)
		},
	}
	source.addFlags(cmd)
	addOutput(cmd, &out, "text", "json", "github", "sarif")
	cmd.Flags().StringVar(&against, "against", "", "`file` with the mappings before, - for standard input, or the word cluster")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return cmd
}

// findings is what map lint prints as JSON.
type findings struct {
	what     string // aws-auth, trust-policy
	rules    []sarifRule
	Source   string    `json:"source"`
	File     string    `json:"file,omitempty"`
	Findings []finding `json:"findings"`
}

type finding struct {
	listedFault
	FileLine   int `json:"fileLine,omitempty"`   // Line counts within the text of the key
	FileColumn int `json:"fileColumn,omitempty"` // in bytes, from 1; 0 if it is not known
}

func (p *program) mapLint(ctx context.Context, source *mapSource, against, format string, strict bool) error {
	data, lineOf, err := p.readData(ctx, source)
	if err != nil {
		return err
	}
	all := findings{what: awsAuth, rules: mapRules(), Source: source.name(), Findings: []finding{}}
	if source.file != "-" {
		all.File = filepath.ToSlash(source.file)
	}
	failed := false
	for _, f := range newListing(all.Source, awsauth.ParseConfigMap(data)).Faults {
		all.Findings = append(all.Findings, finding{listedFault: f, FileLine: lineOf(f.Key, f.Line)})
		failed = failed || strict || f.Severity == awsauth.Error.String()
	}
	if against != "" {
		lost, err := p.lost(ctx, source, against, data)
		if err != nil {
			return err
		}
		all.Findings = append(all.Findings, lost...)
		failed = failed || len(lost) > 0
	}
	if err = p.writeFindings(all, format); err == nil && failed {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return err
}

// writeFindings writes them for people, or for whoever the format is for.
func (p *program) writeFindings(all findings, format string) error {
	switch format {
	case "json":
		return writeJSON(p.Out, all)
	case "github":
		return p.printAnnotations(all)
	case "sarif":
		return writeJSON(p.Out, newSARIF(all))
	}
	return p.printFindings(all)
}

// writeAllFindings writes those of several sources: JSON as an array, unless it is one.
func (p *program) writeAllFindings(all []findings, format string) error {
	switch {
	case format == "sarif":
		return writeJSON(p.Out, newSARIF(all...))
	case format == "json" && len(all) > 1:
		return writeJSON(p.Out, all)
	}
	for _, one := range all {
		if err := p.writeFindings(one, format); err != nil {
			return err
		}
	}
	return nil
}

// lost are the problems of the edit that leads to data, beside the faults of data.
func (p *program) lost(ctx context.Context, source *mapSource, against string, data map[string]string) ([]finding, error) {
	before := mapSource{file: against, cluster: source.cluster}
	if against == "cluster" {
		before.file = ""
	}
	if against == "-" && source.file == "-" {
		return nil, cli.Usage("standard input can be read once: give --against or -f a file")
	}
	old, _, err := p.readData(ctx, &before)
	if err != nil {
		return nil, err
	}
	edit := newEdit(old, data)
	edit.NodesExist = true
	var list []finding
	for _, problem := range guard.Check(edit).Problems {
		if problem.Loss { // the others are among the faults
			list = append(list, finding{listedFault: listedFault{
				Key: problem.Key, Severity: awsauth.Error.String(), Rule: lossRule, Message: problem.Message, Hint: problem.Hint,
			}})
		}
	}
	return list, nil
}

// lossRule is what an edit may break, and no document alone.
const lossRule awsauth.Rule = "no-loss"

func (p *program) printFindings(all findings) error {
	style := cli.StyleFor(p.Out, p.Getenv)
	for _, f := range all.Findings {
		where := printable(all.Source)
		if f.FileLine > 0 {
			where += fmt.Sprintf(":%d", f.FileLine)
		}
		if f.FileColumn > 0 {
			where += fmt.Sprintf(":%d", f.FileColumn)
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
		if f.FileColumn > 0 {
			place += fmt.Sprintf("col=%d,", f.FileColumn)
		}
		if _, err := fmt.Fprintf(p.Out, "::%s %stitle=%s::%s\n", f.Severity, place, property.Replace(strings.TrimSpace(all.what+" "+f.Key)), data.Replace(f.advice())); err != nil {
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
