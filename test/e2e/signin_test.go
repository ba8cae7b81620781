package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/internal/require"
)

const (
	account = "111122223333"
	userARN = "arn:aws:iam::" + account + ":user/ada.lovelace"
	roleARN = "arn:aws:iam::" + account + ":role/awesome.role"
)

// mustBeAda is MISSION section 1: the IAM user ada.lovelace becomes the
// Kubernetes user ada.lovelace in the group awesome-app-admin.
func mustBeAda(t *testing.T, who user) {
	t.Helper()
	if who.Username != "ada.lovelace" || !slices.Contains(who.Groups, "awesome-app-admin") {
		t.Errorf("signed in as %+v", who)
	}
}

// mustBeRole is the same for the role, in a session that says whose it is.
func mustBeRole(t *testing.T, who user, session string) {
	t.Helper()
	if who.Username != "awesome.role" || !slices.Contains(who.Groups, "awesome-app-admin") ||
		!slices.Equal(who.Extra["arn"], []string{"arn:aws:sts::" + account + ":assumed-role/awesome.role/" + session}) ||
		!slices.Equal(who.Extra["canonicalArn"], []string{roleARN}) ||
		!slices.Equal(who.Extra["sessionName"], []string{session}) {
		t.Errorf("signed in as %+v, want awesome.role in session %s", who, session)
	}
}

func TestUserSignsIn(t *testing.T) {
	c := theSystem(t).client(t)
	who := c.whoami()
	mustBeAda(t, who)
	if !regexp.MustCompile(`^aws-iam-authenticator:111122223333:AIDA[A-Z0-9]{17}$`).MatchString(who.UID) {
		t.Errorf("uid %q", who.UID)
	}
	principal := strings.TrimPrefix(who.UID, "aws-iam-authenticator:"+account+":")
	want := map[string][]string{
		"arn":          {userARN},
		"canonicalArn": {userARN},
		"sessionName":  {""},
		"accessKeyId":  {c.env["AWS_ACCESS_KEY_ID"]},
		"principalId":  {principal},
		"sigs.k8s.io/aws-iam-authenticator/principalId": {principal},
	}
	if diff := cmp.Diff(want, who.Extra); diff != "" {
		t.Errorf("extra (-want +got)\n%s", diff)
	}
}

func TestRoleSignsIn(t *testing.T) {
	c := theSystem(t).client(t)
	mustBeRole(t, c.whoami("--context", "awesome.role@dev"), "ada.lovelace")
}

// A kubeconfig that the aws CLI writes, with the aws CLI as its plugin; then
// with only the word of the command changed.
func TestKubeconfigOfTheAWSCLI(t *testing.T) {
	require.Program(t, "aws")
	c := theSystem(t).client(t)
	for _, tc := range []struct {
		name string
		args []string
		must func(*testing.T, user, string)
	}{
		{"user", nil, func(t *testing.T, who user, _ string) { mustBeAda(t, who) }},
		{"role", []string{"--role-arn", roleARN}, func(t *testing.T, who user, command string) {
			// The aws CLI names each session like this; eksauth says who it is.
			mustBeRole(t, who, map[string]string{"aws": "EKSGetTokenAuth", "eksauth": "ada.lovelace"}[command])
		}},
	} {
		config := filepath.Join(c.home, tc.name+".kubeconfig")
		c.must(append([]string{"aws", "eks", "update-kubeconfig", "--name", "dev", "--kubeconfig", config}, tc.args...)...)
		tc.must(t, c.whoami("--kubeconfig", config), "aws")

		doc, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(doc), "command: aws\n", "command: eksauth\n", 1)
		if changed == string(doc) {
			t.Fatalf("no command to change in\n%s", doc)
		}
		if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		tc.must(t, c.whoami("--kubeconfig", config), "eksauth")
	}
}

// The other way round: what eksauth writes is what the aws CLI understands.
func TestKubeconfigOfEksauth(t *testing.T) {
	c := theSystem(t).client(t)
	for _, tc := range []struct {
		command string
		args    []string
		must    func(*testing.T, user)
	}{
		{"eksauth", nil, mustBeAda},
		{"eksauth", []string{"--role-arn", roleARN}, func(t *testing.T, who user) { mustBeRole(t, who, "ada.lovelace") }},
		{"aws", nil, mustBeAda},
		{"aws", []string{"--role-arn", roleARN}, func(t *testing.T, who user) { mustBeRole(t, who, "EKSGetTokenAuth") }},
	} {
		if tc.command == "aws" {
			require.Program(t, "aws")
		}
		config := filepath.Join(t.TempDir(), "kubeconfig")
		c.must(append([]string{"eksauth", "kubeconfig", "--name", "dev", "--kubeconfig", config, "--command", tc.command}, tc.args...)...)
		tc.must(t, c.whoami("--kubeconfig", config))
	}
}

// A token for AWS's own STS, made by the unmodified aws CLI that has never heard
// of the local AWS, verifies offline: the signature covers the real host.
func TestTokenForRealSTSVerifiesOffline(t *testing.T) {
	require.Program(t, "aws")
	c := theSystem(t).client(t)
	delete(c.env, "AWS_ENDPOINT_URL")
	for _, made := range [][]string{
		{"aws", "eks", "get-token", "--cluster-name", "dev"},
		{"eksauth", "token", "--cluster-name", "dev"},
		{"eksauth", "--region", "eu-west-1", "token", "--cluster-name", "dev"},
	} {
		token := tokenOf(t, c.must(made...))
		r := c.whoamiWith(token)
		if r.err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(made, " "), r.err, r.stderr)
		}
		mustBeAda(t, parseWhoami(t, r.stdout))
	}
}

// In the same second, with the same credentials, both make the same bytes (but
// for an empty line that the aws CLI adds).
func TestAnswerIsThatOfTheAWSCLI(t *testing.T) {
	require.Program(t, "aws")
	c := theSystem(t).client(t)
	eventually(t, 30*time.Second, "the same answer within one second", func() bool {
		theirs := c.must("aws", "eks", "get-token", "--cluster-name", "dev")
		ours := c.must("eksauth", "token", "--cluster-name", "dev")
		return strings.TrimSpace(ours) == strings.TrimSpace(theirs)
	})
}

func tokenOf(t *testing.T, execCredential string) string {
	t.Helper()
	var cred struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(execCredential), &cred); err != nil || cred.Status.Token == "" {
		t.Fatalf("no token in %s", execCredential)
	}
	return cred.Status.Token
}

// RBAC lets the group read pods and not secrets.
func TestGroupMayReadPodsAndNotSecrets(t *testing.T) {
	c := theSystem(t).client(t)
	c.admin("create", "clusterrole", "read-pods", "--verb=get,list,watch", "--resource=pods")
	c.admin("create", "clusterrolebinding", "read-pods", "--clusterrole=read-pods", "--group=awesome-app-admin")
	t.Cleanup(func() {
		c.admin("delete", "clusterrolebinding,clusterrole", "read-pods")
	})
	eventually(t, 10*time.Second, "the role's effect", func() bool { return c.run("kubectl", "get", "pods").err == nil })
	r := c.run("kubectl", "get", "secrets")
	if r.err == nil || !strings.Contains(r.stderr, `User "ada.lovelace" cannot list resource "secrets"`) {
		t.Errorf("get secrets: %v\n%s", r.err, r.stderr)
	}
	if r := c.run("kubectl", "--context", "awesome.role@dev", "get", "pods"); r.err != nil {
		t.Errorf("the role, in the same group: %s", r.stderr)
	}
}
