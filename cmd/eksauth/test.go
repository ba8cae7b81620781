package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/authtest"
	"github.com/eksauth/eksauth/internal/cli"
)

type testFlags struct {
	output output
	run    string
	all    bool
	schema bool
}

func (p *program) newTest() *cobra.Command {
	f := &testFlags{}
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Unit tests for trust policies, identity policies and aws-auth",
		Long: `Unit tests for trust policies, identity policies and aws-auth, for a repository
and its CI. A file says what is expected of policies and manifests beside it:

  roles:
    - {name: api, trustPolicy: trust/api.json}
  clusters:
    - {name: prod, issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", awsAuth: aws-auth.yaml}
  tests:
    - name: the api is the api role, and the batch jobs are not
      serviceAccount: payments/api
      mayAssume: [api]
    - serviceAccount: payments/batch
      mayNotAssume: [api]
    - role: api
      only: [payments/api]
    - principal: user/ada.lovelace
      signsInAs: ada.lovelace
      groups: [awesome-app-admin]

The engines of the local AWS and of the authenticator decide, without a server, a
cluster or an account. A failed expectation prints their reasons.`,
		Example: `  eksauth test auth_test.yaml
  eksauth test --run payments tests/*.yaml
  eksauth test -o junit auth_test.yaml > report.xml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if f.schema {
				_, err := p.Out.Write(authtest.Schema)
				return err
			}
			if len(args) == 0 {
				return cli.Hint(cli.Usage("there is no file of tests"), "eksauth test FILE…")
			}
			return p.test(args, f)
		},
	}
	cmd.Flags().StringVar(&f.run, "run", "", "only tests whose name matches the regular `expression`")
	cmd.Flags().BoolVarP(&f.all, "verbose", "v", false, "show what passed, and why")
	cmd.Flags().BoolVar(&f.schema, "schema", false, "print the JSON Schema of such files, for editors")
	addOutput(cmd, &f.output, "text", "json", "tap", "junit")
	return cmd
}

func (p *program) test(files []string, f *testFlags) error {
	var match *regexp.Regexp
	if f.run != "" {
		var err error
		if match, err = regexp.Compile(f.run); err != nil {
			return cli.Usage("--run: %v", err)
		}
	}
	results := []authtest.Result{}
	begin := time.Now()
	for _, file := range files {
		some, err := p.testFile(file, match)
		if err != nil {
			return err
		}
		results = append(results, some...)
	}
	if len(results) == 0 {
		return cli.Hint(cli.Usage("no test has a name that matches %q", f.run), "leave --run out to run all")
	}
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	if err := p.report(results, f, failed, time.Since(begin)); err != nil {
		return err
	}
	if failed > 0 {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return nil
}

func (p *program) testFile(file string, match *regexp.Regexp) ([]authtest.Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	suite, err := authtest.Parse(file, text)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	results, warnings, err := suite.Run(match)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	for _, w := range warnings {
		fmt.Fprintln(p.Err, "warning:", w)
	}
	return results, nil
}

func (p *program) report(results []authtest.Result, f *testFlags, failed int, took time.Duration) error {
	switch f.output.value {
	case "json":
		return writeJSON(p.Out, results)
	case "tap":
		return authtest.WriteTAP(p.Out, results)
	case "junit":
		return authtest.WriteJUnit(p.Out, results)
	}
	style := cli.StyleFor(p.Out, p.Getenv)
	for _, r := range results {
		if r.Passed && !f.all {
			continue
		}
		mark := style.Good("✓")
		if !r.Passed {
			mark = style.Bad("✗")
		}
		fmt.Fprintf(p.Out, "%s %s\n", mark, style.Strong(r.Test))
		fmt.Fprintf(p.Out, "  %s:%d: %s\n", r.File, r.Line, r.Expect)
		for line := range strings.Lines(r.Reason) {
			fmt.Fprintf(p.Out, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	_, err := fmt.Fprintf(p.Out, "%s\n", style.Strong(fmt.Sprintf("%d passed, %d failed, in %s", len(results)-failed, failed, took.Round(100*time.Microsecond))))
	return err
}
