package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/require"
)

// bare is an account with nobody in it but its administrator, and a cluster whose
// issuer runs.
const bare = `accounts:
  - id: "111122223333"
    clusters: [{name: dev, region: us-east-1, oidcProvider: false, authenticationMode: API_AND_CONFIG_MAP}]
`

// as is the client with the keys of a profile, and nothing else of anybody's.
func (c *client) as(profile string) *client {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		delete(c.env, name)
	}
	c.env["AWS_PROFILE"], c.env["AWS_PAGER"], c.env["AWS_MAX_ATTEMPTS"] = profile, "", "1"
	return c
}

// The whole example of the mission, made from nothing with the unmodified aws CLI:
// a user and a role who sign in, and a service account that becomes a role.
func TestMissionFromNothingWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	require.Program(t, "aws")
	s := startWithoutKubernetes(t, bare)
	c := s.client(t).as("administrator")
	c.env["DATA"] = s.dir
	script := filepath.Join(c.home, "mission.sh")
	if err := os.WriteFile(script, []byte(mission), 0o600); err != nil {
		t.Fatal(err)
	}
	out := c.must("bash", "-euo", "pipefail", script)
	for _, want := range []string{
		"user arn:aws:iam::111122223333:user/ada.lovelace",
		"role arn:aws:sts::111122223333:assumed-role/awesome.role/ada",
		"pod arn:aws:sts::111122223333:assumed-role/awesome.app/pod-1",
		"token arn:aws:iam::111122223333:user/ada.lovelace",
		"entry arn:aws:iam::111122223333:role/awesome.role",
		"refused AccessDenied",
		"untrusted AccessDenied",
		"gone",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the script does not say %q:\n%s", want, out)
		}
	}
}

const mission = `
export AWS_DEFAULT_OUTPUT=text
account=111122223333
aws iam create-user --user-name ada.lovelace >/dev/null
read -r id secret < <(aws iam create-access-key --user-name ada.lovelace --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
as_ada() { env -u AWS_PROFILE AWS_ACCESS_KEY_ID="$id" AWS_SECRET_ACCESS_KEY="$secret" "$@"; }
echo user "$(as_ada aws sts get-caller-identity --query Arn)"

# A role that she may assume once her own policies allow it.
aws iam create-role --role-name awesome.role --assume-role-policy-document \
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::'$account':root"},"Action":"sts:AssumeRole"}}' >/dev/null
{ as_ada aws sts assume-role --role-arn arn:aws:iam::$account:role/awesome.role --role-session-name ada 2>&1 || true; } | grep -o AccessDenied | sed 's/^/refused /' | head -1
aws iam put-user-policy --user-name ada.lovelace --policy-name become --policy-document \
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::'$account':role/awesome.role"}}'
echo role "$(as_ada aws sts assume-role --role-arn arn:aws:iam::$account:role/awesome.role --role-session-name ada --query AssumedRoleUser.Arn)"

# Her EKS token, by the aws CLI, is hers.
as_ada aws eks get-token --cluster-name dev --output json > token.json
echo token "$(eksauth verify -i dev - < token.json | awk '$1 == "arn" {print $2}')"
aws eks create-access-entry --cluster-name dev --principal-arn arn:aws:iam::$account:role/awesome.role --kubernetes-groups awesome-app-admin >/dev/null
echo entry "$(aws eks list-access-entries --cluster-name dev --query 'accessEntries[0]')"

# A service account becomes a role.
issuer=$(aws eks describe-cluster --name dev --query cluster.identity.oidc.issuer)
host=${issuer#https://}
aws iam create-open-id-connect-provider --url "$issuer" --client-id-list sts.amazonaws.com >/dev/null
aws iam create-role --role-name awesome.app --assume-role-policy-document '{"Version":"2012-10-17","Statement":{"Effect":"Allow",
  "Principal":{"Federated":"arn:aws:iam::'$account':oidc-provider/'$host'"},"Action":"sts:AssumeRoleWithWebIdentity",
  "Condition":{"StringEquals":{"'$host':sub":"system:serviceaccount:awesome-app:awesome-app","'$host':aud":"sts.amazonaws.com"}}}}' >/dev/null
assume() { aws sts assume-role-with-web-identity --role-arn arn:aws:iam::$account:role/awesome.app --role-session-name pod-1 --web-identity-token "file://$1" "${@:2}"; }
eksauth mint awesome-app/awesome-app --data-dir "$DATA" > pod.token
eksauth mint awesome-app/other --data-dir "$DATA" > other.token
echo pod "$(assume pod.token --query AssumedRoleUser.Arn)"
{ assume other.token 2>&1 || true; } | grep -o AccessDenied | sed 's/^/untrusted /' | head -1

# And all of it goes again.
aws eks delete-access-entry --cluster-name dev --principal-arn arn:aws:iam::$account:role/awesome.role
aws iam delete-role --role-name awesome.app
aws iam delete-open-id-connect-provider --open-id-connect-provider-arn "arn:aws:iam::$account:oidc-provider/$host"
aws iam delete-role --role-name awesome.role
aws iam delete-user-policy --user-name ada.lovelace --policy-name become
aws iam delete-access-key --user-name ada.lovelace --access-key-id "$id"
aws iam delete-user --user-name ada.lovelace
[ "$(aws iam list-roles --query 'length(Roles)')" = 0 ] && echo gone
`

