//lint:file-ignore SA1019 PackedPolicySize is what STS answers; its successor is not in these answers yet.

package sts

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

// These tests let AWS's own SDK sign the requests and read the answers.

func (w *world) client(p aws.CredentialsProvider) *awssts.Client {
	return awssts.New(awssts.Options{
		Region:           region,
		Credentials:      p,
		BaseEndpoint:     aws.String(w.url),
		RetryMaxAttempts: 1,
	})
}

func static(id, secret, token string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(id, secret, token)
}

func served(t *testing.T) *world {
	w := newWorld(t)
	w.serve(t)
	return w
}

// sdkRefused checks the error that the SDK made of an answer.
func sdkRefused(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var api smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		t.Fatalf("error %v, want an API error", err)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) || response.HTTPStatusCode() != status {
		t.Errorf("%d %s: %s\nwant %d %s: …%s…", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
	if len(response.ServiceRequestID()) != 36 {
		t.Errorf("request id %q", response.ServiceRequestID())
	}
	fault := smithy.FaultClient
	if status >= 500 {
		fault = smithy.FaultServer
	}
	if got := api.ErrorFault(); got != fault && got != smithy.FaultUnknown {
		t.Errorf("fault %v", got)
	}
}

func TestSDKReadsCallerIdentity(t *testing.T) {
	t.Parallel()
	w := served(t)
	got, err := w.client(static(adaKey, adaSecret, "")).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Arn != adaARN || *got.Account != account || *got.UserId != "AIDAADAADAADAADAADAA" {
		t.Errorf("%s %s %s", *got.Arn, *got.Account, *got.UserId)
	}
}

func TestSDKPresignsCallerIdentity(t *testing.T) {
	t.Parallel()
	w := served(t)
	presigner := awssts.NewPresignClient(w.client(static(adaKey, adaSecret, "")))
	signed, err := presigner.PresignGetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range signed.SignedHeader {
		r.Header[name] = values
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("%s for %s", response.Status, signed.URL)
	}
}

func TestSDKAssumesARole(t *testing.T) {
	t.Parallel()
	w := served(t)
	before := w.now()
	got, err := w.client(static(adaKey, adaSecret, "")).AssumeRole(context.Background(), &awssts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("ada@laptop"), DurationSeconds: aws.Int32(7200),
	})
	if err != nil {
		t.Fatal(err)
	}
	const session = "arn:aws:sts::111122223333:assumed-role/awesome.role/ada@laptop"
	if *got.AssumedRoleUser.Arn != session || *got.AssumedRoleUser.AssumedRoleId != "AROAAWESOMEAWESOMEAW:ada@laptop" {
		t.Errorf("%s %s", *got.AssumedRoleUser.Arn, *got.AssumedRoleUser.AssumedRoleId)
	}
	c := got.Credentials
	if len(*c.AccessKeyId) != 20 || !strings.HasPrefix(*c.AccessKeyId, "ASIA") ||
		strings.Trim((*c.AccessKeyId)[4:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || len(*c.SecretAccessKey) != 40 {
		t.Errorf("access key id %q, secret of %d characters", *c.AccessKeyId, len(*c.SecretAccessKey))
	}
	if life := c.Expiration.Sub(before); life < 7199*time.Second || life > 7201*time.Second {
		t.Errorf("expires after %v", life)
	}
	if got.PackedPolicySize != nil || got.SourceIdentity != nil {
		t.Errorf("packed size %v, source identity %v without either", got.PackedPolicySize, got.SourceIdentity)
	}
	who, err := w.client(static(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != session || *who.UserId != "AROAAWESOMEAWESOMEAW:ada@laptop" {
		t.Errorf("the session is %s %s", *who.Arn, *who.UserId)
	}
}

func TestSDKChainsRolesWithTagsAndSourceIdentity(t *testing.T) {
	t.Parallel()
	w := served(t)
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`,
		`{"StringEquals":{"aws:RequestTag/team":"blue","sts:SourceIdentity":"ada","sts:ExternalId":"x-1"},
		  "ForAllValues:StringEquals":{"aws:TagKeys":["team","mood"],"sts:TransitiveTagKeys":["team"]}}`))
	w.addRole(t, otherARN, "AROAOTHEROTHEROTHERO", trusting(roleARN, `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`,
		`{"StringEquals":{"aws:PrincipalTag/mood":"fine","aws:PrincipalTag/team":"blue","aws:RequestTag/team":"blue","sts:SourceIdentity":"ada","aws:SourceIdentity":"ada"},
		  "Null":{"aws:RequestTag/mood":"true"}}`))
	ctx := context.Background()
	first := stscreds.NewAssumeRoleProvider(w.client(static(adaKey, adaSecret, "")), roleARN, func(o *stscreds.AssumeRoleOptions) {
		o.ExternalID = aws.String("x-1")
		o.SourceIdentity = aws.String("ada")
		o.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}, {Key: aws.String("mood"), Value: aws.String("fine")}}
		o.TransitiveTagKeys = []string{"Team"}
		o.RoleSessionName = "one"
	})
	got, err := w.client(first).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String(otherARN), RoleSessionName: aws.String("two")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(got.SourceIdentity) != "ada" || aws.ToInt32(got.PackedPolicySize) < 1 || aws.ToInt32(got.PackedPolicySize) > 100 {
		t.Errorf("source identity %q, packed size %d", aws.ToString(got.SourceIdentity), aws.ToInt32(got.PackedPolicySize))
	}
	c := got.Credentials
	session, _, err := w.handler.Auth.Sessions.Open(*c.SessionToken, *c.AccessKeyId)
	if err != nil {
		t.Fatal(err)
	}
	if !session.Chained || len(session.Tags) != 1 || session.Tags[0] != (Tag{"team", "blue", true}) {
		t.Errorf("chained %t, tags %v", session.Chained, session.Tags)
	}
}

func TestSDKReadsRefusals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	assume := func(p func(*world) aws.CredentialsProvider, in awssts.AssumeRoleInput) func(*world) error {
		return func(w *world) error {
			if in.RoleArn == nil {
				in.RoleArn = aws.String(roleARN)
			}
			if in.RoleSessionName == nil {
				in.RoleSessionName = aws.String("s-1")
			}
			_, err := w.client(p(w)).AssumeRole(ctx, &in)
			return err
		}
	}
	asAda := func(*world) aws.CredentialsProvider { return static(adaKey, adaSecret, "") }
	asRoot := func(*world) aws.CredentialsProvider { return static(rootKey, rootSecret, "") }
	asSession := func(w *world) aws.CredentialsProvider {
		c := w.session(t, ada(), roleARN)
		return static(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	whoAs := func(p aws.CredentialsProvider) func(*world) error {
		return func(w *world) error {
			_, err := w.client(p).GetCallerIdentity(ctx, nil)
			return err
		}
	}
	tests := []struct {
		name    string
		call    func(*world) error
		status  int
		code    string
		message string
	}{
		{"no credentials", whoAs(aws.AnonymousCredentials{}), 403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
		{"unknown key", whoAs(static("AKIAUNKNOWNUNKNOWNUN", "x", "")), 403, "InvalidClientTokenId", "The security token included in the request is invalid"},
		{"wrong secret", whoAs(static(adaKey, "x", "")), 403, "SignatureDoesNotMatch", "The request signature we calculated does not match"},
		{"expired session", func(w *world) error {
			session := someSession(t)
			session.Expires = w.now().Add(-time.Second)
			token, err := w.handler.Auth.Sessions.Seal(session, "s3cret")
			if err != nil {
				return err
			}
			return whoAs(static(session.Identity.AccessKeyID, "s3cret", token))(w)
		}, 403, "ExpiredToken", "The security token included in the request is expired"},
		{"clock", func(w *world) error { w.advance(time.Hour); return whoAs(static(adaKey, adaSecret, ""))(w) },
			403, "SignatureDoesNotMatch", "Signature expired: "},
		{"action that is not there", func(w *world) error {
			_, err := w.client(asAda(w)).GetDelegatedAccessToken(ctx, &awssts.GetDelegatedAccessTokenInput{TradeInToken: aws.String("x")})
			return err
		}, 400, "InvalidAction", "Could not find operation GetDelegatedAccessToken for version 2011-06-15"},
		{"root", assume(asRoot, awssts.AssumeRoleInput{}), 403, "AccessDenied", "Roles may not be assumed by root accounts."},
		{"untrusted", assume(asAda, awssts.AssumeRoleInput{RoleArn: aws.String(otherARN)}),
			403, "AccessDenied", "User: " + adaARN + " is not authorized to perform: sts:AssumeRole on resource: " + otherARN},
		{"no role", assume(asAda, awssts.AssumeRoleInput{RoleArn: aws.String(otherARN + "2")}),
			403, "AccessDenied", "User: " + adaARN + " is not authorized to perform: sts:AssumeRole on resource: " + otherARN + "2"},
		{"session name", assume(asAda, awssts.AssumeRoleInput{RoleSessionName: aws.String("ada lovelace")}),
			400, "ValidationError", `1 validation error detected: Value 'ada lovelace' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"too long for the role", assume(asAda, awssts.AssumeRoleInput{DurationSeconds: aws.Int32(7201)}),
			400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"chain too long", assume(asSession, awssts.AssumeRoleInput{RoleArn: aws.String(otherARN), DurationSeconds: aws.Int32(3601)}),
			400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"session policy", assume(asAda, awssts.AssumeRoleInput{Policy: aws.String("{}")}),
			400, "MalformedPolicyDocument", "missing required field Statement"},
		{"MFA", assume(asAda, awssts.AssumeRoleInput{SerialNumber: aws.String("arn:aws:iam::111122223333:mfa/ada"), TokenCode: aws.String("123456")}),
			403, "AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code."},
		{"store fails", assume(asAda, awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/broken")}), 500, "InternalFailure", ""},
		{"panic", assume(asAda, awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/panic")}), 500, "InternalFailure", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := served(t)
			sdkRefused(t, test.call(w), test.status, test.code, test.message)
		})
	}
}

func TestSDKReadsTooManyTagsAsItsOwnError(t *testing.T) {
	t.Parallel()
	w := served(t)
	w.addRole(t, roleARN, "AROAAWESOMEAWESOMEAW", trusting(adaARN, `["sts:AssumeRole","sts:TagSession"]`, ""))
	var tags []types.Tag
	for i := range 26 {
		tags = append(tags, types.Tag{Key: aws.String(strings.Repeat("k", 100) + string(rune('A'+i))), Value: aws.String(strings.Repeat("v", 256))})
	}
	_, err := w.client(static(adaKey, adaSecret, "")).AssumeRole(context.Background(), &awssts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("s-1"), Tags: tags,
	})
	var tooLarge *types.PackedPolicyTooLargeException
	if !errors.As(err, &tooLarge) {
		t.Errorf("error %v", err)
	}
}

// tokenFile is the token of a pod, in a file as kubelet writes it.
type tokenFile string

func (f tokenFile) GetIdentityToken() ([]byte, error) { return []byte(f + "\n"), nil }

func TestSDKAssumesARoleWithAWebIdentity(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.serve(t)
	provider := stscreds.NewWebIdentityRoleProvider(w.client(aws.AnonymousCredentials{}), podRoleARN, tokenFile(w.jwt(t, nil)),
		func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "pod-1" })
	who, err := w.client(provider).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != sessionARN || *who.UserId != "AROAPODSPODSPODSPODS:pod-1" || *who.Account != account {
		t.Errorf("%s %s %s", *who.Arn, *who.UserId, *who.Account)
	}
	before := w.now()
	got, err := w.client(aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(context.Background(), &awssts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(podRoleARN), RoleSessionName: aws.String("pod-1"), WebIdentityToken: aws.String(w.jwt(t, nil)), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *got.SubjectFromWebIdentityToken != subject || *got.Provider != providerARN || *got.Audience != "sts.amazonaws.com" || got.PackedPolicySize != nil || got.SourceIdentity != nil {
		t.Errorf("%+v", got)
	}
	if life := got.Credentials.Expiration.Sub(before); life < 899*time.Second || life > 901*time.Second {
		t.Errorf("expires after %v", life)
	}
}

func TestSDKReadsRefusalsOfWebIdentitiesAsItsOwnErrors(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.serve(t)
	ask := func(role, token string) error {
		_, err := w.client(aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(context.Background(), &awssts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String(role), RoleSessionName: aws.String("pod-1"), WebIdentityToken: aws.String(token),
		})
		return err
	}
	err := ask(podRoleARN, w.jwt(t, map[string]any{"aud": nil}))
	sdkRefused(t, err, 400, "InvalidIdentityToken", "Missing a required claim: aud")
	if !errors.As(err, new(*types.InvalidIdentityTokenException)) {
		t.Errorf("error %T", err)
	}
	err = ask(podRoleARN, w.jwt(t, map[string]any{"exp": w.now().Add(-time.Hour).Unix()}))
	sdkRefused(t, err, 400, "ExpiredTokenException", "Token expired: current date/time ")
	if !errors.As(err, new(*types.ExpiredTokenException)) {
		t.Errorf("error %T", err)
	}
	sdkRefused(t, ask(otherARN, w.jwt(t, nil)), 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	// The role is there, and the provider in another account than the role's.
	sdkRefused(t, ask("arn:aws:iam::444455556666:role/payments.api", w.jwt(t, nil)), 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for "+issuer)
}
