package iamapi_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// A role from its creation to its end, as the SDK for Go sees it.
func TestRoleThroughTheSDK(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	client, ctx := iam.NewFromConfig(s.Of(t, administrator)), t.Context()
	created, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("cobol"), Path: aws.String("/team/"), AssumeRolePolicyDocument: aws.String(trustAda),
		Description: aws.String("compiles"), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("navy")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := created.Role; *r.Arn != "arn:aws:iam::111122223333:role/team/cobol" || !strings.HasPrefix(*r.RoleId, "AROA") || *r.MaxSessionDuration != 7200 {
		t.Errorf("created %+v", r)
	}
	got, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("COBOL")}) // names are the same in any case
	if err != nil {
		t.Fatal(err)
	}
	document, err := url.QueryUnescape(*got.Role.AssumeRolePolicyDocument)
	if err != nil || document != trustAda || *got.Role.Description != "compiles" || *got.Role.Tags[0].Value != "navy" || !got.Role.CreateDate.Equal(*created.Role.CreateDate) {
		t.Errorf("got %+v, %s (%v)", got.Role, document, err)
	}
	// It works: ada may assume it, and no longer once the trust policy says so.
	assume := func() error {
		_, err := awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("s-1")})
		return err
	}
	if err := assume(); err != nil {
		t.Error(err)
	}
	if _, err := client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("cobol"), PolicyDocument: aws.String(strings.Replace(trustAda, "ada.lovelace", "charles.babbage", 1)),
	}); err != nil {
		t.Fatal(err)
	}
	localtest.IsAPIError(t, assume(), 403, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/team/cobol")
	if _, err := client.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("cobol"), Description: aws.String("")}); err != nil {
		t.Fatal(err)
	}
	if got, err = client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("cobol")}); err != nil || got.Role.Description != nil || *got.Role.MaxSessionDuration != 7200 {
		t.Errorf("updated %+v (%v)", got.Role, err)
	}
	var conflict *types.DeleteConflictException
	put := &iam.PutRolePolicyInput{RoleName: aws.String("cobol"), PolicyName: aws.String("in"), PolicyDocument: aws.String(seeClusters)}
	if _, err := client.PutRolePolicy(ctx, put); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("cobol")}); !errors.As(err, &conflict) {
		t.Errorf("deleted with a policy: %v", err)
	}
	if _, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("cobol"), PolicyName: aws.String("in")}); err != nil {
		t.Error(err)
	}
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("cobol")}); err != nil {
		t.Error(err)
	}
	var gone *types.NoSuchEntityException
	if _, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("cobol")}); !errors.As(err, &gone) {
		t.Errorf("still there: %v", err)
	}
}

// A key that IAM makes is good at once, and one that is inactive or deleted is
// not.
func TestAccessKeysWork(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	client, ctx := iam.NewFromConfig(s.Of(t, administrator)), t.Context()
	if _, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("grace")}); err != nil {
		t.Fatal(err)
	}
	made, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("grace")})
	if err != nil {
		t.Fatal(err)
	}
	key := sigv4.Credentials{AccessKeyID: *made.AccessKey.AccessKeyId, SecretAccessKey: *made.AccessKey.SecretAccessKey}
	whoami := func() (string, error) {
		out, err := awssts.NewFromConfig(s.Config(key)).GetCallerIdentity(ctx, nil)
		if err != nil {
			return "", err
		}
		return *out.Arn, nil
	}
	if who, err := whoami(); err != nil || who != "arn:aws:iam::111122223333:user/grace" {
		t.Errorf("%s %v", who, err)
	}
	set := func(status types.StatusType) {
		t.Helper()
		_, err := client.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("grace"), AccessKeyId: made.AccessKey.AccessKeyId, Status: status})
		if err != nil {
			t.Fatal(err)
		}
	}
	set(types.StatusTypeInactive)
	_, err = whoami()
	localtest.IsAPIError(t, err, 403, "InvalidClientTokenId", "")
	set(types.StatusTypeActive)
	if _, err := client.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("grace"), NewUserName: aws.String("hopper"), NewPath: aws.String("/navy/")}); err != nil {
		t.Fatal(err)
	}
	if who, err := whoami(); err != nil || who != "arn:aws:iam::111122223333:user/navy/hopper" {
		t.Errorf("%s %v", who, err)
	}
	if _, err := client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("hopper"), AccessKeyId: made.AccessKey.AccessKeyId}); err != nil {
		t.Fatal(err)
	}
	_, err = whoami()
	localtest.IsAPIError(t, err, 403, "InvalidClientTokenId", "")
}

