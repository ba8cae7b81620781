package main

import "github.com/spf13/cobra"

func (p *program) newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say why signing in, or a pod's IAM role, does not work",
		Example: `  eksauth doctor error 'Not authorized to perform sts:AssumeRoleWithWebIdentity'`,
	}
	cmd.AddCommand(p.newDoctorCluster(), p.newDoctorPod(), p.newDoctorServiceAccount(), p.newDoctorUser(), p.newDoctorToken(), p.newDoctorError(), p.newDoctorSelf())
	return cmd
}