// Errors are those of the SDKs' own types, in boto3 and in JavaScript as in Go.
func TestTypedErrors(t *testing.T) {
	t.Parallel()
	require.Program(t, "aws")
	s := startWithoutKubernetes(t, bare)
	t.Run("boto3", func(t *testing.T) {
		c := s.client(t).as("administrator")
		if len(foundPythons()) == 0 {
			require.Found(t, "boto3", os.ErrNotExist)
		}
		out := c.must(foundPythons()[0].path, "-c", `
import boto3, os
here = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]} # which old versions do not read
iam, eks = boto3.client("iam", **here), boto3.client("eks", **here)
for call, error in [
    (lambda: iam.get_role(RoleName="none"), iam.exceptions.NoSuchEntityException),
    (lambda: iam.create_user(UserName="administrator"), iam.exceptions.EntityAlreadyExistsException),
    (lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}"), iam.exceptions.MalformedPolicyDocumentException),
    (lambda: eks.describe_cluster(name="none"), eks.exceptions.ResourceNotFoundException),
    (lambda: eks.create_access_entry(clusterName="dev", principalArn="arn:aws:iam::111122223333:root"), eks.exceptions.InvalidParameterException),
]:
    try:
        call()
        print("no error")
    except error as e:
        print(type(e).__name__, e.response["ResponseMetadata"]["HTTPStatusCode"])
`)
		want := "NoSuchEntityException 404\nEntityAlreadyExistsException 409\nMalformedPolicyDocumentException 400\nResourceNotFoundException 404\nInvalidParameterException 400\n"
		if out != want {
			t.Errorf("boto3 says\n%swant\n%s", out, want)
		}
	})
	t.Run("JavaScript", func(t *testing.T) {
		program := nodeProgram(t)
		c := s.client(t).as("administrator")
		script := filepath.Join(filepath.Dir(program[1]), "errors.mjs")
		if err := os.WriteFile(script, []byte(`
import { STSClient, AssumeRoleWithWebIdentityCommand, AssumeRoleCommand, InvalidIdentityTokenException, MalformedPolicyDocumentException } from "@aws-sdk/client-sts";
const sts = new STSClient({ maxAttempts: 1 });
const RoleArn = "arn:aws:iam::111122223333:role/none", RoleSessionName = "s-1";
for (const [command, type] of [
  [new AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName, WebIdentityToken: "garbage" }), InvalidIdentityTokenException],
  [new AssumeRoleCommand({ RoleArn, RoleSessionName, Policy: "{}" }), MalformedPolicyDocumentException],
]) {
  try { await sts.send(command); console.log("no error"); } catch (e) { console.log(e instanceof type, e.name, e.$metadata.httpStatusCode); }
}
try { await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName })); } catch (e) { console.log(e.name, e.$metadata.httpStatusCode); }
`), 0o600); err != nil {
			t.Fatal(err)
		}
		c.env["AWS_REGION"] = "us-east-1"
		want := "true InvalidIdentityTokenException 400\ntrue MalformedPolicyDocumentException 400\nAccessDenied 403\n"
		if out := c.must(program[0], script); out != want {
			t.Errorf("JavaScript says\n%swant\n%s", out, want)
		}
	})
}

