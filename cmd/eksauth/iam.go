package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/trustpolicy"
)

func (p *program) newIAM() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "iam",
		Short:   "Trust policies of roles for service accounts: judge them, write them",
		Example: `  eksauth iam lint trust.json`,
	}
	cmd.AddCommand(p.newIAMLint(), p.newIAMTrustPolicy())
	return cmd
}

type iamLintFlags struct {
	strict, fix, diff bool
	output            output
}

func (p *program) newIAMLint() *cobra.Command {
	f := &iamLintFlags{}
	cmd := &cobra.Command{
		Use:   "lint FILE|-...",
		Short: "Say what is wrong with a trust policy for service accounts; for CI",
		Long: `Say what is wrong with a trust policy for service accounts, with line and column:
what keeps out whom it means (a wildcard under StringEquals, https:// or an ARN in a
condition key, aud for sub, …), and what lets in whom nobody meant. The exit code is 1
for an error, with --strict for a warning too.

--fix prints the policy without what can be mended mechanically, --diff the difference.
The exit code is then 1 if errors are left. A statement whose mistake is all that keeps
strangers out is not mended: only you know who was meant.

A policy may stand in the answer of aws iam get-role, and be URL-encoded, as IAM's API
has it; lines and columns are those of what was read, and an encoded one has none.`,
		Example: `  aws iam get-role --role-name web --query Role.AssumeRolePolicyDocument | eksauth iam lint -
  eksauth iam lint policies/*.json
  eksauth iam lint --fix trust.json > mended.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.fix && len(args) > 1 && !f.diff {
				return cli.Usage("--fix prints one policy: give one file")
			}
			return p.iamLint(args, f)
		},
	}
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail on warnings too")
	cmd.Flags().BoolVar(&f.fix, "fix", false, "print the corrected policy")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print the difference to the corrected policy")
	addOutput(cmd, &f.output, "text", "json", "github", "sarif")
	return cmd
}

func (p *program) iamLint(paths []string, f *iamLintFlags) error {
	var all []findings
	failures := 0
	var mended error
	for _, path := range paths {
		text, err := p.readInput(path)
		if err != nil {
			return err
		}
		doc := policyOf(text)
		if f.fix || f.diff {
			if err := p.iamMend(path, doc, f); err != nil && mended == nil {
				mended = err // the others' differences are printed as well
			}
			continue
		}
		found := trustpolicy.Lint(doc.text)
		failures += f.failures(found)
		all = append(all, trustFindings(path, doc, found))
	}
	if f.fix || f.diff {
		return mended
	}
	if err := p.writeAllFindings(all, f.output.value); err != nil {
		return err
	}
	if failures > 0 {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return nil
}

func trustFindings(path string, doc policyText, list []trustpolicy.Finding) findings {
	all := findings{what: "trust-policy", Source: path, Findings: []finding{}}
	for _, rule := range trustpolicy.Rules() {
		all.rules = append(all.rules, sarifRule{rule.ID, sarifText{rule.Description}})
	}
	if path == "-" {
		all.Source = "standard input"
	} else {
		all.File = filepath.ToSlash(path)
	}
	for _, one := range list {
		line, column := doc.place(one.Position)
		all.Findings = append(all.Findings, finding{
			listedFault: listedFault{Severity: string(one.Severity), Rule: awsauth.Rule(one.Rule), Message: one.Message, Hint: one.Hint},
			FileLine:    line, FileColumn: column,
		})
	}
	return all
}

// failures are how many findings make the command fail.
func (f *iamLintFlags) failures(found []trustpolicy.Finding) int {
	n := 0
	for _, one := range found {
		if f.strict || one.Severity == trustpolicy.Error {
			n++
		}
	}
	return n
}

// iamMend prints the corrected policy, or what it changes.
func (p *program) iamMend(path string, read policyText, f *iamLintFlags) error {
	doc := read.text
	if _, err := iam.Parse(doc, iam.TrustPolicy); err != nil {
		return cli.Hint(fmt.Errorf("%s: %w", path, err), "what IAM would not take cannot be mended; nothing was printed")
	}
	corrected := trustpolicy.Correct(doc)
	left := f.failures(trustpolicy.Lint(corrected))
	text := corrected
	if f.diff {
		text = diff.Diff(path, doc, path, corrected)
	}
	if _, err := p.Out.Write(text); err != nil || left == 0 {
		return err
	}
	return cli.Hint(fmt.Errorf("left that cannot be mended mechanically: %d", left), "eksauth iam lint says of the printed policy what they are")
}

type trustPolicyFlags struct {
	wanted  trustpolicy.Wanted
	roleARN string
	output  output
}

func (p *program) newIAMTrustPolicy() *cobra.Command {
	f := &trustPolicyFlags{}
	cmd := &cobra.Command{
		Use:   "trust-policy --issuer URL... --serviceaccount NAMESPACE/NAME... --account ID",
		Short: "Print a trust policy for service accounts of one or more clusters",
		Long: `Print a trust policy that lets in these service accounts of these clusters, with
this audience, and nobody else. Each issuer needs an OIDC provider in the account.

With --allow-wildcards a name may have * and ? in it. What is doubtful about the policy
then, or too long for an account whose quota was not raised, is said on stderr.`,
		Example: `  eksauth iam trust-policy --account 111122223333 --issuer https://oidc.example.com/dev --serviceaccount apps/web
  aws eks describe-cluster --name dev --query cluster.identity.oidc.issuer    # the issuer of a cluster in EKS`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.writeTrustPolicy(f) },
	}
	flags, w := cmd.Flags(), &f.wanted
	flags.StringArrayVar(&w.Issuers, "issuer", nil, "`URL` of a cluster's OIDC issuer; may be given again")
	flags.StringArrayVar(&w.ServiceAccounts, "serviceaccount", nil, "`NAMESPACE/NAME` of a service account; may be given again")
	flags.StringVar(&w.AccountID, "account", "", "AWS account `id` of the role and of its OIDC providers")
	flags.StringVar(&w.Partition, "partition", "aws", "AWS `partition` of the account")
	flags.StringVar(&f.roleARN, "role-arn", "", "`ARN` of the role, in place of --account and --partition")
	flags.StringVar(&w.Audience, "audience", "sts.amazonaws.com", "`audience` of the tokens")
	flags.BoolVar(&w.AllowWildcards, "allow-wildcards", false, "take * and ? in names of service accounts")
	addOutput(cmd, &f.output, "json")
	cmd.MarkFlagsMutuallyExclusive("account", "role-arn")
	cmd.MarkFlagsMutuallyExclusive("partition", "role-arn")
	return cmd
}

