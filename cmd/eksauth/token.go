package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/sigv4"
	"github.com/eksauth/eksauth/token"
)

// tokenFlags are those of `eksauth token`, `aws eks get-token` and
// `aws-iam-authenticator token` together.
type tokenFlags struct {
	clusterName, clusterID string
	role, roleARN          string
	externalID             string
	sessionName            string
	forwardSessionName     bool
	tokenOnly              bool
	verbose                bool
	configFile             string
	output                 output
}

func (p *program) newToken() *cobra.Command {
	f := &tokenFlags{}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make an EKS token with the current AWS credentials",
		Long: `Make an EKS token with the current AWS credentials, as an ExecCredential for
kubectl. It takes the place of "aws eks get-token" and of
"aws-iam-authenticator token": change only the command in the kubeconfig.

Nobody is asked unless the credentials themselves must be fetched, or a role is
to be assumed.`,
		Example: `  eksauth token --cluster-name dev
  eksauth token -i dev --role-arn arn:aws:iam::111122223333:role/awesome.role
  curl -H "Authorization: Bearer $(eksauth token -i dev --token-only)" …`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.token(cmd.Context(), f) },
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&f.clusterID, "cluster-id", "i", "", "the same as --cluster-name")
	cmd.Flags().StringVarP(&f.role, "role", "r", "", "the same as --role-arn")
	cmd.Flags().StringVarP(&f.externalID, "external-id", "e", "", "external `id` that the role's trust policy asks for")
	cmd.Flags().StringVarP(&f.sessionName, "session-name", "s", "", "role session `name` (default: AWS_ROLE_SESSION_NAME, else the caller's own name)")
	cmd.Flags().BoolVar(&f.forwardSessionName, "forward-session-name", false, "keep the caller's session name for the role; fail if there is none")
	cmd.Flags().BoolVar(&f.tokenOnly, "token-only", false, "print the token alone")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "say on standard error which credentials were used")
	cmd.Flags().StringVarP(&f.configFile, "config", "c", "", "aws-iam-authenticator's configuration `file`, for clusterID and defaultRole")
	// aws-iam-authenticator's, without a meaning here: nothing is kept on disk,
	// and nothing is logged.
	cmd.Flags().Bool("cache", false, "")
	cmd.Flags().StringP("log-format", "l", "", "")
	hide(cmd, "cache", "log-format")
	return cmd
}

// newEKS is `aws eks get-token`, so that a kubeconfig written by
// `aws eks update-kubeconfig` works with `command: eksauth`.
func (p *program) newEKS() *cobra.Command {
	f := &tokenFlags{}
	get := &cobra.Command{
		Use:     "get-token",
		Short:   "What aws eks get-token does",
		Example: "  eksauth --region us-east-1 eks get-token --cluster-name dev --output json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.token(cmd.Context(), f) },
	}
	f.add(get)
	get.Flags().StringVar(&f.clusterID, "cluster-id", "", "`id` of a cluster on Outposts")
	get.Flags().StringVar(&f.role, "role", "", "the same as --role-arn")
	// The aws CLI's, without a meaning here.
	get.Flags().Bool("no-cli-pager", false, "")
	get.Flags().Bool("no-paginate", false, "")
	get.Flags().String("color", "", "")
	get.Flags().Int("cli-read-timeout", 0, "")
	get.Flags().Int("cli-connect-timeout", 0, "")
	hide(get, "no-cli-pager", "no-paginate", "color", "cli-read-timeout", "cli-connect-timeout")
	eks := &cobra.Command{Use: "eks", Short: "Commands under the names that the aws CLI gives them", Hidden: true}
	eks.AddCommand(get)
	return eks
}

// hide keeps flags that are taken and ignored out of the help.
func hide(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

func (f *tokenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.clusterName, "cluster-name", "", "`name` of the cluster")
	cmd.Flags().StringVar(&f.roleARN, "role-arn", "", "`ARN` of a role to assume first")
	addOutput(cmd, &f.output, "json", "text")
}

// resolve makes one of each pair of synonyms, and takes the defaults of the
// configuration file.
func (f *tokenFlags) resolve(getenv func(string) string) (cluster, role string, err error) {
	if f.clusterName != "" && f.clusterID != "" && f.clusterName != f.clusterID {
		return "", "", cli.Usage("both --cluster-name and --cluster-id are given, and differ")
	}
	if f.role != "" && f.roleARN != "" && f.role != f.roleARN {
		return "", "", cli.Usage("both --role and --role-arn are given, and differ")
	}
	if f.sessionName != "" && f.forwardSessionName {
		return "", "", cli.Usage("--session-name and --forward-session-name exclude each other")
	}
	cluster, role = firstOf(f.clusterName, f.clusterID), firstOf(f.roleARN, f.role)
	if f.configFile != "" {
		defaults, err := readTokenDefaults(f.configFile)
		if err != nil {
			return "", "", err
		}
		cluster, role = firstOf(cluster, defaults.ClusterID), firstOf(role, defaults.DefaultRole)
	}
	// aws-iam-authenticator's variable.
	cluster = firstOf(cluster, getenv("KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID"))
	if cluster == "" {
		return "", "", cli.Hint(cli.Usage("no cluster is named"), "eksauth token --cluster-name NAME")
	}
	if role != "" {
		if p, err := arn.ParsePrincipal(role); err != nil {
			return "", "", cli.Hint(cli.Usage("--role-arn: %w", err), "arn:aws:iam::ACCOUNT:role/NAME")
		} else if p.Kind != arn.Role {
			return "", "", cli.Hint(cli.Usage("--role-arn: %s is not a role", role), "arn:aws:iam::ACCOUNT:role/NAME")
		}
	}
	return cluster, role, nil
}

