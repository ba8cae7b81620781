package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

const administratorARN = "arn:aws:iam::111122223333:user/administrator"

func given(c *types.Credentials) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// The session of a user is the user, for a while; and AWS lets it do less.
func TestGetSessionToken(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ctx := t.Context()
	out, err := awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).GetSessionToken(ctx, &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("it ends in %s", left)
	}
	session := given(out.Credentials)
	if id, who, err := whoami(t, s, session); err != nil || who != localtest.AdaARN || !strings.HasPrefix(id, "AIDA") {
		t.Errorf("%s %s %v", id, who, err)
	}
	mustAssume(t, s, session, localtest.RoleARN) // she may, by her own policies
	config := s.Config(session)
	if _, err := eks.NewFromConfig(config).ListClusters(ctx, nil); err != nil {
		t.Error(err)
	}
	_, err = iam.NewFromConfig(config).GetUser(ctx, nil)
	localtest.IsAPIError(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid")
	_, err = awssts.NewFromConfig(config).GetSessionToken(ctx, nil)
	localtest.IsAPIError(t, err, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = awssts.NewFromConfig(config).GetAccessKeyInfo(ctx, &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
	localtest.IsAPIError(t, err, 403, "AccessDenied", "Cannot call GetAccessKeyInfo with session credentials")
	_, err = awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).GetSessionToken(ctx, &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(129601)})
	localtest.IsAPIError(t, err, 400, "ValidationError", "less than or equal to 129600")
	_, err = awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).GetSessionToken(ctx, &awssts.GetSessionTokenInput{SerialNumber: aws.String("arn:aws:iam::111122223333:mfa/ada"), TokenCode: aws.String("123456")})
	localtest.IsAPIError(t, err, 403, "AccessDenied", "MultiFactorAuthentication failed")

	s.SetClock(16 * time.Minute)
	if _, _, err := whoami(t, s, session); err == nil {
		t.Error("the session goes on")
	}
	s.SetClock(0)
	administrator := iam.NewFromConfig(s.Of(t, administratorARN))
	keys, err := administrator.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("ada.lovelace")})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []error{
		second(administrator.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ada.lovelace"), AccessKeyId: keys.AccessKeyMetadata[0].AccessKeyId})),
		second(administrator.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: aws.String("ada.lovelace"), GroupName: aws.String("developers")})),
		second(administrator.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: aws.String("ada.lovelace"), PolicyName: aws.String("become-roles")})),
		second(administrator.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("ada.lovelace")})),
	} {
		if call != nil {
			t.Fatal(call)
		}
	}
	_, _, err = whoami(t, s, session)
	localtest.IsAPIError(t, err, 403, "InvalidClientTokenId", "")
}

func second[T any](_ T, err error) error { return err }

// A federated user may do what both the user and the session's policies allow:
// without any, nothing.
func TestGetFederationToken(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ctx := t.Context()
	sts := awssts.NewFromConfig(s.Of(t, administratorARN))
	policy := func(action string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`)
	}
	for name, tc := range map[string]struct {
		in   awssts.GetFederationTokenInput
		list bool
	}{
		"no policy":      {awssts.GetFederationTokenInput{}, false},
		"policy":         {awssts.GetFederationTokenInput{Policy: policy("eks:*")}, true},
		"another policy": {awssts.GetFederationTokenInput{Policy: policy("iam:*")}, false},
		"managed":        {awssts.GetFederationTokenInput{PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")}}}, true},
		"managed, less":  {awssts.GetFederationTokenInput{PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/IAMFullAccess")}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Name = aws.String("bob")
			out, err := sts.GetFederationToken(ctx, &tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if *out.FederatedUser.Arn != "arn:aws:sts::111122223333:federated-user/bob" || *out.FederatedUser.FederatedUserId != "111122223333:bob" {
				t.Errorf("%+v", out.FederatedUser)
			}
			session := given(out.Credentials)
			if id, who, err := whoami(t, s, session); err != nil || who != *out.FederatedUser.Arn || id != "111122223333:bob" {
				t.Errorf("%s %s %v", id, who, err)
			}
			_, err = eks.NewFromConfig(s.Config(session)).ListClusters(ctx, nil)
			if tc.list && err != nil {
				t.Error(err)
			} else if !tc.list {
				localtest.IsAPIError(t, err, 403, "AccessDeniedException", "because no session policy allows the eks:ListClusters action")
			}
			_, err = assume(t, s, session, &awssts.AssumeRoleInput{RoleArn: aws.String(localtest.RoleARN)})
			localtest.IsAPIError(t, err, 403, "AccessDenied", "Cannot call AssumeRole with session credentials")
		})
	}
	ada := awssts.NewFromConfig(s.Of(t, localtest.AdaARN))
	_, err := ada.GetFederationToken(ctx, &awssts.GetFederationTokenInput{Name: aws.String("bob")})
	localtest.IsAPIError(t, err, 403, "AccessDenied", "sts:GetFederationToken on resource: arn:aws:sts::111122223333:federated-user/bob because no identity-based policy allows")
	for _, none := range []string{"arn:aws:iam::111122223333:policy/none", "arn:aws-cn:iam::aws:policy/AdministratorAccess", "arn:aws:iam::444455556666:policy/see"} {
		_, err = sts.GetFederationToken(ctx, &awssts.GetFederationTokenInput{Name: aws.String("bob"), PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String(none)}}})
		localtest.IsAPIError(t, err, 400, "InvalidParameterValue", "does not exist or is not attachable")
	}
}

// Managed session policies narrow a role's session, in the version in force when
// they are asked.
func TestManagedSessionPolicies(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ctx := t.Context()
	administrator := iam.NewFromConfig(s.Of(t, administratorARN))
	allow := func(action string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`)
	}
	made, err := administrator.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("narrow"), PolicyDocument: allow("eks:DescribeCluster")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).AssumeRole(ctx, &awssts.AssumeRoleInput{
		RoleArn: aws.String(localtest.RoleARN), RoleSessionName: aws.String("s-1"), PolicyArns: []types.PolicyDescriptorType{{Arn: made.Policy.Arn}},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := s.Config(given(out.Credentials))
	if _, err := describe(t, config, "dev"); err != nil {
		t.Error(err)
	}
	_, err = eks.NewFromConfig(config).ListClusters(ctx, nil)
	localtest.IsAPIError(t, err, 403, "AccessDeniedException", "because no session policy allows the eks:ListClusters action")
	if _, err := administrator.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: made.Policy.Arn, PolicyDocument: allow("eks:List*"), SetAsDefault: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := eks.NewFromConfig(config).ListClusters(ctx, nil); err != nil {
		t.Error(err)
	}
}

// Tags of the role and of its session are aws:PrincipalTag, the session's first.
func TestPrincipalTags(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	ctx := t.Context()
	administrator := iam.NewFromConfig(s.Of(t, administratorARN))
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + localtest.AdaARN + `"},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	for _, in := range []*string{aws.String("navy"), aws.String("army")} {
		if _, err := administrator.CreateRole(ctx, createTaggedRole(*in, trust)); err != nil {
			t.Fatal(err)
		}
		if _, err := administrator.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: in, PolicyName: aws.String("p"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:ListClusters","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"navy"}}}}`)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		role, tag string
		allowed   bool
	}{{"navy", "", true}, {"army", "", false}, {"army", "navy", true}, {"navy", "army", false}} {
		in := &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/" + tc.role), RoleSessionName: aws.String("s-1")}
		if tc.tag != "" {
			in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String(tc.tag)}}
		}
		out, err := awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).AssumeRole(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		_, err = eks.NewFromConfig(s.Config(given(out.Credentials))).ListClusters(ctx, nil)
		if (err == nil) != tc.allowed {
			t.Errorf("role %s, session tag %q: %v", tc.role, tc.tag, err)
		}
	}
}

