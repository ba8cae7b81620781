package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
)

// program is what every command is built from.
type program struct{ cli.IO }

func newRoot(stdio cli.IO) *cobra.Command {
	p := &program{stdio}
	root := &cobra.Command{
		Use:   "eksauthd",
		Short: "EKS authentication for clusters",
		Long: `eksauthd is the EKS authentication of a Kubernetes cluster that you run yourself:
IAM users and roles sign in with EKS tokens and aws-auth, and pods become the IAM
roles that their service accounts are annotated with, by the tokens of its OIDC
issuer.`,
		Example: `  eksauthd init --config config.yaml             # before kube-apiserver starts
  eksauthd authenticator --config config.yaml    # answers it: who made this token?
  eksauthd webhook --namespace eksauth           # answers it: what does this pod get?
  eksauthd issuer init --dir ./issuer --issuer https://oidc.example.com/dev   # its keys and their rotation`,
	}
	root.AddCommand(p.newAuthenticator(), p.newWebhook(), p.newInit(), p.newIssuer(), cli.NewVersion("eksauthd"))
	return root
}

// logFormat is the value of --log-format, with the names of
// aws-iam-authenticator.
type logFormat string

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "format" }
func (f *logFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return cli.Usage("it is text or json")
	}
	*f = logFormat(s)
	return nil
}

// logger writes to standard error.
func (p *program) logger(f logFormat) *slog.Logger {
	if f == "json" {
		return slog.New(slog.NewJSONHandler(p.Err, nil))
	}
	return slog.New(slog.NewTextHandler(p.Err, nil))
}