// readTokenDefaults reads aws-iam-authenticator's configuration file for what
// its token command takes from there. What else is in it, and whether that is
// right, is the server's business.
func readTokenDefaults(path string) (awsauth.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return awsauth.Config{}, fmt.Errorf("read the configuration file: %w", err)
	}
	config, err := awsauth.ParseConfig(data)
	if err != nil && config.ClusterID == "" && config.DefaultRole == "" {
		return config, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (p *program) token(ctx context.Context, f *tokenFlags) error {
	cluster, role, err := f.resolve(p.Getenv)
	if err != nil {
		return err
	}
	cfg, err := p.awsConfig(ctx)
	if err != nil {
		return err
	}
	endpoint, region, err := p.stsEndpoint(ctx, cfg)
	if err != nil {
		return err
	}
	creds, source, err := p.retrieve(ctx, cfg)
	if err != nil {
		return err
	}
	if f.verbose {
		from, _ := p.credentialSource()
		fmt.Fprintf(p.Err, "credentials: from %s (%s), access key %s\n", from, source.Source, creds.AccessKeyID)
	}
	if role != "" {
		if creds, err = p.assumeRole(ctx, cfg, role, f); err != nil {
			return err
		}
		if f.verbose {
			fmt.Fprintf(p.Err, "assumed %s, access key %s\n", role, creds.AccessKeyID)
		}
	}
	raw, expiration, err := token.New(creds, token.Options{ClusterID: cluster, Region: region, Endpoint: endpoint, Time: time.Now()})
	if err != nil {
		return err
	}
	if f.tokenOnly || f.output.value == "text" {
		_, err = fmt.Fprintln(p.Out, raw)
		return err
	}
	return p.writeExecCredential(raw, expiration)
}

// assumeRole is the AssumeRole call before the token, under a session name
// that says who it was.
func (p *program) assumeRole(ctx context.Context, cfg aws.Config, role string, f *tokenFlags) (sigv4.Credentials, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // the global endpoint's scope
	}
	client := sts.NewFromConfig(cfg)
	name, err := p.sessionName(ctx, client, f)
	if err != nil {
		return sigv4.Credentials{}, err
	}
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name}
	if f.externalID != "" {
		in.ExternalId = &f.externalID
	}
	out, err := client.AssumeRole(ctx, in)
	if err != nil {
		return sigv4.Credentials{}, explainSTS("assume "+role, err)
	}
	c := out.Credentials
	return sigv4.Credentials{
		AccessKeyID: aws.ToString(c.AccessKeyId), SecretAccessKey: aws.ToString(c.SecretAccessKey), SessionToken: aws.ToString(c.SessionToken),
	}, nil
}

// sessionName says who it was in the cluster's audit log: what was asked for,
// else the name that the caller goes by already.
func (p *program) sessionName(ctx context.Context, client *sts.Client, f *tokenFlags) (string, error) {
	if name := firstOf(f.sessionName, p.Getenv("AWS_ROLE_SESSION_NAME")); name != "" && !f.forwardSessionName {
		return name, nil
	}
	out, err := client.GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", explainSTS("find out who is calling", err)
	}
	caller, err := arn.ParsePrincipal(aws.ToString(out.Arn))
	if err != nil {
		return "", fmt.Errorf("find out who is calling: %w", err)
	}
	if f.forwardSessionName && caller.Session == "" {
		return "", cli.Hint(fmt.Errorf("%s is not a role session, so there is no session name to forward", caller),
			"leave --forward-session-name out, or give --session-name")
	}
	return sessionNameFor(caller), nil
}

// sessionNameFor makes 2 to 64 characters of [\w+=,.@-], which is what STS
// takes, out of the caller's name.
func sessionNameFor(caller arn.Principal) string {
	name := firstOf(caller.Session, caller.Name, caller.Kind.String())
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_+=,.@-", r):
			return r
		}
		return '-'
	}, name)
	if len(name) > 64 {
		name = name[:64]
	}
	if len(name) < 2 {
		name += "-session"
	}
	return name
}

// explainSTS keeps the code and the message, and leaves out the SDK's layers.
func explainSTS(doing string, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return cli.Hint(fmt.Errorf("%s: %w", doing, err), "can this machine reach STS?")
	}
	err = fmt.Errorf("%s: %s: %s", doing, api.ErrorCode(), api.ErrorMessage())
	switch api.ErrorCode() {
	case "AccessDenied":
		return cli.Hint(err, "the role's trust policy must name this caller, and so must the caller's own policies in another account")
	case "ExpiredToken", "ExpiredTokenException":
		return cli.Hint(err, "get new session credentials (aws sso login, or assume the role again)")
	case "InvalidClientTokenId", "UnrecognizedClientException":
		return cli.Hint(err, "the access key was deleted or made inactive, or belongs to another partition")
	case "SignatureDoesNotMatch":
		return cli.Hint(err, "the secret access key is not that of the access key id, or this machine's clock is off")
	}
	return err
}
