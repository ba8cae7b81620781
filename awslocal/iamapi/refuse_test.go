package iamapi_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal/iamapi"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
)

// prepare makes something of every kind.
func prepare(t testing.TB, s *localtest.Service) {
	t.Helper()
	must(t, s, "CreateUser", "UserName", "grace")
	must(t, s, "CreateAccessKey", "UserName", "grace")
	must(t, s, "CreateGroup", "GroupName", "admirals")
	must(t, s, "AddUserToGroup", "GroupName", "admirals", "UserName", "grace")
	must(t, s, "CreateRole", "RoleName", "cobol", "Path", "/team/", "AssumeRolePolicyDocument", trustAda)
	must(t, s, "CreatePolicy", "PolicyName", "see", "PolicyDocument", seeClusters)
	must(t, s, "AttachRolePolicy", "RoleName", "cobol", "PolicyArn", "arn:aws:iam::111122223333:policy/see")
	must(t, s, "CreatePolicyVersion", "PolicyArn", "arn:aws:iam::111122223333:policy/see", "PolicyDocument", seeClusters, "SetAsDefault", "true")
	must(t, s, "CreatePolicy", "PolicyName", "free", "PolicyDocument", seeClusters)
	must(t, s, "CreateOpenIDConnectProvider", "Url", "https://oidc.example.com/1", "ClientIDList.member.1", "sts.amazonaws.com")
	must(t, s, "CreateAccountAlias", "AccountAlias", "awesome")
}

