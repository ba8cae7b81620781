package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/oidc"
)

type mintFlags struct {
	audience, dataDir string
	duration          time.Duration
}

func (p *program) newMint() *cobra.Command {
	f := &mintFlags{}
	cmd := &cobra.Command{
		Use:   "mint NAMESPACE/NAME",
		Short: "Mint a service account's projected token from the local issuer",
		Long: `Mint a service account's projected token, as the kubelet would get it for a pod,
from the issuer of "eksauth local": so a trust policy can be tried without a
cluster. No cluster is asked whether the service account exists.`,
		Example: `  eksauth mint awesome-app/awesome-app > token
  eksauth assume --role-arn arn:aws:iam::111122223333:role/awesome.app --web-identity-token-file token
  eksauth mint awesome-app/awesome-app --audience "" # an ordinary token: without audience`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.mint(args[0], f) },
	}
	cmd.Flags().StringVar(&f.audience, "audience", "sts.amazonaws.com", "`audience` of the token; \"\" for none")
	cmd.Flags().DurationVar(&f.duration, "duration", time.Hour, "how long it shall be valid")
	cmd.Flags().StringVar(&f.dataDir, "data-dir", "", "`DIR` of eksauth local (default: the same as there)")
	return cmd
}

func (p *program) mint(account string, f *mintFlags) error {
	namespace, name, ok := strings.Cut(account, "/")
	if !ok || namespace == "" || name == "" {
		return cli.Hint(cli.Usage("%q does not name a service account", account), "NAMESPACE/NAME")
	}
	dir, err := p.dataDir(f.dataDir)
	if err != nil {
		return err
	}
	issuer, err := issuerFiles{dir}.issuer()
	if err != nil {
		return err
	}
	request := oidc.TokenRequest{
		ServiceAccount: oidc.ServiceAccount{Namespace: namespace, Object: oidc.Object{Name: name}},
		Lifetime:       f.duration,
	}
	if f.audience != "" {
		request.Audiences = []string{f.audience}
	}
	raw, err := issuer.Mint(request)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Out, raw)
	return err
}
