package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
)

func (p *program) newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the certificate and the webhook kubeconfig before anything starts",
		Long: `Make the serving certificate and the kubeconfig that kube-apiserver wants in
--authentication-token-webhook-config-file, so that it can start before the
authenticator. What is there and still good is left as it is.

Run the authenticator with the same settings afterwards.`,
		Example: `  eksauthd init --config config.yaml
  eksauthd init -i dev --state-dir ./state --generate-kubeconfig ./webhook.yaml`,
	}
	s := addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.load(cmd.Flags(), p.Getenv); err != nil {
			return err
		}
		return p.init(s)
	}
	return cmd
}

func (p *program) init(s *settings) error {
	if s.Server.Port == 0 {
		return cli.Usage("--port must be the one that the authenticator will listen on")
	}
	cert := newCertificate(s, p.logger(s.logFormat))
	if err := cert.open(); err != nil {
		return err
	}
	path := s.Server.GenerateKubeconfig
	if _, err := writeWebhookConfig(path, s.url(s.Server.Port), cert.Authority()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "certificate  %s\nkey          %s\nkubeconfig   %s\n\nkube-apiserver --authentication-token-webhook-config-file=%s --authentication-token-webhook-version=v1\n",
		cert.CertFile, cert.KeyFile, path, path)
	return err
}
