package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/token"
)

type verifyFlags struct {
	clusterName, clusterID string
	partition              string
	stsEndpoint            string
	awsAuth                string
	output                 output
}

func (p *program) newVerify() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify -i CLUSTER TOKEN|-",
		Short: "Ask STS who made an EKS token, as the cluster's authenticator would",
		Long: `Ask STS who made an EKS token, as the cluster's authenticator would. With
--aws-auth it also says who that is in Kubernetes.

STS is asked at the host in the token, which must be AWS's own, or at
--sts-endpoint (default: AWS_ENDPOINT_URL_STS, then AWS_ENDPOINT_URL).`,
		Example: `  eksauth token -i dev | eksauth verify -i dev -
  kubectl -n kube-system get configmap aws-auth -o yaml > aws-auth.yaml
  eksauth token -i dev | eksauth verify -i dev --aws-auth aws-auth.yaml -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.verify(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVarP(&f.clusterID, "cluster-id", "i", "", "`name` of the cluster that the token is for")
	cmd.Flags().StringVar(&f.clusterName, "cluster-name", "", "the same as --cluster-id")
	cmd.Flags().StringVar(&f.partition, "partition", "aws", "AWS `partition` of the cluster")
	cmd.Flags().StringVar(&f.stsEndpoint, "sts-endpoint", "", "ask the STS at this `URL`, whatever host the token names")
	cmd.Flags().StringVar(&f.awsAuth, "aws-auth", "", "map the identity with the aws-auth ConfigMap in this `file`")
	addOutput(cmd, &f.output, "text", "json")
	return cmd
}

// verdict is what verify found out, as -o json prints it.
type verdict struct {
	ARN          string   `json:"arn"`
	CanonicalARN string   `json:"canonicalArn"`
	Account      string   `json:"account"`
	UserID       string   `json:"userId"`
	SessionName  string   `json:"sessionName,omitempty"`
	AccessKeyID  string   `json:"accessKeyId"`
	Expiry       string   `json:"expiry"`
	Mapping      *mapping `json:"mapping,omitempty"`
}

type mapping struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
	Entry    string   `json:"entry"`
}

func (p *program) verify(ctx context.Context, arg string, f *verifyFlags) error {
	verifier, err := p.verifier(f)
	if err != nil {
		return err
	}
	raw, err := p.tokenArgument(arg)
	if err != nil {
		return err
	}
	verified, err := verifier.Verify(ctx, raw)
	if err != nil {
		return withHint(fmt.Errorf("refused: %w", err))
	}
	id := verified.Identity
	v := verdict{
		ARN: id.String(), CanonicalARN: id.Canonical(), Account: id.AccountID, UserID: id.UserID,
		SessionName: id.Session, AccessKeyID: id.AccessKeyID, Expiry: verified.Expiry.Format(time.RFC3339),
	}
	if f.awsAuth != "" {
		if v.Mapping, err = p.mapIdentity(id, f.awsAuth); err != nil {
			return err
		}
	}
	if f.output.value == "json" {
		return writeJSON(p.Out, v)
	}
	return p.printVerdict(v)
}

func (p *program) verifier(f *verifyFlags) (*token.Verifier, error) {
	cluster := firstOf(f.clusterID, f.clusterName)
	if cluster == "" || f.clusterID != "" && f.clusterName != "" && f.clusterID != f.clusterName {
		return nil, cli.Hint(cli.Usage("name one cluster"), "eksauth verify -i NAME TOKEN")
	}
	if _, ok := arn.PartitionByID(f.partition); !ok {
		return nil, cli.Usage("AWS has no partition %q", f.partition)
	}
	endpoint, err := p.endpointFromEnv(f.stsEndpoint)
	if err != nil {
		return nil, err
	}
	return &token.Verifier{ClusterID: cluster, Partition: f.partition, Endpoint: endpoint}, nil
}

// endpointFromEnv is the STS to ask in AWS's place: the given one, or the one
// that the SDKs' variables name; nil if there is none.
func (p *program) endpointFromEnv(given string) (*url.URL, error) {
	e := firstOf(given, p.Getenv("AWS_ENDPOINT_URL_STS"), p.Getenv("AWS_ENDPOINT_URL"))
	if e == "" {
		return nil, nil
	}
	u, err := url.Parse(e)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" && u.Path != "/" {
		return nil, cli.Usage("the STS endpoint %q is not an http or https URL without a path", e)
	}
	return u, nil
}

// withHint takes the hint of a token.Error to where cli prints hints.
func withHint(err error) error {
	var refused *token.Error
	if errors.As(err, &refused) && refused.Hint != "" {
		return cli.Hint(err, "%s", refused.Hint)
	}
	return err
}

// mapIdentity maps with a file that is a ConfigMap's manifest.
func (p *program) mapIdentity(id arn.Identity, path string) (*mapping, error) {
	manifest, err := p.readManifest(path)
	if err != nil {
		return nil, err
	}
	doc := awsauth.ParseConfigMap(manifest.Data)
	for _, fault := range doc.Faults {
		fmt.Fprintf(p.Err, "%s: %s\n", path, fault)
	}
	m, err := awsauth.NewTable(doc).Map(id)
	var unmapped *awsauth.NotMappedError
	switch {
	case errors.As(err, &unmapped):
		hints := append(unmapped.Hints(), "add it to mapUsers or mapRoles of kube-system/aws-auth")
		return nil, cli.Hint(fmt.Errorf("refused: %w", err), "%s", strings.Join(hints, "\n        "))
	case err != nil:
		return nil, fmt.Errorf("refused: %w", err)
	}
	return &mapping{Username: m.Username, Groups: m.Groups, Entry: m.Entry.String()}, nil
}

func (p *program) printVerdict(v verdict) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) }
	row("arn", v.ARN)
	if v.CanonicalARN != v.ARN {
		row("role", v.CanonicalARN)
	}
	row("account", v.Account)
	row("user id", v.UserID)
	row("access key id", v.AccessKeyID)
	row("expires", v.Expiry)
	if m := v.Mapping; m != nil {
		row("signs in as", m.Username)
		row("in groups", orNone(strings.Join(m.Groups, ", ")))
		row("because of", m.Entry)
	}
	return w.Flush()
}
