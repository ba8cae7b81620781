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
	"github.com/aws/smithy-go/logging"

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
		config.WithLogger(logging.Nop{}), // it warns of instance metadata, which nobody asked for
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = p.askMFA
			if o.Client != nil {
				o.Client = assumeRoleClient{o.Client, endpoint}
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.Client != nil { // the SDK asks twice, and has none the first time
				o.Client = webIdentityClient{o.Client, endpoint}
			}
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
		return sigv4.Credentials{}, aws.Credentials{}, p.explainCredentials(errors.New("no credential provider"))
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
		return cli.Hint(fmt.Errorf("the AWS profile %q cannot be used: %s", assume.Profile, oneLine(err)), "see its source_profile, credential_source and role_arn")
	}
	if bundle := p.Getenv("AWS_CA_BUNDLE"); bundle != "" && strings.Contains(err.Error(), bundle) {
		return cli.Hint(fmt.Errorf("AWS_CA_BUNDLE: %s", oneLine(err)), "it must name a file of certificates, or be unset")
	}
	return cli.Hint(fmt.Errorf("read the AWS configuration: %s", oneLine(err)), "see ~/.aws/config and ~/.aws/credentials, or the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name")
}

// explainCredentials says in one line which source failed, and what to do. The
// SDK's error names its own layers, and at the end of the chain it speaks of
// instance metadata, which misleads everybody who is not on an instance.
func (p *program) explainCredentials(err error) error {
	source, hint := p.credentialSource()
	var sso *ssocreds.InvalidTokenError
	var api smithy.APIError
	switch {
	case errors.As(err, &sso):
		return cli.Hint(fmt.Errorf("the SSO session of profile %q has ended or was never begun", p.profileName()),
			"aws sso login --profile %s", p.profileName())
	case errors.As(err, &api):
		return cli.Hint(fmt.Errorf("credentials from %s: AWS answers %s: %s", source, api.ErrorCode(), api.ErrorMessage()), "%s", hint)
	case strings.Contains(err.Error(), "no EC2 IMDS role found"), strings.Contains(err.Error(), "no credential provider"):
		return cli.Hint(fmt.Errorf("unable to locate credentials (tried the environment, profile %q, web identity, container and instance metadata)", p.profileName()),
			"set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure")
	}
	return cli.Hint(fmt.Errorf("credentials from %s: %s", source, oneLine(err)), "%s", hint)
}

// credentialSource is where the SDK looks for credentials first, by its own
// order, and what to look at when that fails.
func (p *program) credentialSource() (source, hint string) {
	profile := fmt.Sprintf("profile %q", p.profileName())
	profileHint := "look at the profile in ~/.aws/config and ~/.aws/credentials: are its role, source and keys right?"
	switch {
	case p.aws.profile != "":
		return profile, profileHint
	case p.Getenv("AWS_ACCESS_KEY_ID") != "":
		return "the environment", "AWS_ACCESS_KEY_ID needs AWS_SECRET_ACCESS_KEY"
	case p.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		return "web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN)", "is the token file there and readable, and does the role trust the service account?"
	case p.Getenv("AWS_PROFILE") != "":
		return profile, profileHint
	case p.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "" || p.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return "the container's credentials endpoint (AWS_CONTAINER_CREDENTIALS_…)", "does the agent answer there, and is it exempt from the proxy (NO_PROXY)?"
	}
	return profile, profileHint
}

// oneLine is an error's text without its line breaks.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
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