func TestGetAccessKeyInfo(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	client := awssts.NewFromConfig(s.Of(t, administratorARN))
	session := mustAssume(t, s, localtest.CredentialsOf(t, s.Store, localtest.AdaARN), localtest.RoleARN)
	for _, id := range []string{localtest.CredentialsOf(t, s.Store, localtest.AdaARN).AccessKeyID, session.AccessKeyID,
		"ASIAY34FZKBOKMUTVV7A"} { // a published example of a real key
		out, err := client.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String(id)})
		want := localtest.Account
		if id == "ASIAY34FZKBOKMUTVV7A" {
			want = "609629065308"
		}
		if err != nil || *out.Account != want {
			t.Errorf("%s: %+v %v", id, out, err)
		}
	}
	_, err := client.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
	localtest.IsAPIError(t, err, 400, "InvalidParameterValue", "does not exist")
	_, err = awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
	localtest.IsAPIError(t, err, 403, "AccessDenied", "sts:GetAccessKeyInfo")
}

// A refusal of EC2's is encoded, for those who may decode it.
func TestDecodeAuthorizationMessage(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	const body = "Action=RunInstances&Version=2016-11-15"
	r, err := http.NewRequest(http.MethodPost, s.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), localtest.CredentialsOf(t, s.Store, localtest.AdaARN), localtest.Region, "ec2", time.Now()); err != nil {
		t.Fatal(err)
	}
	a := do(t, r)
	_, code, message := xmlError3(t, a.body)
	_, encoded, ok := strings.Cut(message, "Encoded authorization failure message: ")
	if a.status != 403 || !strings.HasPrefix(strings.TrimSpace(code), "UnauthorizedOperation") || !ok || !strings.HasPrefix(message, "You are not authorized to perform this operation. User: "+localtest.AdaARN) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	client := awssts.NewFromConfig(s.Of(t, administratorARN))
	encoded = strings.TrimSpace(encoded)
	out, err := client.DecodeAuthorizationMessage(t.Context(), &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(encoded)})
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Allowed, ExplicitDeny bool
		Context               struct {
			Principal        struct{ ID, ARN string }
			Action, Resource string
		}
	}
	if err := json.Unmarshal([]byte(*out.DecodedMessage), &decoded); err != nil || decoded.Allowed || decoded.ExplicitDeny ||
		decoded.Context.Action != "ec2:RunInstances" || decoded.Context.Principal.ARN != localtest.AdaARN {
		t.Errorf("%s (%v)", *out.DecodedMessage, err)
	}
	_, err = awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).DecodeAuthorizationMessage(t.Context(), &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(encoded)})
	localtest.IsAPIError(t, err, 403, "AccessDenied", "sts:DecodeAuthorizationMessage")
	for _, bad := range []string{"x", encoded[:len(encoded)-1], encoded + "A", strings.Replace(encoded, "message1", "message2", 1)} {
		_, err = client.DecodeAuthorizationMessage(t.Context(), &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(bad)})
		localtest.IsAPIError(t, err, 400, "InvalidAuthorizationMessageException", "Message is not valid")
	}
}

func createTaggedRole(team, trust string) *iam.CreateRoleInput {
	return &iam.CreateRoleInput{RoleName: aws.String(team), AssumeRolePolicyDocument: aws.String(trust), Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String(team)}}}
}
