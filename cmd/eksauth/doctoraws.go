package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/doctor"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/sigv4"
)

// doctorSession names the session by which STS is asked for its opinion.
const doctorSession = "eksauth-doctor"

// accountClient reads IAM and asks STS with the user's credentials. The SDK's IAM client
// would slow every start of this program; IAM's read-only calls are signed here, as
// that to EKS is.
type accountClient struct {
	p     *program
	cfg   aws.Config
	creds sigv4.Credentials
}

// doctorAWS is nil, and says why, where there are no credentials.
func (p *program) doctorAWS(ctx context.Context) (client *accountClient, why string) {
	cfg, err := p.awsConfig(ctx)
	if err == nil {
		if cfg.Region == "" {
			cfg.Region = "us-east-1"
		}
		var creds sigv4.Credentials
		if creds, _, err = p.retrieve(ctx, cfg); err == nil {
			return &accountClient{p, cfg, creds}, ""
		}
	}
	return nil, "there are no AWS credentials: " + err.Error()
}

func (a *accountClient) Account(ctx context.Context) (string, error) {
	out, err := sts.NewFromConfig(a.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("STS does not say who you are: %s", awsMessage(err))
	}
	return aws.ToString(out.Account), nil
}

func (a *accountClient) Assume(ctx context.Context, role, token string) error {
	cfg := a.cfg.Copy()
	cfg.Credentials = aws.AnonymousCredentials{} // the token is all that counts
	_, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String(doctorSession), WebIdentityToken: &token, DurationSeconds: aws.Int32(900),
	})
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		return errors.New(awsMessage(err))
	case err != nil:
		return fmt.Errorf("%w: %w", doctor.ErrNoAnswer, err)
	}
	return nil
}

