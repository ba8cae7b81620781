package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/cli"
)

// The example of docs/guides/test.md is run, beside a trust policy that lets in one
// service account too many, and says what the guide shows.
func TestGuideToTest(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/test.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(begin string) string {
		t.Helper()
		_, rest, ok := strings.Cut(string(guide), begin)
		text, _, end := strings.Cut(rest, "```")
		if !ok || !end {
			t.Fatalf("the guide has no %q", begin)
		}
		return text
	}
	t.Chdir(t.TempDir())
	for path, text := range map[string]string{
		"auth_test.yaml": block("```yaml\n# auth_test.yaml\n"),
		"trust/api.json": `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringLike": {"oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub": "system:serviceaccount:payments:*"}}
  }]
}`,
		"policies/api.json": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::payments/*"}}`,
		"aws-auth.yaml":     "kind: ConfigMap\ndata:\n  mapUsers: |\n    - {userarn: \"arn:aws:iam::111122223333:user/ada.lovelace\", username: ada.lovelace, groups: [awesome-app-admin]}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		// The guide's block begins with a comment that names the file.
		if path == "auth_test.yaml" {
			text = "# auth_test.yaml\n" + text
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	stdio := cli.IO{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}
	if code := cli.Run(newRoot(stdio), stdio, []string{"test", "auth_test.yaml"}); code != cli.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	took := regexp.MustCompile(`in [\d.]+m?s\n`)
	got, want := took.ReplaceAllString(out.String(), "\n"), took.ReplaceAllString(block("$ eksauth test auth_test.yaml\n"), "\n")
	if got != want {
		t.Errorf("it says\n%s\nthe guide shows\n%s", got, want)
	}
}
