package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/doctor"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
)

type signInFlags struct {
	cluster kubectl.Client
	name    string // EKS's of the cluster
	config  string // file of an authenticator
	noAWS   bool   // IAM is not asked
	verify  verifyFlags
	output  output
}

func (f *signInFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig `file` for kubectl")
	cmd.Flags().StringVar(&f.cluster.Context, "context", "", "`context` of the kubeconfig")
	cmd.Flags().StringVar(&f.name, "cluster-name", "", "ask EKS as well, for the access entries of the cluster with this `name`")
	cmd.Flags().StringVar(&f.config, "config", "", "`file` that configures the authenticator and may have mappings itself")
	addOutput(cmd, &f.output, "text", "json")
}

func (p *program) signIn(ctx context.Context, f *signInFlags) (*doctor.SignIn, error) {
	s := &doctor.SignIn{Cluster: doctorCluster{f.cluster}, Access: doctorAccess{f.cluster}, Names: aNode{}}
	if f.config != "" {
		text, err := os.ReadFile(f.config)
		if err != nil {
			return nil, err
		}
		config, err := awsauth.ParseConfig(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.config, err)
		}
		s.Config = &config.Mappings
	}
	s.NoAWS = "--no-aws is given"
	if f.name == "" && f.noAWS {
		return s, nil
	}
	account, why := p.doctorAWS(ctx)
	if !f.noAWS {
		if s.NoAWS = why; account != nil {
			s.IAM = account
		}
	}
	if f.name != "" {
		if s.EKS, s.ClusterName = noEKS(why), f.name; account != nil {
			s.EKS = eksAccess{account, f.name}
		}
	}
	return s, nil
}

// noEKS says why EKS is not asked.
type noEKS string

func (n noEKS) Mode(context.Context) (string, error) { return "", errors.New(string(n)) }
func (n noEKS) Entries(context.Context, arn.Principal) ([]accessentry.Entry, error) {
	return nil, errors.New(string(n))
}

func (p *program) newDoctorUser() *cobra.Command {
	f := &signInFlags{}
	cmd := &cobra.Command{
		Use:   "user ARN",
		Short: "Whom an IAM user or role signs in as, and what they may do",
		Long: `Say whom an IAM user or role signs in as at the cluster, by its aws-auth, its
custom resources, its EKS access entries (--cluster-name) and its authenticator's file
(--config), and what RBAC lets them do; or why they are not let in. IAM is asked whether
there is such a user or role, if the credentials are of its account.

` + doctorReads,
		Example: `  eksauth doctor user arn:aws:iam::111122223333:role/admin
  eksauth doctor user --cluster-name dev arn:aws:iam::111122223333:role/admin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			s, err := p.signIn(ctx, f)
			if err != nil {
				return err
			}
			return p.conclude(s.User(ctx, args[0]), f.output.value)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.noAWS, "no-aws", false, "do not ask IAM whether there is such a user or role")
	return cmd
}

func (p *program) newDoctorToken() *cobra.Command {
	f := &signInFlags{noAWS: true} // STS knows that whoever signs exists
	cmd := &cobra.Command{
		Use:   "token -i CLUSTER TOKEN|-",
		Short: "Who made an EKS token, whom they sign in as, and what they may do",
		Long: `Follow an EKS token: ask STS who made it, the cluster's mappings who that is, and
RBAC what they may do; or say at which of these it ends.

` + doctorReads,
		Example: `  eksauth token -i dev --token-only | eksauth doctor token -i dev -`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			verifier, err := p.verifier(&f.verify)
			if err != nil {
				return err
			}
			raw, err := p.tokenArgument(args[0])
			if err != nil {
				return err
			}
			s, err := p.signIn(ctx, f)
			if err != nil {
				return err
			}
			s.ClusterID = f.verify.clusterID
			return p.conclude(s.Token(ctx, raw, verifier), f.output.value)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&f.verify.clusterID, "cluster-id", "i", "", "`name` of the cluster that the token is for")
	cmd.Flags().StringVar(&f.verify.partition, "partition", "aws", "AWS `partition` of the cluster")
	cmd.Flags().StringVar(&f.verify.stsEndpoint, "sts-endpoint", "", "ask the STS at this `URL`, whatever host the token names")
	return cmd
}

// conclude prints a report; it is a failure if something is wrong, or nothing could be
// looked at.
func (p *program) conclude(r doctor.Report, format string) error {
	if err := p.printReport(r, format); err != nil {
		return err
	}
	return exitOf(len(r.Causes()) > 0, r)
}

// exitOf is a report's exit code; what is wrong has been said.
func exitOf(failing bool, r doctor.Report) error {
	switch {
	case failing:
		return &cli.ExitError{Code: cli.ExitFailed}
	case r.Unknown() > 0 && r.Unknown() == len(r.Checks):
		return &cli.ExitError{Code: cli.ExitBlind}
	}
	return nil
}

// doctorAccess asks by SubjectAccessReviews, which leave nothing behind.
type doctorAccess struct{ client kubectl.Client }

func (a doctorAccess) Allowed(ctx context.Context, username string, groups []string, verb, resource, namespace string) (bool, error) {
	object, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{"user": username, "groups": groups, "resourceAttributes": map[string]string{"verb": verb, "resource": resource, "namespace": namespace}},
	})
	if err != nil {
		return false, err
	}
	raw, err := a.client.Review(ctx, object)
	if err != nil {
		return false, doctorError(err)
	}
	var review struct{ Status struct{ Allowed bool } }
	if err := json.Unmarshal(raw, &review); err != nil {
		return false, fmt.Errorf("kubectl printed no SubjectAccessReview: %w", err)
	}
	return review.Status.Allowed, nil
}
