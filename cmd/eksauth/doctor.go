package main

import "github.com/spf13/cobra"

func (p *program) newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say why it does not work, and what to do",
		Example: `  eksauth doctor error 'Not authorized to perform sts:AssumeRoleWithWebIdentity'`,
	}
	cmd.AddCommand(p.newDoctorError())
	return cmd
}
