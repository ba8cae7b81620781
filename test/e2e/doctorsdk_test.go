package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/require"
)

// fails runs the program once and returns what it prints when it ends with an error.
func (s sdk) fails(t *testing.T, c *client) string {
	t.Helper()
	command := s.command(t)
	if s.prepare != nil {
		s.prepare(t, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stdin = c.home, strings.NewReader("\n")
	for name, value := range c.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil {
		t.Errorf("%s has no fault to tell of", s.name)
	}
	return stderr.String()
}

// awsCLI is the fourth of them.
func awsCLI() sdk {
	return sdk{"aws CLI", func(t *testing.T) []string { return []string{require.Program(t, "aws"), "sts", "get-caller-identity"} }, nil}
}

// The same faults in the words of every SDK: the doctor knows each of them by what
// it prints, and names the same cause.
func TestDoctorKnowsEverySDK(t *testing.T) {
	s := theSystem(t)
	p := newPatient(t, s)
	deny := trust(":web", ":api")
	repair := trust("", "")
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := unused.Addr().String()
	unused.Close()
	table := "fault"
	clients := append([]sdk{awsCLI()}, sdks()...)
	for _, client := range clients {
		table += " | " + client.name
	}
	table += "\n"
	for _, f := range []struct {
		name   string
		breaks string                        // of the cluster or the account
		inside func(t *testing.T, c *client) // of the container
		known  string                        // to doctor error
		other  map[string]string             // ... where an SDK says less
	}{
		{"trust policy for another service account", deny, nil, "web-identity-denied", nil},
		{"a role that is no ARN", "", func(_ *testing.T, c *client) { c.env["AWS_ROLE_ARN"] = "arn:aws:iam::1111:role/x" }, "role-arn-invalid", nil},
		{"an audience that the provider does not take", "", func(t *testing.T, c *client) {
			rewrite(t, c, p.sh("kubectl create token -n NAMESPACE web --duration 10m --audience nobody"))
		}, "audience-refused", nil},
		{"another account's role", "", func(_ *testing.T, c *client) { c.env["AWS_ROLE_ARN"] = "arn:aws:iam::444455556666:role/x" }, "oidc-provider-missing", nil},
		{"a token of another issuer", "", func(t *testing.T, c *client) { rewrite(t, c, foreignToken) }, "oidc-provider-missing", nil},
		{"what is no token", "", func(t *testing.T, c *client) { rewrite(t, c, "hello") }, "token-not-a-jwt", nil},
		{"no token file", "", func(_ *testing.T, c *client) {
			c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = filepath.Join(c.home, "var/run/secrets/eks.amazonaws.com/serviceaccount/token")
		}, "token-file-missing", nil},
		{"no credentials at all", "", func(_ *testing.T, c *client) {
			delete(c.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
			delete(c.env, "AWS_ROLE_ARN")
		}, "credentials-missing", nil},
		{"a static key that nobody has", "", func(_ *testing.T, c *client) {
			c.env["AWS_ACCESS_KEY_ID"], c.env["AWS_SECRET_ACCESS_KEY"] = "AKIAIOSFODNN7EXAMPLE", "example"
		}, "key-unknown", nil},
		{"no agent of pod identity", "", func(t *testing.T, c *client) {
			delete(c.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
			delete(c.env, "AWS_ROLE_ARN")
			file := filepath.Join(c.home, "eks-pod-identity-token")
			if err := os.WriteFile(file, []byte("token"), 0o600); err != nil {
				t.Fatal(err)
			}
			c.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://" + nobody + "/v1/credentials"
			c.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = file
		}, "pod-identity-agent-unreachable", map[string]string{"aws-sdk-js-v3": "credentials-missing"}}, // it says no more
		{"no token for the agent of pod identity", "", func(_ *testing.T, c *client) {
			delete(c.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
			delete(c.env, "AWS_ROLE_ARN")
			c.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://" + nobody + "/v1/credentials"
			c.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
		}, "pod-identity-token-missing", nil},
	} {
		table += f.name
		t.Run(f.name, func(t *testing.T) {
			if f.breaks != "" {
				p.sh(f.breaks)
				t.Cleanup(func() { p.sh(repair) })
			}
			for _, client := range clients {
				t.Run(client.name, func(t *testing.T) {
					c := p.container()
					c.env["AWS_REGION"] = "us-east-1"
					if f.inside != nil {
						f.inside(t, c)
					}
					seen := client.fails(t, c)
					mustBeRecognised(t, p.client, seen, cmp.Or(f.other[client.name], f.known))
				})
			}
		})
		table += " | " + f.known + "\n"
	}
	t.Log("\n" + table)
}

// foreignToken is signed by nobody: what counts is whose it says it is.
const foreignToken = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngiLCJ0eXAiOiJKV1QifQ." +
	"eyJpc3MiOiJodHRwczovL2Vsc2V3aGVyZS5leGFtcGxlIiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OmE6YiIsImF1ZCI6InN0cy5hbWF6b25hd3MuY29tIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3NjcyMjU2MDB9.AAAA"

func rewrite(t *testing.T, c *client, token string) {
	t.Helper()
	if err := os.WriteFile(c.env["AWS_WEB_IDENTITY_TOKEN_FILE"], []byte(strings.TrimSpace(token)), 0o600); err != nil {
		t.Fatal(err)
	}
}