func (p *program) writeTrustPolicy(f *trustPolicyFlags) error {
	if f.roleARN != "" {
		role, err := arn.ParsePrincipal(f.roleARN)
		if err != nil || role.Kind != arn.Role {
			return cli.Usage("--role-arn %s is not the ARN of a role", f.roleARN)
		}
		f.wanted.AccountID, f.wanted.Partition = role.AccountID, role.Partition
	}
	switch w := f.wanted; {
	case w.AccountID == "":
		return cli.Hint(cli.Usage("--account or --role-arn is missing: whose OIDC provider is trusted"), "such as --account 111122223333")
	case len(w.Issuers) == 0:
		return cli.Hint(cli.Usage("--issuer is missing: there is no issuer"), "such as --issuer https://oidc.example.com/dev")
	case len(w.ServiceAccounts) == 0:
		return cli.Hint(cli.Usage("--serviceaccount is missing: there is no service account"), "such as --serviceaccount apps/web")
	}
	text, err := trustpolicy.Write(f.wanted)
	var long *trustpolicy.TooLongError
	switch {
	case errors.As(err, &long):
		return cli.Hint(cli.Usage("%w", err), "use more than one role")
	case err != nil:
		return cli.Hint(cli.Usage("%w", err), "eksauth iam trust-policy --help")
	}
	for _, found := range trustpolicy.Lint(text) {
		fmt.Fprintf(p.Err, "eksauth: %s: %s\n  hint: %s\n", found.Severity, found.Message, found.Hint)
	}
	_, err = p.Out.Write(text)
	return err
}
