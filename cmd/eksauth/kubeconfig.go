package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubeconfig"
)

type kubeconfigFlags struct {
	name, roleARN    string
	alias, userAlias string
	file             string
	server, caFile   string
	command          string
	dryRun           bool
}

func (p *program) newKubeconfig() *cobra.Command {
	f := &kubeconfigFlags{}
	cmd := &cobra.Command{
		Use:   "kubeconfig --name CLUSTER",
		Short: "Write cluster, user and context into the kubeconfig, as aws eks update-kubeconfig does",
		Long: `Write cluster, user and context into the kubeconfig, as "aws eks
update-kubeconfig" does; the rest of the file stays as it is. EKS is asked
where the cluster is, unless --server says so.`,
		Example: `  eksauth kubeconfig --name dev
  eksauth kubeconfig --name dev --role-arn arn:aws:iam::111122223333:role/awesome.role --alias dev-admin
  eksauth kubeconfig --name home --server https://10.0.0.1:6443 --certificate-authority ca.crt`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.kubeconfig(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.name, "name", "", "`name` of the cluster")
	cmd.Flags().StringVar(&f.roleARN, "role-arn", "", "`ARN` of a role to assume for each token")
	cmd.Flags().StringVar(&f.alias, "alias", "", "`name` of the context (default: the cluster's ARN)")
	cmd.Flags().StringVar(&f.userAlias, "user-alias", "", "`name` of the user (default: the cluster's ARN)")
	cmd.Flags().StringVar(&f.file, "kubeconfig", "", "`file` to write (default: the first of KUBECONFIG, then ~/.kube/config)")
	cmd.Flags().StringVar(&f.server, "server", "", "`URL` of the API server, instead of asking EKS")
	cmd.Flags().StringVar(&f.caFile, "certificate-authority", "", "`file` with the CA of the API server, with --server")
	cmd.Flags().StringVar(&f.command, "command", "", "what kubectl runs: aws, or this program by name or path (default: by name if it is on PATH)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the merged file, write nothing")
	return cmd
}

func (p *program) kubeconfig(ctx context.Context, f *kubeconfigFlags) error {
	if f.name == "" {
		return cli.Hint(cli.Usage("no cluster is named"), "eksauth kubeconfig --name NAME")
	}
	if f.server != "" && !strings.HasPrefix(f.server, "https://") {
		// kubectl would speak plain HTTP, and send no token at all.
		return cli.Hint(cli.Usage("--server: %q is not an https URL", f.server), "--server https://HOST:PORT")
	}
	if f.caFile != "" && f.server == "" {
		return cli.Usage("--certificate-authority goes with --server")
	}
	if f.roleARN != "" {
		if r, err := arn.ParsePrincipal(f.roleARN); err != nil || r.Kind != arn.Role {
			return cli.Hint(cli.Usage("--role-arn: %q is not the ARN of a role", f.roleARN), "arn:aws:iam::ACCOUNT:role/NAME")
		}
	}
	cfg, err := p.awsConfig(ctx)
	if err != nil {
		return err
	}
	cluster, err := p.findCluster(ctx, cfg, f)
	if err != nil {
		return err
	}
	entry := kubeconfig.Entry{
		Cluster: cluster.ARN, User: firstOf(f.userAlias, cluster.ARN), Context: firstOf(f.alias, cluster.ARN),
		Server: cluster.Endpoint, CA: cluster.ca, Exec: p.execFor(cfg, f), Current: true,
	}
	path, err := p.kubeconfigPath(f.file)
	if err != nil {
		return err
	}
	if f.dryRun {
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		doc, err := kubeconfig.Merge(old, entry)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		_, err = p.Out.Write(doc)
		return err
	}
	if err := kubeconfig.WriteFile(path, entry); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "wrote context %s to %s\n", entry.Context, path)
	return nil
}

// execFor is what kubectl runs for a token, in the words of the aws CLI, so
// that the command can be changed back and forth.
func (p *program) execFor(cfg aws.Config, f *kubeconfigFlags) *kubeconfig.Exec {
	e := &kubeconfig.Exec{Command: firstOf(f.command, commandName())}
	if cfg.Region != "" {
		e.Args = append(e.Args, "--region", cfg.Region)
	}
	e.Args = append(e.Args, "eks", "get-token", "--cluster-name", f.name, "--output", "json")
	if f.roleARN != "" {
		e.Args = append(e.Args, "--role-arn", f.roleARN)
	}
	if profile := firstOf(p.aws.profile, p.Getenv("AWS_PROFILE")); profile != "" {
		e.Env = append(e.Env, kubeconfig.EnvVar{Name: "AWS_PROFILE", Value: profile})
	}
	return e
}

// kubeconfigPath is where kubectl would look first.
func (p *program) kubeconfigPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	for _, path := range filepath.SplitList(p.Getenv("KUBECONFIG")) {
		if path != "" {
			return path, nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", cli.Hint(fmt.Errorf("where to write the kubeconfig: %w", err), "--kubeconfig FILE")
	}
	return filepath.Join(home, ".kube", "config"), nil
}

// eksCluster is the part of EKS's DescribeCluster that a kubeconfig needs.
type eksCluster struct {
	ARN                  string `json:"arn"`
	Endpoint             string `json:"endpoint"`
	CertificateAuthority struct {
		Data string `json:"data"`
	} `json:"certificateAuthority"`
	ca []byte
}

func (p *program) findCluster(ctx context.Context, cfg aws.Config, f *kubeconfigFlags) (eksCluster, error) {
	if f.server != "" {
		c := eksCluster{ARN: f.name, Endpoint: f.server}
		if f.caFile != "" {
			ca, err := os.ReadFile(f.caFile)
			if err != nil {
				return c, err
			}
			c.ca = ca
		}
		return c, nil
	}
	c, err := p.describeCluster(ctx, cfg, f.name)
	if err != nil {
		return c, err
	}
	if c.Endpoint == "" {
		return c, cli.Hint(fmt.Errorf("the cluster %q has no endpoint yet", f.name), "it is being created, or the local system runs without --control-plane")
	}
	if c.ca, err = base64.StdEncoding.DecodeString(c.CertificateAuthority.Data); err != nil {
		return c, fmt.Errorf("EKS's certificate authority for %q is not base64: %w", f.name, err)
	}
	return c, nil
}

func (p *program) describeCluster(ctx context.Context, cfg aws.Config, name string) (eksCluster, error) {
	var answer struct {
		Cluster eksCluster `json:"cluster"`
	}
	if _, err := p.eksEndpoint(cfg); err != nil {
		return answer.Cluster, err
	}
	creds, _, err := p.retrieve(ctx, cfg)
	if err != nil {
		return answer.Cluster, err
	}
	err = p.askEKS(ctx, cfg, creds, "/clusters/"+url.PathEscape(name), nil, &answer)
	var refused *eksError
	switch {
	case !errors.As(err, &refused):
	case refused.code == "ResourceNotFoundException":
		err = cli.Hint(err, "right account and region? aws eks list-clusters")
	case refused.code == "AccessDeniedException":
		err = cli.Hint(err, "the caller needs eks:DescribeCluster; or give --server and --certificate-authority")
	}
	if err != nil {
		err = fmt.Errorf("cluster %q: %w", name, err)
	}
	return answer.Cluster, err
}