// Policies that IAM is given decide at once: of the user, of a group, within a
// boundary; and which version is in force.
func TestPoliciesDecideAtOnce(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	const charles = "arn:aws:iam::111122223333:user/charles.babbage"
	allowed := func() bool { return ask(t, s, charles, "ListUsers").status == 200 }
	allow := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:List*","Resource":"*"}}`
	deny := strings.Replace(allow, "Allow", "Deny", 1)
	steps := []struct {
		action, params string
		allowed        bool
	}{
		{"PutUserPolicy", "UserName=charles.babbage|PolicyName=p|PolicyDocument=" + allow, true},
		{"PutGroupPolicy", "GroupName=developers|PolicyName=d|PolicyDocument=" + deny, false},
		{"RemoveUserFromGroup", "GroupName=developers|UserName=charles.babbage", true},
		{"CreatePolicy", "PolicyName=limit|PolicyDocument=" + seeClusters, true},
		{"PutUserPermissionsBoundary", "UserName=charles.babbage|PermissionsBoundary=arn:aws:iam::111122223333:policy/limit", false},
		{"CreatePolicyVersion", "PolicyArn=arn:aws:iam::111122223333:policy/limit|PolicyDocument=" + allow, false},
		{"SetDefaultPolicyVersion", "PolicyArn=arn:aws:iam::111122223333:policy/limit|VersionId=v2", true},
		{"DeleteUserPolicy", "UserName=charles.babbage|PolicyName=p", false},
		{"AttachUserPolicy", "UserName=charles.babbage|PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess", true},
		{"DeleteUserPermissionsBoundary", "UserName=charles.babbage", true},
		{"DetachUserPolicy", "UserName=charles.babbage|PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess", false},
	}
	if allowed() {
		t.Fatal("charles may list users before anybody lets him")
	}
	for _, step := range steps {
		var params []string
		for pair := range strings.SplitSeq(step.params, "|") {
			name, value, _ := strings.Cut(pair, "=")
			params = append(params, name, value)
		}
		must(t, s, step.action, params...)
		if got := allowed(); got != step.allowed {
			t.Errorf("after %s %s: allowed %v", step.action, step.params, got)
		}
	}
}

