package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/require"
)

const appRole = "arn:aws:iam::" + account + ":role/awesome.app"

// MISSION section 3 by hand, with a token that the API server's own TokenRequest
// API mints: it signs with the local issuer's key. The aws CLI does the rest.
func TestServiceAccountBecomesARole(t *testing.T) {
	require.Program(t, "aws")
	c := theSystem(t).client(t)
	c.admin("create", "namespace", "awesome-app")
	t.Cleanup(func() { c.admin("delete", "namespace", "awesome-app", "--wait=false") })
	c.admin("create", "serviceaccount", "-n", "awesome-app", "awesome-app")
	c.admin("create", "serviceaccount", "-n", "awesome-app", "other")
	keep := func(name, token string) string {
		t.Helper()
		file := filepath.Join(c.home, name)
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	create := func(account string, args ...string) string {
		t.Helper()
		return c.admin(append([]string{"create", "token", "-n", "awesome-app", account}, args...)...)
	}
	// As in a pod: no keys, but role and token file.
	delete(c.env, "AWS_ACCESS_KEY_ID")
	delete(c.env, "AWS_SECRET_ACCESS_KEY")
	delete(c.env, "AWS_SHARED_CREDENTIALS_FILE")
	c.env["AWS_ROLE_ARN"] = appRole
	c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = keep("good", create("awesome-app", "--audience=sts.amazonaws.com"))
	if got := c.must("aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.HasPrefix(got, "arn:aws:sts::"+account+":assumed-role/awesome.app/") {
		t.Errorf("the pod is %s", got)
	}

	// The failures of MISSION section 4, in the words of the aws CLI.
	for _, tc := range []struct{ name, token, want string }{
		{"another service account", create("other", "--audience=sts.amazonaws.com"),
			"An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"the API server's own audience", create("awesome-app"),
			"An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: Incorrect token audience"},
		{"no audience", c.must("eksauth", "mint", "awesome-app/awesome-app", "--audience=", "--data-dir", c.system.dir),
			"An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: Missing a required claim: aud"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = keep("bad", tc.token)
			c.env["HOME"] = t.TempDir() // the aws CLI remembers a role's credentials there
			r := c.run("aws", "sts", "get-caller-identity")
			if r.err == nil || !strings.Contains(r.stderr, tc.want) {
				t.Errorf("%v\n%s%s", r.err, r.stdout, r.stderr)
			}
		})
	}
	c.env["HOME"] = t.TempDir()
	delete(c.env, "AWS_ROLE_ARN")
	delete(c.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
	if r := c.run("aws", "sts", "get-caller-identity"); r.err == nil || !strings.Contains(r.stderr, "Unable to locate credentials") {
		t.Errorf("without the annotation's variables: %v\n%s", r.err, r.stderr)
	}
}