// Everything that IAM refuses, in its words, and nothing that it then did all the
// same.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	prepare(t, s)
	before, err := localtest.World(t, s.Store).YAML()
	if err != nil {
		t.Fatal(err)
	}
	const see, aws = "arn:aws:iam::111122223333:policy/see", "arn:aws:iam::aws:policy/AdministratorAccess"
	const noPolicy, noProvider = "arn:aws:iam::111122223333:policy/none", "arn:aws:iam::111122223333:oidc-provider/none.example.com"
	broken := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*"}}` // no Resource
	long := strings.Repeat("x", 65)
	for _, tc := range []struct {
		action, params string // NAME=VALUE, separated by |
		status         int
		code, message  string
	}{
		{"CreateUser", "UserName=grace", 409, "EntityAlreadyExists", "User with name grace already exists."},
		{"CreateUser", "UserName=GRACE", 409, "EntityAlreadyExists", "User with name GRACE already exists."},
		{"CreateUser", "", 400, "ValidationError", "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"CreateUser", "UserName=" + long, 400, "ValidationError", "Member must have length less than or equal to 64"},
		{"CreateUser", "UserName=a b", 400, "ValidationError", `Member must satisfy regular expression pattern: [\w+=,.@-]+`},
		{"CreateUser", "UserName=new|Path=team", 400, "ValidationError", "begin and end with /"},
		{"CreateUser", "UserName=new|PermissionsBoundary=" + noPolicy, 404, "NoSuchEntity", "Policy " + noPolicy + " does not exist or is not attachable."},
		{"CreateUser", "UserName=new|Tags.member.1.Key=a|Tags.member.1.Value=1|Tags.member.2.Key=A|Tags.member.2.Value=2", 400, "InvalidInput", "Duplicate tag keys found"},
		{"CreateUser", "UserName=new|Tags.member.1.Key=aws:a|Tags.member.1.Value=1", 400, "InvalidInput", "reserved"},
		{"CreateUser", "UserName=new|Typo=x", 400, "InvalidParameterValue", "The parameter Typo is not known to this operation"},
		{"GetUser", "UserName=nobody", 404, "NoSuchEntity", "The user with name nobody cannot be found."},
		{"DeleteUser", "UserName=nobody", 404, "NoSuchEntity", "The user with name nobody cannot be found."},
		{"DeleteUser", "UserName=grace", 409, "DeleteConflict", "Cannot delete entity, must delete access keys first."},
		{"UpdateUser", "UserName=grace|NewUserName=ada.lovelace", 409, "EntityAlreadyExists", "User with name ada.lovelace already exists."},
		{"CreateAccessKey", "UserName=nobody", 404, "NoSuchEntity", "The user with name nobody cannot be found."},
		{"UpdateAccessKey", "UserName=grace|AccessKeyId=AKIAIOSFODNN7EXAMPLE|Status=Inactive", 404, "NoSuchEntity", "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found."},
		{"UpdateAccessKey", "UserName=grace|AccessKeyId=AKIAIOSFODNN7EXAMPLE|Status=Off", 400, "ValidationError", "enum value set: [Active, Inactive]"},
		{"DeleteAccessKey", "UserName=grace|AccessKeyId=AKIAIOSFODNN7EXAMPLE", 404, "NoSuchEntity", "cannot be found"},
		{"GetAccessKeyLastUsed", "AccessKeyId=AKIAIOSFODNN7EXAMPLE", 404, "NoSuchEntity", "cannot be found"},
		{"CreateGroup", "GroupName=Admirals", 409, "EntityAlreadyExists", "Group with name Admirals already exists."},
		{"GetGroup", "GroupName=none", 404, "NoSuchEntity", "The group with name none cannot be found."},
		{"DeleteGroup", "GroupName=admirals", 409, "DeleteConflict", "must remove users from group first"},
		{"AddUserToGroup", "GroupName=none|UserName=grace", 404, "NoSuchEntity", "The group with name none cannot be found."},
		{"AddUserToGroup", "GroupName=admirals|UserName=nobody", 404, "NoSuchEntity", "The user with name nobody cannot be found."},
		{"RemoveUserFromGroup", "GroupName=admirals|UserName=ada.lovelace", 404, "NoSuchEntity", "User ada.lovelace is not in group admirals."},
		{"CreateRole", "RoleName=cobol|AssumeRolePolicyDocument=" + trustAda, 409, "EntityAlreadyExists", "Role with name cobol already exists."},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument={", 400, "MalformedPolicyDocument", ""},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument=" + seeClusters, 400, "MalformedPolicyDocument", "AssumeRole policy may only specify STS AssumeRole actions"},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument=" + strings.Replace(trustAda, "ada.lovelace", "nobody", 1), 400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/nobody"`},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument=" + strings.Replace(trustAda, "ada.lovelace", "Ada.Lovelace", 1), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument=" + strings.Replace(trustAda, "user/ada", "user/elsewhere/ada", 1), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"CreateRole", "RoleName=new|AssumeRolePolicyDocument=" + strings.Replace(trustAda, `"Effect"`, `"Sid":"`+strings.Repeat("x", 2048)+`","Effect"`, 1), 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"CreateRole", "RoleName=new|MaxSessionDuration=60|AssumeRolePolicyDocument=" + trustAda, 400, "ValidationError", "greater than or equal to 3600"},
		{"CreateRole", "RoleName=new|PermissionsBoundary=" + noPolicy + "|AssumeRolePolicyDocument=" + trustAda, 404, "NoSuchEntity", noPolicy},
		{"GetRole", "RoleName=none", 404, "NoSuchEntity", "The role with name none cannot be found."},
		{"UpdateRole", "RoleName=none", 404, "NoSuchEntity", "The role with name none cannot be found."},
		{"UpdateAssumeRolePolicy", "RoleName=cobol|PolicyDocument=" + seeClusters, 400, "MalformedPolicyDocument", ""},
		{"DeleteRole", "RoleName=cobol", 409, "DeleteConflict", "Cannot delete entity, must detach all policies first."},
		{"PutRolePolicy", "RoleName=cobol|PolicyName=x|PolicyDocument=" + broken, 400, "MalformedPolicyDocument", "Resource"},
		{"PutUserPolicy", "UserName=grace|PolicyName=x|PolicyDocument=" + strings.Replace(seeClusters, `"Effect"`, `"Sid":"`+strings.Repeat("x", 2048)+`","Effect"`, 1), 409, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user grace"},
		{"GetRolePolicy", "RoleName=cobol|PolicyName=none", 404, "NoSuchEntity", "The role policy with name none cannot be found."},
		{"DeleteUserPolicy", "UserName=grace|PolicyName=none", 404, "NoSuchEntity", "The user policy with name none cannot be found."},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=" + noPolicy, 404, "NoSuchEntity", "Policy " + noPolicy + " does not exist or is not attachable."},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=arn:aws:iam::444455556666:policy/see", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=arn:aws:iam::aws:policy/NoSuchPolicyOfAWS", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=arn:aws-cn:iam::aws:policy/AdministratorAccess", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=arn:aws-cn:iam::111122223333:policy/see", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"AttachRolePolicy", "RoleName=cobol|PolicyArn=arn:aws:iam::111122223333:policy/another/path/see", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"PutRolePermissionsBoundary", "RoleName=cobol|PermissionsBoundary=arn:aws-cn:iam::aws:policy/AdministratorAccess", 404, "NoSuchEntity", "does not exist or is not attachable"},
		{"DetachRolePolicy", "RoleName=cobol|PolicyArn=" + aws, 404, "NoSuchEntity", "Policy " + aws + " was not found."},
		{"DeleteRolePermissionsBoundary", "RoleName=cobol", 404, "NoSuchEntity", "no permissions boundary"},
		{"CreatePolicy", "PolicyName=see|PolicyDocument=" + seeClusters, 409, "EntityAlreadyExists", "A policy called see already exists."},
		{"CreatePolicy", "PolicyName=new|PolicyDocument=" + broken, 400, "MalformedPolicyDocument", "Resource"},
		{"CreatePolicy", "PolicyName=new|PolicyDocument=" + strings.Replace(seeClusters, `"Effect"`, `"Sid":"`+strings.Repeat("x", 6144)+`","Effect"`, 1), 409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"},
		{"CreatePolicy", "PolicyName=new|Path=/a*b/|PolicyDocument=" + seeClusters, 400, "ValidationError", "'path'"},
		{"CreatePolicy", "PolicyName=new|Path=/a//b/|PolicyDocument=" + seeClusters, 400, "ValidationError", "begin and end with /"},
		{"CreatePolicyVersion", "PolicyArn=" + see + "|SetAsDefault=yes|PolicyDocument=" + seeClusters, 400, "ValidationError", "enum value set: [true, false]"},
		{"ListPolicies", "Scope=local", 400, "ValidationError", "enum value set: [All, AWS, Local]"},
		{"UpdateAccessKey", "UserName=grace|AccessKeyId=AKIAIOSFODNN7EXAMPLE", 400, "ValidationError", "Value null at 'status'"},
		{"UpdateRole", "RoleName=cobol|Description=a\u0085b", 400, "ValidationError", "'description'"},
		{"GetPolicy", "PolicyArn=" + noPolicy, 404, "NoSuchEntity", "Policy " + noPolicy + " was not found."},
		{"DeletePolicy", "PolicyArn=" + see, 409, "DeleteConflict", "Cannot delete a policy attached to entities."},
		{"DeletePolicy", "PolicyArn=" + aws, 403, "AccessDenied", "AWS managed policy"},
		{"CreatePolicyVersion", "PolicyArn=" + aws + "|PolicyDocument=" + seeClusters, 403, "AccessDenied", "AWS managed policy"},
		{"DeletePolicyVersion", "PolicyArn=" + see + "|VersionId=v2", 409, "DeleteConflict", "Cannot delete the default version of a policy."},
		{"DeletePolicyVersion", "PolicyArn=" + see + "|VersionId=v9", 404, "NoSuchEntity", "version v9"},
		{"GetPolicyVersion", "PolicyArn=" + see + "|VersionId=v9", 404, "NoSuchEntity", "version v9"},
		{"SetDefaultPolicyVersion", "PolicyArn=" + see + "|VersionId=v9", 404, "NoSuchEntity", "version v9"},
		{"CreateOpenIDConnectProvider", "Url=https://oidc.example.com/1", 409, "EntityAlreadyExists", "Provider with url https://oidc.example.com/1 already exists."},
		{"CreateOpenIDConnectProvider", "Url=http://oidc.example.com", 400, "InvalidInput", "is not an https URL"},
		{"CreateOpenIDConnectProvider", "Url=https://oidc.example.com/2|ThumbprintList.member.1=zz", 400, "ValidationError", "greater than or equal to 40"},
		{"CreateOpenIDConnectProvider", "Url=https://oidc.example.com/2|ThumbprintList.member.1=" + strings.Repeat("z", 40), 400, "InvalidInput", "hexadecimal"},
		{"GetOpenIDConnectProvider", "OpenIDConnectProviderArn=" + noProvider, 404, "NoSuchEntity", "OpenIDConnect Provider not found for arn " + noProvider},
		{"DeleteOpenIDConnectProvider", "OpenIDConnectProviderArn=" + noProvider, 404, "NoSuchEntity", ""},
		{"CreateAccountAlias", "AccountAlias=a--b", 400, "InvalidInput", "hyphens"},
		{"CreateAccountAlias", "AccountAlias=111122223333", 400, "InvalidInput", "no account id"},
		{"DeleteAccountAlias", "AccountAlias=other", 404, "NoSuchEntity", ""},
		{"GetLoginProfile", "UserName=grace", 404, "NoSuchEntity", "Login Profile for User grace cannot be found."},
		{"SimulatePrincipalPolicy", "PolicySourceArn=arn:aws:iam::111122223333:root|ActionNames.member.1=iam:x", 400, "InvalidInput", "Invalid Entity Arn"},
		{"SimulatePrincipalPolicy", "PolicySourceArn=" + administrator, 400, "ValidationError", "'actionNames'"},
		{"SimulatePrincipalPolicy", "PolicySourceArn=arn:aws:iam::111122223333:user/nobody|ActionNames.member.1=iam:x", 404, "NoSuchEntity", "cannot be found"},
		{"SimulateCustomPolicy", "ActionNames.member.1=iam:x|PolicyInputList.member.1={", 400, "InvalidInput", "PolicyInputList.1"},
		{"ListUsers", "MaxItems=0", 400, "ValidationError", "greater than or equal to 1"},
		{"ListUsers", "MaxItems=1001", 400, "ValidationError", "less than or equal to 1000"},
		{"ListUsers", "Marker=%25", 400, "ValidationError", "marker"},
		{"NoSuchAction", "", 400, "InvalidAction", "Could not find operation NoSuchAction for version 2010-05-08"},
		{"createuser", "UserName=x", 400, "InvalidAction", "Could not find operation createuser"},
	} {
		var params []string
		for pair := range strings.SplitSeq(tc.params, "|") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				params = append(params, name, value)
			}
		}
		t.Run(tc.action+" "+tc.params[:min(40, len(tc.params))], func(t *testing.T) {
			ask(t, s, administrator, tc.action, params...).refused(t, tc.status, tc.code, tc.message)
		})
	}
	after, err := localtest.World(t, s.Store).YAML()
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("a refused call changed the world:\n%s\nwas\n%s", after, before)
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	must(t, s, "CreateUser", "UserName", "grace")
	for i := range 2 {
		must(t, s, "CreateAccessKey", "UserName", "grace")
		must(t, s, "CreateGroup", "GroupName", fmt.Sprint("g", i))
	}
	ask(t, s, administrator, "CreateAccessKey", "UserName", "grace").refused(t, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	for i := 2; i < 11; i++ {
		must(t, s, "CreateGroup", "GroupName", fmt.Sprint("g", i))
	}
	for i := range 10 {
		must(t, s, "AddUserToGroup", "GroupName", fmt.Sprint("g", i), "UserName", "grace")
		must(t, s, "CreatePolicy", "PolicyName", fmt.Sprint("p", i), "PolicyDocument", seeClusters)
		must(t, s, "AttachUserPolicy", "UserName", "grace", "PolicyArn", fmt.Sprint("arn:aws:iam::111122223333:policy/p", i))
	}
	ask(t, s, administrator, "AddUserToGroup", "GroupName", "g10", "UserName", "grace").refused(t, 409, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
	ask(t, s, administrator, "AttachUserPolicy", "UserName", "grace", "PolicyArn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess").
		refused(t, 409, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
	for range 4 {
		must(t, s, "CreatePolicyVersion", "PolicyArn", "arn:aws:iam::111122223333:policy/p0", "PolicyDocument", seeClusters)
	}
	ask(t, s, administrator, "CreatePolicyVersion", "PolicyArn", "arn:aws:iam::111122223333:policy/p0", "PolicyDocument", seeClusters).
		refused(t, 409, "LimitExceeded", "A managed policy can have up to 5 versions.")
	tags := []string{"UserName", "grace"}
	for i := range 50 {
		tags = append(tags, fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tags.member.%d.Value", i+1), "")
	}
	must(t, s, "TagUser", tags...)
	ask(t, s, administrator, "TagUser", "UserName", "grace", "Tags.member.1.Key", "one.more", "Tags.member.1.Value", "").
		refused(t, 409, "LimitExceeded", "The number of tags has reached the maximum limit.")
}

// Whoever keeps a policy from being deleted is listed, under the path that is asked
// for.
func TestEntitiesForPolicy(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	const see = "arn:aws:iam::111122223333:policy/see"
	must(t, s, "CreatePolicy", "PolicyName", "see", "PolicyDocument", seeClusters)
	must(t, s, "CreateUser", "UserName", "grace", "Path", "/team/", "PermissionsBoundary", see)
	must(t, s, "AttachUserPolicy", "UserName", "grace", "PolicyArn", see)
	must(t, s, "CreateUser", "UserName", "joan", "PermissionsBoundary", see)
	must(t, s, "AttachRolePolicy", "RoleName", "awesome.role", "PolicyArn", see)
	for _, tc := range []struct{ name, value, want string }{
		{"MaxItems", "9", "grace joan awesome.role"},
		{"PolicyUsageFilter", "PermissionsBoundary", "grace joan"},
		{"PolicyUsageFilter", "PermissionsPolicy", "grace awesome.role"},
		{"EntityFilter", "Role", "awesome.role"},
		{"PathPrefix", "/team/", "grace"},
		{"PathPrefix", "/nowhere/", ""},
	} {
		body := must(t, s, "ListEntitiesForPolicy", "PolicyArn", see, tc.name, tc.value)
		var got []string
		for _, name := range []string{"grace", "joan", "awesome.role"} {
			if n := strings.Count(body, ">"+name+"<"); n > 0 {
				got = append(got, name)
				if n > 1 {
					t.Errorf("%s is listed %d times", name, n)
				}
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s=%s: %q, want %s", tc.name, tc.value, got, tc.want)
		}
	}
}

// A list does not have everything: who needs the rest asks for each.
func TestListsAreShort(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	const see = "arn:aws:iam::111122223333:policy/see"
	tag := []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "navy"}
	must(t, s, "CreatePolicy", append(tag, "PolicyName", "see", "PolicyDocument", seeClusters, "Description", "sees")...)
	must(t, s, "CreateUser", append(tag, "UserName", "grace", "PermissionsBoundary", see)...)
	must(t, s, "CreateRole", append(tag, "RoleName", "cobol", "PermissionsBoundary", see, "AssumeRolePolicyDocument", trustAda)...)
	for list, get := range map[string][]string{"ListUsers": {"GetUser", "UserName", "grace"}, "ListRoles": {"GetRole", "RoleName", "cobol"}, "ListPolicies": {"GetPolicy", "PolicyArn", see}} {
		all := must(t, s, list)
		if strings.Contains(all, "navy") || strings.Contains(all, "PermissionsBoundaryArn") || strings.Contains(all, "sees") {
			t.Errorf("%s: %s", list, all)
		}
		one := must(t, s, get[0], get[1:]...)
		if !strings.Contains(one, "navy") || !strings.Contains(one, "PermissionsBoundaryArn") && !strings.Contains(one, "sees") {
			t.Errorf("%q: %s", get, one)
		}
	}
}

// What AWS raises for nobody, no world may have either.
func TestFixedQuotas(t *testing.T) {
	t.Parallel()
	store := localtest.ServeDefault(t).Store
	handler := server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler), Quotas: iamapi.Quotas{AccessKeysPerUser: 3, Users: 6000}})
	s := &localtest.Service{Store: store, Server: httptest.NewServer(handler)}
	t.Cleanup(s.Server.Close)
	s.URL = s.Server.URL
	must(t, s, "CreateAccessKey", "UserName", "ada.lovelace")
	ask(t, s, administrator, "CreateAccessKey", "UserName", "ada.lovelace").refused(t, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	if body := must(t, s, "GetAccountSummary"); !strings.Contains(body, "6000") {
		t.Errorf("the quota of users is not another: %s", body)
	}
	var q iamapi.Quotas
	if q.Set("versionsPerPolicy", 6) == nil || q.Set("versionsPerPolicy", 4) != nil || q.Set("Roles", 5000) != nil || q.Set("Nothing", 1) == nil {
		t.Errorf("%+v", q)
	}
}

// Nobody without a signature is anybody, and secrets stay out of the log.
func TestUnsignedAndSecrets(t *testing.T) {
	t.Parallel()
	s := localtest.ServeDefault(t)
	r, err := http.NewRequest(http.MethodPost, s.URL+"/", strings.NewReader("Action=ListUsers&Version=2010-05-08"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261126/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=00")
	if a := do(t, r); a.status == http.StatusOK {
		t.Errorf("answered %s", a.body)
	}
	body := must(t, s, "CreateAccessKey", "UserName", "ada.lovelace")
	_, secret, ok := strings.Cut(body, "<SecretAccessKey>")
	secret, _, _ = strings.Cut(secret, "<")
	if !ok || len(secret) != 40 {
		t.Fatalf("the answer is %s", body)
	}
	if strings.Contains(s.Log.String(), secret) {
		t.Error("the log has the secret")
	}
	if body := must(t, s, "ListAccessKeys", "UserName", "ada.lovelace"); strings.Contains(body, "Secret") {
		t.Errorf("the secret is told again: %s", body)
	}
}