// A configuration that teams have: plan, apply, a second plan without changes, a
// change, destroy; with the unmodified Terraform and AWS provider.
func TestTerraform(t *testing.T) {
	t.Parallel()
	terraform := require.Program(t, "terraform")
	plugins, err := findPlugins()
	require.Found(t, "terraform", err)
	s := startWithoutKubernetes(t, bare)
	c := s.client(t).as("administrator")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cli.tfrc", "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror { path = \""+plugins+"\" }\n}\n")
	c.env["TF_CLI_CONFIG_FILE"], c.env["TF_IN_AUTOMATION"] = filepath.Join(c.home, "cli.tfrc"), "1"
	configuration := strings.ReplaceAll(terraformConfiguration, "ENDPOINT", c.env["AWS_ENDPOINT_URL"])
	write("main.tf", configuration)
	run := func(args ...string) string { t.Helper(); return c.must(append([]string{terraform}, args...)...) }
	planned := func() bool {
		t.Helper()
		r := c.run(terraform, "plan", "-input=false", "-no-color", "-detailed-exitcode")
		exit, _ := r.err.(*exec.ExitError)
		switch {
		case r.err == nil:
			return false
		case exit != nil && exit.ExitCode() == 2:
			return true
		}
		t.Fatalf("terraform plan: %v\n%s%s", r.err, r.stdout, r.stderr)
		return false
	}
	run("init", "-input=false", "-no-color")
	if !planned() {
		t.Fatal("nothing is planned at first")
	}
	run("apply", "-input=false", "-no-color", "-auto-approve")
	if planned() {
		t.Errorf("the second plan has changes:\n%s", c.run(terraform, "plan", "-no-color").stdout)
	}
	write("main.tf", strings.NewReplacer(`max_session_duration = 3600`, `max_session_duration = 7200`, `team = "navy"`, `team = "army"`,
		`["sts.amazonaws.com"]`, `["sts.amazonaws.com", "vault"]`, `AmazonEKSViewPolicy`, `AmazonEKSEditPolicy`, `"eks:DescribeCluster"`, `"eks:ListClusters"`).Replace(configuration))
	if !planned() {
		t.Error("the change is not planned")
	}
	run("apply", "-input=false", "-no-color", "-auto-approve")
	if planned() {
		t.Errorf("the plan after the change has changes:\n%s", c.run(terraform, "plan", "-no-color").stdout)
	}
	if out := c.must("aws", "iam", "get-role", "--role-name", "tf-app", "--query", "Role.[MaxSessionDuration,Tags[0].Value]", "--output", "text"); strings.TrimSpace(out) != "7200\tarmy" {
		t.Errorf("the role is %q", out)
	}
	run("destroy", "-input=false", "-no-color", "-auto-approve")
	if out := c.must("aws", "iam", "list-roles", "--query", "length(Roles)", "--output", "text"); strings.TrimSpace(out) != "0" {
		t.Errorf("%s roles are left", out)
	}
}

// findPlugins finds the folder of plugins that has the AWS provider.
func findPlugins() (string, error) {
	var found []string
	for _, pattern := range []string{os.Getenv("EKSAUTH_TERRAFORM_PLUGINS"), "/opt/*", "/usr/share/terraform/plugins", filepath.Join(os.Getenv("HOME"), ".terraform.d", "plugins")} {
		for _, host := range []string{"registry.terraform.io"} {
			paths, _ := filepath.Glob(filepath.Join(pattern, host, "hashicorp", "aws"))
			for _, p := range paths {
				found = append(found, strings.TrimSuffix(p, filepath.Join("/", host, "hashicorp", "aws")))
			}
		}
	}
	if len(found) == 0 {
		return "", os.ErrNotExist
	}
	return found[0], nil
}

const terraformConfiguration = `
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region      = "us-east-1"
  max_retries = 1
  endpoints {
    iam = "ENDPOINT"
    sts = "ENDPOINT"
    eks = "ENDPOINT"
  }
}
locals {
  issuer = "oidc.example.com/id/1"
}
resource "aws_iam_openid_connect_provider" "cluster" {
  url             = "https://${local.issuer}"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["0123456789abcdef0123456789abcdef01234567"]
}
resource "aws_iam_role" "app" {
  name                 = "tf-app"
  max_session_duration = 3600
  tags                 = { team = "navy" }
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = { "${local.issuer}:sub" = "system:serviceaccount:a:b", "${local.issuer}:aud" = "sts.amazonaws.com" } }
    }]
  })
}
resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.app.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "eks:DescribeCluster", Resource = "*" }] })
}
resource "aws_iam_policy" "managed" {
  name   = "tf-managed"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "eks:DescribeCluster", Resource = "*" }] })
}
resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.app.name
  policy_arn = aws_iam_policy.managed.arn
}
resource "aws_iam_group" "group" { name = "tf-group" }
resource "aws_iam_user" "user" { name = "tf-user" }
resource "aws_iam_user_group_membership" "membership" {
  user   = aws_iam_user.user.name
  groups = [aws_iam_group.group.name]
}
resource "aws_iam_access_key" "key" { user = aws_iam_user.user.name }
resource "aws_eks_access_entry" "entry" {
  cluster_name      = "dev"
  principal_arn     = aws_iam_role.app.arn
  kubernetes_groups = ["viewers"]
}
resource "aws_eks_access_policy_association" "view" {
  cluster_name  = "dev"
  principal_arn = aws_eks_access_entry.entry.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
  access_scope {
    type       = "namespace"
    namespaces = ["a"]
  }
}
resource "aws_eks_pod_identity_association" "pod" {
  cluster_name    = "dev"
  namespace       = "a"
  service_account = "c"
  role_arn        = aws_iam_role.app.arn
}
`