// Conditions that AWS's own guides use to delegate safely.
func TestConditionKeys(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		condition, action string
		good, bad         []string
	}{
		"boundary": {`{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}}`, "CreateUser",
			[]string{"UserName", "new", "PermissionsBoundary", "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}, []string{"UserName", "new"}},
		"policy": {`{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}}`, "AttachUserPolicy",
			[]string{"UserName", "ada.lovelace", "PolicyArn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess"},
			[]string{"UserName", "ada.lovelace", "PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess"}},
		"request tag": {`{"StringEquals":{"aws:RequestTag/team":"navy"}}`, "CreateUser",
			[]string{"UserName", "new", "Tags.member.1.Key", "team", "Tags.member.1.Value", "navy"},
			[]string{"UserName", "new", "Tags.member.1.Key", "team", "Tags.member.1.Value", "army"}},
		"tag keys": {`{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`, "TagUser",
			[]string{"UserName", "ada.lovelace", "Tags.member.1.Key", "team", "Tags.member.1.Value", "navy"},
			[]string{"UserName", "ada.lovelace", "Tags.member.1.Key", "cost", "Tags.member.1.Value", "1"}},
		"resource tag": {`{"StringEquals":{"aws:ResourceTag/team":"navy"}}`, "CreateAccessKey",
			[]string{"UserName", "grace"}, []string{"UserName", "ada.lovelace"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := localtest.ServeDefault(t)
			const charles = "arn:aws:iam::111122223333:user/charles.babbage"
			must(t, s, "CreateUser", "UserName", "grace", "Tags.member.1.Key", "team", "Tags.member.1.Value", "navy")
			must(t, s, "PutUserPolicy", "UserName", "charles.babbage", "PolicyName", "p", "PolicyDocument",
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":`+tc.condition+`}}`)
			ask(t, s, charles, tc.action, tc.bad...).refused(t, 403, "AccessDenied", "because no identity-based policy allows the iam:"+tc.action+" action")
			if a := ask(t, s, charles, tc.action, tc.good...); a.status != 200 {
				t.Error(a.body)
			}
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	want := []string{"ada.lovelace", "administrator", "charles.babbage"}
	for _, name := range []string{"Zoe", "alan", "Barbara", "dorothy"} {
		must(t, s, "CreateUser", "UserName", name, "Path", "/"+strings.ToLower(name[:1])+"/")
		want = append(want, name)
	}
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	client := iam.NewFromConfig(s.Of(t, administrator))
	for size := int32(1); size < 9; size++ {
		var got []string
		pages := iam.NewListUsersPaginator(client, &iam.ListUsersInput{MaxItems: aws.Int32(size)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Users) == 0 || len(page.Users) > int(size) {
				t.Errorf("a page of %d has %d", size, len(page.Users))
			}
			for _, u := range page.Users {
				got = append(got, *u.UserName)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", size, got, want)
		}
	}
	out, err := client.ListUsers(t.Context(), &iam.ListUsersInput{PathPrefix: aws.String("/a/")})
	if err != nil || len(out.Users) != 1 || *out.Users[0].UserName != "alan" {
		t.Errorf("below /a/: %+v (%v)", out, err)
	}
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	must(t, s, "PutUserPolicy", "UserName", "charles.babbage", "PolicyName", "p", "PolicyDocument",
		`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
			{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]}`)
	client := iam.NewFromConfig(s.Of(t, administrator))
	simulate := func(secure string, actions ...string) []types.EvaluationResult {
		in := &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: aws.String("arn:aws:iam::111122223333:user/charles.babbage"), ActionNames: actions,
			ResourceArns: []string{"arn:aws:s3:::b/charles.babbage/x"},
		}
		if secure != "" {
			in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String("aws:SecureTransport"), ContextKeyType: types.ContextKeyTypeEnumBoolean, ContextKeyValues: []string{secure}}}
		}
		out, err := client.SimulatePrincipalPolicy(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out.EvaluationResults
	}
	got := simulate("true", "s3:GetObject", "s3:DeleteObject", "ec2:RunInstances")
	for i, want := range []types.PolicyEvaluationDecisionType{types.PolicyEvaluationDecisionTypeAllowed, types.PolicyEvaluationDecisionTypeExplicitDeny, types.PolicyEvaluationDecisionTypeImplicitDeny} {
		if got[i].EvalDecision != want {
			t.Errorf("%s: %s, want %s", *got[i].EvalActionName, got[i].EvalDecision, want)
		}
	}
	if m := got[1].MatchedStatements; len(m) != 1 || *m[0].SourcePolicyId != "p of charles.babbage" || m[0].StartPosition.Line != 3 {
		t.Errorf("matched %+v", m)
	}
	if got := simulate("", "s3:GetObject")[0]; got.EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny || !slices.Equal(got.MissingContextValues, []string{"aws:SecureTransport"}) {
		t.Errorf("without the key: %s, missing %q", got.EvalDecision, got.MissingContextValues)
	}
	custom, err := client.SimulateCustomPolicy(t.Context(), &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{seeClusters}, ActionNames: []string{"eks:DescribeCluster"},
		PermissionsBoundaryPolicyInputList: []string{strings.Replace(seeClusters, "eks:DescribeCluster", "iam:*", 1)},
	})
	if err != nil || custom.EvaluationResults[0].EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny ||
		custom.EvaluationResults[0].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("%+v (%v)", custom, err)
	}
}

// Providers are those that IAM is given, and the issuers of clusters.
func TestProviders(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	if err := s.Store.SetClusterIssuer("dev", "https://127.0.0.1:1/id/dev"); err != nil {
		t.Fatal(err)
	}
	client, ctx := iam.NewFromConfig(s.Of(t, administrator)), t.Context()
	list := func() (arns []string) {
		out, err := client.ListOpenIDConnectProviders(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.OpenIDConnectProviderList {
			arns = append(arns, strings.TrimPrefix(*p.Arn, "arn:aws:iam::111122223333:oidc-provider/"))
		}
		return arns
	}
	made, err := client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://oidc.example.com/1"), ClientIDList: []string{"a", "a"}, ThumbprintList: []string{strings.Repeat("0a", 20)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"127.0.0.1:1/id/dev", "oidc.example.com/1"}) {
		t.Errorf("listed %q", got)
	}
	get := &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}
	if got, err := client.GetOpenIDConnectProvider(ctx, get); err != nil || !slices.Equal(got.ClientIDList, []string{"a"}) {
		t.Errorf("a client id given twice: %+v (%v)", got, err)
	}
	in := &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("b")}
	if _, err := client.AddClientIDToOpenIDConnectProvider(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetOpenIDConnectProvider(ctx, get)
	if err != nil || *got.Url != "oidc.example.com/1" || !slices.Equal(got.ClientIDList, []string{"b"}) || len(got.ThumbprintList) != 1 {
		t.Errorf("got %+v (%v)", got, err)
	}
	// A cluster's issuer that is deleted stays away.
	cluster := aws.String("arn:aws:iam::111122223333:oidc-provider/127.0.0.1:1/id/dev")
	if _, err := client.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: cluster}); err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, []string{"oidc.example.com/1"}) {
		t.Errorf("listed %q", got)
	}
	if _, err := s.Store.OIDCProvider(ctx, localtest.Account, "https://127.0.0.1:1/id/dev"); err == nil {
		t.Error("STS still knows the provider")
	}
}

// What an API has made is in the exported world, which makes the same again.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	prepare(t, s)
	must(t, s, "TagPolicy", "PolicyArn", "arn:aws:iam::111122223333:policy/see", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b")
	must(t, s, "PutRolePermissionsBoundary", "RoleName", "cobol", "PermissionsBoundary", "arn:aws:iam::111122223333:policy/free")
	first, err := localtest.World(t, s.Store).YAML()
	if err != nil {
		t.Fatal(err)
	}
	other := localtest.Open(t, t.TempDir())
	localtest.Apply(t, other, localtest.Parse(t, string(first)))
	second, err := localtest.World(t, other).YAML()
	if err != nil || string(first) != string(second) {
		t.Errorf("%v:\n%s\nwas\n%s", err, second, first)
	}
}
