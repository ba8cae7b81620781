package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/oidc"
)

type assumeFlags struct {
	roleARN, tokenFile, sessionName string
	duration                        time.Duration
	audience                        string
	output                          output
}

func (p *program) newAssume() *cobra.Command {
	f := &assumeFlags{}
	cmd := &cobra.Command{
		Use:   "assume",
		Short: "Assume an IAM role with a service account's token",
		Long: `Assume an IAM role with a service account's token (AssumeRoleWithWebIdentity),
as the AWS SDKs do in a pod. Role and token file are those of the environment
that a pod has (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE), or of the flags.

What can be seen to be wrong with the token is said before STS is asked.`,
		Example: `  eval "$(eksauth assume)"
  eksauth assume --role-arn arn:aws:iam::111122223333:role/awesome.app --web-identity-token-file token -o json

  # In ~/.aws/config, so that any SDK and the aws CLI use it:
  [profile app]
  credential_process = eksauth assume --role-arn ARN --web-identity-token-file FILE -o process`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.assume(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.roleARN, "role-arn", "", "`ARN` of the role (default: AWS_ROLE_ARN)")
	cmd.Flags().StringVar(&f.tokenFile, "web-identity-token-file", "", "`file` with the token (default: AWS_WEB_IDENTITY_TOKEN_FILE)")
	cmd.Flags().StringVar(&f.sessionName, "session-name", "", "role session `name` (default: AWS_ROLE_SESSION_NAME, else the service account's)")
	cmd.Flags().DurationVar(&f.duration, "duration", time.Hour, "how long the credentials shall be good for: 15m to the role's maximum")
	cmd.Flags().StringVar(&f.audience, "audience", "sts.amazonaws.com", "`audience` that the token must have; \"\" for any")
	addOutput(cmd, &f.output, "env", "json", "process", "ini")
	return cmd
}

func (p *program) assume(ctx context.Context, f *assumeFlags) error {
	role, err := p.webIdentityRole(f)
	if err != nil {
		return err
	}
	raw, claims, err := p.webIdentityToken(f)
	if err != nil {
		return err
	}
	if f.duration < 15*time.Minute || f.duration > 12*time.Hour {
		return cli.Usage("--duration is %s, and STS takes 15m to 12h", f.duration)
	}
	cfg, err := p.awsConfig(ctx)
	if err != nil {
		return err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	name := firstOf(f.sessionName, p.Getenv("AWS_ROLE_SESSION_NAME"), webIdentitySessionName(claims.Subject))
	cfg.Credentials = aws.AnonymousCredentials{} // the token is all that counts
	out, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: &name, WebIdentityToken: &raw, DurationSeconds: aws.Int32(int32(f.duration.Seconds())),
	})
	if err != nil {
		return explainWebIdentity(role, claims, err)
	}
	return p.writeCredentials(out.Credentials, cfg.Region, f.output.value)
}

func (p *program) webIdentityRole(f *assumeFlags) (string, error) {
	role := firstOf(f.roleARN, p.Getenv("AWS_ROLE_ARN"))
	if role == "" {
		return "", cli.Hint(cli.Usage("no role: there is no AWS_ROLE_ARN"),
			"in a pod: its service account has no annotation eks.amazonaws.com/role-arn, or the pod is older than that; elsewhere: --role-arn ARN")
	}
	if r, err := arn.ParsePrincipal(role); err != nil {
		return "", cli.Hint(cli.Usage("the role: %w", err), "arn:aws:iam::ACCOUNT:role/NAME")
	} else if r.Kind != arn.Role {
		return "", cli.Hint(cli.Usage("%s is not a role", role), "arn:aws:iam::ACCOUNT:role/NAME")
	}
	return role, nil
}

// webIdentityToken reads the token and says what can be seen to be wrong with
// it, in words that STS does not have.
func (p *program) webIdentityToken(f *assumeFlags) (string, oidc.Inspection, error) {
	file := firstOf(f.tokenFile, p.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"))
	if file == "" {
		return "", oidc.Inspection{}, cli.Hint(cli.Usage("no token: there is no AWS_WEB_IDENTITY_TOKEN_FILE"), "--web-identity-token-file FILE")
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrPermission) {
		return "", oidc.Inspection{}, cli.Hint(fmt.Errorf("read the token: %w", err), "a container that is not root needs fsGroup in the pod's securityContext to read it")
	}
	if err != nil {
		return "", oidc.Inspection{}, fmt.Errorf("read the token: %w", err)
	}
	raw := strings.TrimSpace(string(data)) // an editor's newline is not part of it
	in, err := oidc.Inspect(raw, time.Now())
	if err != nil {
		return "", in, fmt.Errorf("%s: %w", file, err)
	}
	if len(in.Faults) > 0 {
		return "", in, cli.Hint(fmt.Errorf("%s: STS would refuse the token: %s", file, strings.Join(in.Faults, "; ")),
			"eksauth inspect - < %s", file)
	}
	if f.audience != "" && !slices.Contains(in.Audience, f.audience) {
		return "", in, cli.Hint(fmt.Errorf("%s: the token's audience is %s, not %s", file, strings.Join(in.Audience, ", "), f.audience),
			`the volume's audience must be that of the OIDC provider; --audience "" asks STS all the same`)
	}
	return raw, in, nil
}

// webIdentitySessionName tells the service account in CloudTrail and in the
// audit log: NAMESPACE.NAME.
func webIdentitySessionName(subject string) string {
	name := strings.ReplaceAll(strings.TrimPrefix(subject, "system:serviceaccount:"), ":", ".")
	return sessionNameFor(arn.Principal{Session: name})
}

// explainWebIdentity adds to STS's words what they leave out.
func explainWebIdentity(role string, claims oidc.Inspection, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return cli.Hint(fmt.Errorf("assume %s: %w", role, err), "can this machine reach STS?")
	}
	err = fmt.Errorf("assume %s: %s: %s", role, api.ErrorCode(), api.ErrorMessage())
	issuer := strings.TrimPrefix(claims.Issuer, "https://")
	switch api.ErrorCode() {
	case "AccessDenied":
		return cli.Hint(err, "the role does not exist, or its trust policy is not for %q = %q and %q = %q",
			issuer+":sub", claims.Subject, issuer+":aud", strings.Join(claims.Audience, ", "))
	case "InvalidIdentityToken":
		return cli.Hint(err, "the role's account needs an OIDC provider for %s with the client id %s", claims.Issuer, strings.Join(claims.Audience, ", "))
	case "ExpiredTokenException":
		return cli.Hint(err, "read the token file anew: the kubelet renews it; or is a clock off?")
	}
	return err
}

// writeCredentials prints them for a shell, for credential_process, or as a
// profile.
func (p *program) writeCredentials(c *types.Credentials, region, format string) error {
	id, secret, session := aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken)
	expiration := aws.ToTime(c.Expiration).UTC().Format(time.RFC3339)
	switch format {
	case "json", "process": // credential_process wants just this
		return writeJSON(p.Out, struct {
			Version                                                int
			AccessKeyId, SecretAccessKey, SessionToken, Expiration string
		}{1, id, secret, session, expiration})
	case "ini":
		_, err := fmt.Fprintf(p.Out, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\nregion = %s\n", id, secret, session, region)
		return err
	}
	_, err := fmt.Fprintf(p.Out, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_SESSION_TOKEN=%s\n",
		shell.Quote(id), shell.Quote(secret), shell.Quote(session))
	return err
}
