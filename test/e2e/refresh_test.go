package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/internal/require"
)

// refreshWorld has one role for two service accounts: so the log says whose token
// a session was made with.
const refreshWorld = `
accounts:
  - id: "111122223333"
    users: [{name: ada.lovelace}]
    roles:
      - name: awesome.app
        serviceAccounts:
          - {cluster: dev, namespace: awesome-app, name: before}
          - {cluster: dev, namespace: awesome-app, name: after}
    clusters: [{name: dev, region: us-east-1}]
`

// startWithoutKubernetes runs the local AWS alone, with a world, until the test
// has ended. The programs of a control plane must be there all the same.
func startWithoutKubernetes(t *testing.T, world string, args ...string) *system {
	t.Helper()
	findBinaries(t)
	file := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(file, []byte(world), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := start(filepath.Join(t.TempDir(), "data"), append([]string{"--control-plane=false", "--world", file}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("Ctrl-C did not end it cleanly: %v\n%s", err, s.stderr.String())
		}
	})
	return s
}

// A process that goes on when its session has ended gets another, with the token
// that is in the file by then. The old one is worth nothing any more.
func TestClientsRefresh(t *testing.T) {
	require.Program(t, "aws")
	s := startWithoutKubernetes(t, refreshWorld, "--max-session", "8s")
	for _, sdk := range sdks() {
		t.Run(sdk.name, func(t *testing.T) {
			t.Parallel()
			c := s.podClient(t)
			token := filepath.Join(c.home, "token")
			rotate := func(serviceAccount string) {
				minted := c.must("eksauth", "mint", "awesome-app/"+serviceAccount, "--data-dir", s.dir)
				writeToken(t, token, strings.TrimSpace(minted))
			}
			rotate("before")
			c.env["AWS_ROLE_ARN"], c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = appRole, token
			c.setRegion()
			pod := sdk.start(t, c)

			old := pod.ask()
			if err := s.tryCredentials(t, old); err != nil {
				t.Fatalf("the first credentials are of no use: %v", err)
			}
			rotate("after")
			eventually(t, time.Minute, "the session's end", func() bool { return s.tryCredentials(t, old) != nil })
			renewed := pod.ask()
			if renewed.AccessKeyId == old.AccessKeyId || !strings.Contains(renewed.Arn, ":assumed-role/awesome.app/") {
				t.Errorf("it is %s with %s, and was %s with %s", renewed.Arn, renewed.AccessKeyId, old.Arn, old.AccessKeyId)
			}
			for _, session := range []struct{ of, serviceAccount string }{{old.AccessKeyId, "before"}, {renewed.AccessKeyId, "after"}} {
				line := s.logLine(t, "sessionAccessKeyId="+session.of)
				if !strings.Contains(line, "subject=system:serviceaccount:awesome-app:"+session.serviceAccount+" ") {
					t.Errorf("the session was not made with the token of %s: %s", session.serviceAccount, line)
				}
			}
			mustHaveExpired(t, s, old)
		})
	}
}

// setRegion sets both variables, as the webhook does: the aws CLI and boto3 read
// one, the others the other.
func (c *client) setRegion() {
	c.env["AWS_REGION"], c.env["AWS_DEFAULT_REGION"] = "us-east-1", "us-east-1"
}

// tryCredentials asks who they belong to.
func (s *system) tryCredentials(t *testing.T, w whoami) error {
	_, err := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.env["AWS_ENDPOINT_URL"]), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(w.AccessKeyId, w.SecretAccessKey, w.SessionToken),
	}).GetCallerIdentity(t.Context(), nil)
	return err
}

// mustHaveExpired is what somebody sees who has kept credentials for too long.
func mustHaveExpired(t *testing.T, s *system, old whoami) {
	t.Helper()
	c := s.podClient(t)
	c.env["AWS_ACCESS_KEY_ID"], c.env["AWS_SECRET_ACCESS_KEY"], c.env["AWS_SESSION_TOKEN"] = old.AccessKeyId, old.SecretAccessKey, old.SessionToken
	c.setRegion()
	r := c.run("aws", "sts", "get-caller-identity")
	const want = "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The security token included in the request is expired"
	if r.err == nil || !strings.Contains(r.stderr, want) {
		t.Errorf("%v\n%s%s", r.err, r.stdout, r.stderr)
	}
}

// logLine is the line of the local AWS's log that has the text.
func (s *system) logLine(t *testing.T, text string) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(s.dir, "local.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("no line of the log has %q", text)
	return ""
}
