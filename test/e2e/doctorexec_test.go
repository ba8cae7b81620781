package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What kubectl says of the program that should make its token, and what the doctor
// makes of it.
func TestDoctorExecPlugin(t *testing.T) {
	s := theSystem(t)
	// kubeconfig is a small one: the API server, and a program.
	kubeconfig := func(api, command string) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: dev,
clusters: [{name: dev, cluster: {server: %q, insecure-skip-tls-verify: true}}],
contexts: [{name: dev, context: {cluster: dev, user: ada}}],
users: [{name: ada, user: {exec: {apiVersion: client.authentication.k8s.io/%s, command: %s, args: [token, --cluster-name, dev], interactiveMode: Never}}}]}`,
			s.serverURL(t), api, command)
	}
	eksauth := filepath.Join(built, "eksauth")
	table := "fault | the user sees | the doctor says\n"
	for _, f := range []struct {
		name         string
		api, command string
		env          map[string]string
		sees         string
		known        string
	}{
		{"an API that is gone", "v1alpha1", eksauth, nil,
			`invalid apiVersion "client.authentication.k8s.io/v1alpha1"`, "exec-api-removed"},
		{"two versions of the API", "v1", "old-plugin", nil,
			"plugin returned version client.authentication.k8s.io/v1beta1", "exec-api-mismatch"},
		{"no such program", "v1", "aws-iam-authenticatorr", nil,
			"executable aws-iam-authenticatorr not found", "exec-not-found"},
		{"a profile that is not there", "v1", eksauth, map[string]string{"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			"failed with exit code", "profile-missing"},
		{"a plugin that fails without a word", "v1", "\"false\"", nil,
			"executable false failed with exit code 1", "exec-failed"},
	} {
		t.Run(f.name, func(t *testing.T) {
			c := s.client(t)
			path := filepath.Join(c.home, "kubeconfig")
			if err := os.WriteFile(path, []byte(kubeconfig(f.api, f.command)), 0o600); err != nil {
				t.Fatal(err)
			}
			plugins := filepath.Join(c.home, "bin")
			if err := os.MkdirAll(plugins, 0o700); err != nil {
				t.Fatal(err)
			}
			const old = "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"x\"}}'\n"
			if err := os.WriteFile(filepath.Join(plugins, "old-plugin"), []byte(old), 0o700); err != nil {
				t.Fatal(err)
			}
			c.env["KUBECONFIG"], c.env["PATH"] = path, plugins+":"+c.env["PATH"]
			for name, value := range f.env {
				if c.env[name] = value; value == "" {
					delete(c.env, name)
				}
			}
			r := c.run("kubectl", "get", "pods")
			if seen := r.stdout + r.stderr; r.err == nil || !strings.Contains(seen, f.sees) {
				t.Fatalf("kubectl says %q, want %q", seen, f.sees)
			}
			mustBeRecognised(t, c, r.stderr, f.known)
		})
		table += f.name + " | " + f.sees + " | " + f.known + "\n"
	}
	t.Log("\n" + table)
}

// serverURL is where the API server is.
func (s *system) serverURL(t *testing.T) string {
	t.Helper()
	c := s.client(t)
	return strings.TrimSpace(c.must("kubectl", "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"))
}
