package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/sigv4"
)

// awsFlags are the global flags that choose credentials and region.
type awsFlags struct{ region, profile string }

// awsConfig reads the environment and the shared files as every AWS SDK does.
// It asks nobody: credentials are looked for when they are first needed.
func (p *program) awsConfig(ctx context.Context) (aws.Config, error) {
	endpoint := &lateEndpoint{}
	options := []func(*config.LoadOptions) error{
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = p.askMFA
			o.Client = assumeRoleClient{o.Client, endpoint}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			o.Client = webIdentityClient{o.Client, endpoint}
		}),
	}
	if p.aws.profile != "" {
		options = append(options, config.WithSharedConfigProfile(p.aws.profile))
	}
	if p.aws.region != "" {
		options = append(options, config.WithRegion(p.aws.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, p.explainConfig(err)
	}
	endpoint.url = sts.NewFromConfig(cfg).Options().BaseEndpoint
	return cfg, nil
}

// retrieve finds the credentials, or says where they were looked for.
func (p *program) retrieve(ctx context.Context, cfg aws.Config) (sigv4.Credentials, aws.Credentials, error) {
	if cfg.Credentials == nil {
		return sigv4.Credentials{}, aws.Credentials{}, p.noCredentials(errors.New("no credential provider"))
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return sigv4.Credentials{}, c, p.explainCredentials(err)
	}
	return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, c, nil
}

// askMFA asks on the terminal: kubectl owns standard input and output.
func (p *program) askMFA() (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errors.New("the profile wants an MFA code, and there is no terminal to ask for it")
	}
	defer tty.Close()
	fmt.Fprint(p.Err, "MFA code: ")
	code, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the MFA code: %w", err)
	}
	return strings.TrimSpace(code), nil
}

func (p *program) profileName() string {
	for _, name := range []string{p.aws.profile, p.Getenv("AWS_PROFILE"), p.Getenv("AWS_DEFAULT_PROFILE")} {
		if name != "" {
			return name
		}
	}
	return "default"
}

func (p *program) explainConfig(err error) error {
	var missing config.SharedConfigProfileNotExistError
	var assume config.SharedConfigAssumeRoleError
	switch {
	case errors.As(err, &missing):
		return cli.Hint(fmt.Errorf("the AWS profile %q does not exist in the shared config and credentials files", missing.Profile),
			"aws configure list-profiles; then --profile NAME or AWS_PROFILE=NAME")
	case errors.As(err, &assume):
		return cli.Hint(fmt.Errorf("the AWS profile %q cannot be used: %w", assume.Profile, err), "see its source_profile, credential_source and role_arn")
	}
	return fmt.Errorf("read the AWS configuration: %w", err)
}

func (p *program) explainCredentials(err error) error {
	var sso *ssocreds.InvalidTokenError
	var api smithy.APIError
	switch {
	case errors.As(err, &sso):
		return cli.Hint(fmt.Errorf("the SSO session of profile %q has ended or was never begun", p.profileName()),
			"aws sso login --profile %s", p.profileName())
	case errors.As(err, &api):
		return cli.Hint(fmt.Errorf("credentials of profile %q: AWS answers %s: %s", p.profileName(), api.ErrorCode(), api.ErrorMessage()),
			"may the profile's source assume its role, and are its keys active?")
	}
	return p.noCredentials(err)
}

// noCredentials: the chain ends at instance metadata, so its last word is
// about that, which misleads everybody who is not on an instance.
func (p *program) noCredentials(err error) error {
	text := err.Error()
	if strings.Contains(text, "IMDS") || strings.Contains(text, "no credential provider") {
		return cli.Hint(fmt.Errorf("unable to locate credentials (tried the environment, profile %q, web identity, container and instance metadata)", p.profileName()),
			"set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure")
	}
	return cli.Hint(fmt.Errorf("credentials of profile %q: %w", p.profileName(), err), "aws sts get-caller-identity --profile %s", p.profileName())
}

// legacyGlobalRegions are those for which AWS_STS_REGIONAL_ENDPOINTS=legacy
// means sts.amazonaws.com ("AWS STS Regional endpoints", AWS SDKs and Tools
// reference guide).
var legacyGlobalRegions = map[string]bool{
	"ap-northeast-1": true, "ap-south-1": true, "ap-southeast-1": true, "ap-southeast-2": true,
	"aws-global": true, "ca-central-1": true, "eu-central-1": true, "eu-north-1": true,
	"eu-west-1": true, "eu-west-2": true, "eu-west-3": true, "sa-east-1": true,
	"us-east-1": true, "us-east-2": true, "us-west-1": true, "us-west-2": true,
}

// stsEndpoint is the STS that the configuration points to, by the SDK's own
// rules: AWS_ENDPOINT_URL_STS and its kin, FIPS, dual stack, partitions. The
// region it returns is "" for the global endpoint.
func (p *program) stsEndpoint(ctx context.Context, cfg aws.Config) (endpoint *url.URL, region string, err error) {
	o := sts.NewFromConfig(cfg).Options()
	region = cfg.Region
	global := region == "" || region == "aws-global" ||
		p.Getenv("AWS_STS_REGIONAL_ENDPOINTS") == "legacy" && legacyGlobalRegions[region]
	if global {
		region = ""
	}
	if o.BaseEndpoint == nil && global {
		return nil, "", nil
	}
	params := sts.EndpointParameters{
		Endpoint:     o.BaseEndpoint,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}
	if region != "" {
		params.Region = aws.String(region)
	}
	resolved, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, "", cli.Hint(fmt.Errorf("no STS endpoint for the region %q: %w", region, err), "is AWS_REGION right?")
	}
	// The SDK makes up a host for any region; no authenticator would believe it.
	if _, known := arn.ParseSTSHost(resolved.URI.Host); !known && o.BaseEndpoint == nil {
		return nil, "", cli.Hint(fmt.Errorf("%q is not the name of an AWS region", region), "is AWS_REGION right?")
	}
	return &resolved.URI, region, nil
}
