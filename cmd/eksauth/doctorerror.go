package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/doctor/symptom"
	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newDoctorError() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "error TEXT|-",
		Short: "Say what an error message means, what causes it and what to do; asks nobody",
		Long: `Say what an error message means, what causes it, the most likely cause first,
and for each how to check it and what mends it. The message may be of any SDK,
of the aws CLI, kubectl, kubelet, kube-apiserver, Terraform or the EKS Pod
Identity agent, in a log or in JSON, with whatever stands around it. Names in it
are put into the commands; those that it does not tell are in capital letters.

Nobody is asked. Tokens and keys in the text are not repeated. The first 64 KiB
are read. The exit code is 1 if nothing is recognised.`,
		Example: `  eksauth doctor error 'Not authorized to perform sts:AssumeRoleWithWebIdentity'
  kubectl logs deployment/api --tail 50 | eksauth doctor error -
  kubectl get nodes 2>&1 | eksauth doctor error - -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.doctorError(args, out.value) },
	}
	addOutput(cmd, &out, "text", "json")
	return cmd
}

func (p *program) doctorError(args []string, format string) error {
	text := strings.Join(args, " ") // whoever forgets to quote it is understood
	if text == "-" {
		data, err := io.ReadAll(io.LimitReader(p.In, symptom.MaxText))
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		text = string(data)
	}
	if strings.TrimSpace(text) == "" {
		return cli.Hint(cli.Usage("there is no text"), "kubectl get nodes 2>&1 | eksauth doctor error -")
	}
	matches := symptom.Recognise(text)
	if format == "json" {
		err := writeJSON(p.Out, struct {
			Matches []symptom.Match `json:"matches"`
		}{matches})
		if err == nil && len(matches) == 0 {
			return &cli.ExitError{Code: cli.ExitFailed} // the empty list has said it
		}
		return err
	}
	if len(matches) == 0 {
		return cli.Hint(errors.New("no message in this text is known"),
			`paste all lines of the error, with what follows "caused by"; or the log of the pod, of kube-apiserver or of the authenticator, `+
				"or what kubectl -v 6 or aws sts get-caller-identity print, with 2>&1")
	}
	for i, m := range matches {
		if i > 0 {
			fmt.Fprintln(p.Out)
		}
		p.printMatch(m)
	}
	return nil
}

func (p *program) printMatch(m symptom.Match) {
	style := cli.StyleFor(p.Out, p.Getenv)
	row := func(indent, name, value string) {
		if value != "" {
			fmt.Fprintf(p.Out, "%s%s  %s\n", indent, style.Dim(fmt.Sprintf("%-5s", name)), printable(value))
		}
	}
	fmt.Fprintf(p.Out, "%s %s\n", style.Bad("✗"), style.Strong(m.Title))
	row("  ", "seen", m.Excerpt)
	row("  ", "means", m.Means)
	for i, c := range m.Causes {
		fmt.Fprintf(p.Out, "\n  %d. %s\n", i+1, printable(c.Why))
		row("     ", "check", c.Check)
		row("     ", "fix", c.Fix)
	}
}
