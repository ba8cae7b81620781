package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/doctor"
)

func (p *program) newDoctorSelf() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "self",
		Short: "In a pod: what an AWS SDK finds here, in order, and what STS says",
		Long: `Go through what an AWS SDK finds in this container, in the order of its chain: static
keys, web identity, the container's endpoint; and ask STS for the role as it would. It
needs the container's environment and network, and nothing else. Nothing secret is
printed.`,
		Example: `  kubectl cp eksauth NAMESPACE/POD:/tmp/ && kubectl exec -n NAMESPACE POD -- /tmp/eksauth doctor self`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			self := &doctor.Self{Getenv: p.Getenv, ReadFile: os.ReadFile, Now: time.Now, Assume: p.assumeAsSDK}
			return p.conclude(self.Examine(ctx), out.value)
		},
	}
	addOutput(cmd, &out, "text", "json")
	return cmd
}

// assumeAsSDK asks STS for a role by a token, and needs no credentials for that.
func (p *program) assumeAsSDK(ctx context.Context, role, token string) error {
	cfg, err := p.awsConfig(ctx)
	if err != nil {
		return err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return (&accountClient{p: p, cfg: cfg}).Assume(ctx, role, token)
}