// awsMessage is AWS's own words.
func awsMessage(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

func (a *accountClient) Role(ctx context.Context, name string) (doctor.Role, error) {
	var answer struct {
		Role struct {
			Arn                      string
			AssumeRolePolicyDocument string // percent-encoded JSON (RFC 3986)
		} `xml:"GetRoleResult>Role"`
	}
	if err := a.iam(ctx, url.Values{"Action": {"GetRole"}, "RoleName": {name}}, &answer); err != nil {
		return doctor.Role{}, err
	}
	policy, err := url.PathUnescape(answer.Role.AssumeRolePolicyDocument)
	return doctor.Role{ARN: answer.Role.Arn, TrustPolicy: policy}, err
}

// Principal is a user or a role by its name.
func (a *accountClient) Principal(ctx context.Context, p arn.Principal) (found, id string, err error) {
	if p.Kind == arn.User {
		var answer struct {
			ARN string `xml:"GetUserResult>User>Arn"`
			ID  string `xml:"GetUserResult>User>UserId"`
		}
		err := a.iam(ctx, url.Values{"Action": {"GetUser"}, "UserName": {p.Name}}, &answer)
		return answer.ARN, answer.ID, err
	}
	var answer struct {
		ARN string `xml:"GetRoleResult>Role>Arn"`
		ID  string `xml:"GetRoleResult>Role>RoleId"`
	}
	err = a.iam(ctx, url.Values{"Action": {"GetRole"}, "RoleName": {p.Name}}, &answer)
	return answer.ARN, answer.ID, err
}

// Bounds of what is read: roles of an account, which has 1,000 unless its quota was raised,
// and one answer, which has a thousand of them with a trust policy of up to 8,192
// characters each, percent-encoded.
const (
	maxRoles     = 20000
	maxIAMAnswer = 32 << 20
)

func (a *accountClient) Roles(ctx context.Context) ([]doctor.Role, error) {
	var roles []doctor.Role
	query := url.Values{"Action": {"ListRoles"}, "MaxItems": {"1000"}}
	for len(roles) < maxRoles {
		var answer struct {
			Roles []struct {
				Arn                      string
				AssumeRolePolicyDocument string
			} `xml:"ListRolesResult>Roles>member"`
			Marker string `xml:"ListRolesResult>Marker"`
		}
		if err := a.iam(ctx, query, &answer); err != nil {
			return nil, err
		}
		for _, r := range answer.Roles {
			policy, err := url.PathUnescape(r.AssumeRolePolicyDocument)
			if err != nil {
				return nil, err
			}
			roles = append(roles, doctor.Role{ARN: r.Arn, TrustPolicy: policy})
		}
		if answer.Marker == "" {
			return roles, nil
		}
		query.Set("Marker", answer.Marker)
	}
	return nil, fmt.Errorf("the account has more than %d roles", maxRoles) // that one is not there could not be told
}

func (a *accountClient) Provider(ctx context.Context, provider string) (doctor.Provider, error) {
	var answer struct {
		URL       string   `xml:"GetOpenIDConnectProviderResult>Url"`
		ClientIDs []string `xml:"GetOpenIDConnectProviderResult>ClientIDList>member"`
	}
	err := a.iam(ctx, url.Values{"Action": {"GetOpenIDConnectProvider"}, "OpenIDConnectProviderArn": {provider}}, &answer)
	return doctor.Provider{URL: answer.URL, ClientIDs: answer.ClientIDs}, err
}

// iamEndpoint is where IAM is, and the region of its signatures.
func (a *accountClient) iamEndpoint() (endpoint, region string) {
	if given := firstOf(a.p.Getenv("AWS_ENDPOINT_URL_IAM"), a.p.Getenv("AWS_ENDPOINT_URL"), aws.ToString(a.cfg.BaseEndpoint)); given != "" {
		return given, a.cfg.Region
	}
	partition, _ := arn.PartitionOfRegion(a.cfg.Region)
	switch partition.ID {
	case "aws-cn":
		return "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"
	case "aws-us-gov":
		return "https://iam.us-gov.amazonaws.com", "us-gov-west-1"
	}
	if partition.ID == "" || partition.ID == "aws" {
		return "https://iam.amazonaws.com", "us-east-1"
	}
	return "https://iam." + partition.GlobalRegion + "." + partition.DNSSuffix, partition.GlobalRegion
}

// iam makes one call of IAM's query protocol.
func (a *accountClient) iam(ctx context.Context, query url.Values, answer any) error {
	query.Set("Version", "2010-05-08")
	body := []byte(query.Encode())
	endpoint, region := a.iamEndpoint()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if err := sigv4.Sign(req, sigv4.PayloadHash(body), a.creds, region, "iam", time.Now()); err != nil {
		return err
	}
	client := a.cfg.HTTPClient // set if there is an AWS_CA_BUNDLE
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("IAM does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxIAMAnswer))
	if err != nil {
		return fmt.Errorf("IAM does not answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return iamError(query.Get("Action"), resp.Status, text)
	}
	if err := xml.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("IAM's answer is not XML: %w", err)
	}
	return nil
}

func iamError(action, status string, text []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	_ = xml.Unmarshal(text, &answer) // an error without a message is one too
	switch e := answer.Error; e.Code {
	case "NoSuchEntity":
		return fmt.Errorf("%w: %s", doctor.ErrNotFound, e.Message)
	case "AccessDenied":
		return fmt.Errorf("your credentials lack iam:%s", action)
	case "":
		return errors.New("IAM says " + status)
	default:
		return errors.New("IAM says " + e.Code + ": " + e.Message)
	}
}

// doctorIssuer reads an issuer's keys from this machine, which trusts the system's
// authorities, or those in a file.
type doctorIssuer struct{ authority string }

func (i doctorIssuer) PublishedKeys(ctx context.Context, issuer string) ([]string, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	if i.authority != "" {
		data, err := os.ReadFile(i.authority)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s has no certificate in it", i.authority)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		defer transport.CloseIdleConnections()
		client.Transport = transport
	}
	keys, err := oidc.PublishedKeys(ctx, client, issuer)
	var untrusted x509.UnknownAuthorityError
	if errors.As(err, &untrusted) {
		return nil, &doctor.UntrustedError{Err: untrusted}
	}
	return keys, err
}
