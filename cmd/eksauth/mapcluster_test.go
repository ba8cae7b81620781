package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/kubectl"
	"github.com/eksauth/eksauth/internal/require"
)

const configMaps = "/api/v1/namespaces/kube-system/configmaps"

// mapCluster is a real API server with a real kubectl before it.
type mapCluster struct {
	plane  *controlplane.ControlPlane
	binary string // kubectl's
	env    []string
}

func startMapCluster(t *testing.T) *mapCluster {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, "../../bin/eksauth")...)
	require.Found(t, "controlplane", err)
	plane := controlplane.New(controlplane.Config{Dir: t.TempDir(), Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := plane.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := plane.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Dir(binaries.Kubectl) + string(filepath.ListSeparator) + os.Getenv("PATH")
	return &mapCluster{plane, binaries.Kubectl, []string{"PATH=" + path, "HOME=" + t.TempDir(), "KUBECONFIG=" + plane.AdminKubeconfig()}}
}

// setAWSAuth makes data the whole of aws-auth.
func (c *mapCluster) setAWSAuth(t *testing.T, data map[string]string) {
	t.Helper()
	err := c.plane.Replace(t.Context(), configMaps, awsAuthName, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": awsAuthName}, "data": data,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run is eksauth as a user runs it.
func (c *mapCluster) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "eksauth", args...)
	cmd.Env = c.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestMapReadsACluster(t *testing.T) {
	c := startMapCluster(t)
	_, stderr, code := c.run(t, "map", "list")
	if code != 1 || !strings.Contains(stderr, `(NotFound): configmaps "aws-auth" not found`) || !strings.Contains(stderr, "hint: the cluster has no aws-auth") {
		t.Errorf("without aws-auth: %d %s", code, stderr)
	}
	c.setAWSAuth(t, map[string]string{"mapUsers": "- userarn: arn:aws:iam::111122223333:user/ada\n  username: ada\n"})
	stdout, stderr, code := c.run(t, "map", "list")
	if code != 0 || !strings.Contains(stdout, "arn:aws:iam::111122223333:user/ada  ada") {
		t.Errorf("list: %d %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = c.run(t, "map", "explain", "--kubeconfig", c.plane.AdminKubeconfig(), "arn:aws:iam::111122223333:user/ada")
	if code != 0 || !strings.Contains(stdout, "because of   EKSConfigMap mapUsers[0] (line 1), by ARN") {
		t.Errorf("explain: %d %s%s", code, stdout, stderr)
	}
	file := filepath.Join(t.TempDir(), "aws-auth.yaml")
	if err := os.WriteFile(file, []byte("kind: ConfigMap\ndata:\n  mapUsers: '[{userarn: \"arn:aws:iam::111122223333:user/ada\", username: ada}]'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code = c.run(t, "map", "diff", file)
	if code != 0 || !strings.Contains(stdout, "no difference between "+file+" and kube-system/aws-auth") {
		t.Errorf("diff: %d %s%s", code, stdout, stderr)
	}
	_, stderr, code = c.run(t, "map", "diff", file, "context/nope")
	if code != 1 || !strings.Contains(stderr, "nope") {
		t.Errorf("diff with another context: %d %s", code, stderr)
	}
	_, stderr, code = c.run(t, "map", "list", "--context", "nope")
	if code != 1 || !strings.Contains(stderr, "nope") {
		t.Errorf("another context: %d %s", code, stderr)
	}

	// Somebody whom RBAC gives nothing, and somebody whom nobody knows.
	cert, key, err := c.plane.IssueClient("stranger")
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, code = c.run(t, "map", "list", "--kubeconfig", c.kubeconfig(t, cert, key))
	if code != 1 || !strings.Contains(stderr, "(Forbidden)") || !strings.Contains(stderr, "hint: what may you do?") {
		t.Errorf("stranger: %d %s", code, stderr)
	}
	c.env = append(c.env, "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
	_, stderr, code = c.run(t, "map", "list")
	if code != 1 || !strings.Contains(stderr, "hint: is the cluster up") {
		t.Errorf("no cluster: %d %s", code, stderr)
	}
}

// kubeconfig is a file for a user with a client certificate.
func (c *mapCluster) kubeconfig(t *testing.T, cert, key []byte) string {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority-data": %q}}],
"users": [{"name": "u", "user": {"client-certificate-data": %q, "client-key-data": %q}}],
"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}`,
		c.plane.URL(), encode(c.plane.CACert()), encode(cert), encode(key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Two people add at the same time, again and again: none of it is lost, and what
// was there before is kept.
func TestMapEditsACluster(t *testing.T) {
	c := startMapCluster(t)
	const boss = "# the boss\n- {userarn: \"arn:aws:iam::111122223333:user/boss\", username: boss, groups: [system:masters]}\n"
	c.setAWSAuth(t, map[string]string{"mapUsers": boss})
	if _, stderr, code := c.run(t, "map", "add", "--dry-run", "arn:aws:iam::111122223333:user/ada", "--username", "ada"); code != 0 {
		t.Errorf("dry run: %s", stderr)
	}
	if got := c.kubectl(t, "get", "configmap", "aws-auth", "-o", "jsonpath={.data.mapUsers}"); got != boss {
		t.Errorf("a dry run wrote %s", got)
	}
	const rounds = 4
	var all sync.WaitGroup
	for _, name := range []string{"ada", "grace"} {
		all.Go(func() {
			for i := range rounds {
				user := fmt.Sprintf("%s%d", name, i)
				if stdout, stderr, code := c.run(t, "map", "add", "arn:aws:iam::111122223333:user/"+user, "--username", user); code != 0 {
					t.Errorf("%s: %s%s", user, stdout, stderr)
				}
			}
		})
	}
	all.Wait()
	got := c.kubectl(t, "get", "configmap", "aws-auth", "-o", "jsonpath={.data.mapUsers}")
	if !strings.HasPrefix(got, boss) || strings.Count(got, "userarn:") != 1+2*rounds {
		t.Errorf("%d entries:\n%s", strings.Count(got, "userarn:"), got)
	}
	if n := strings.Count(c.kubectl(t, "get", "configmap", "-l", backupOf+"=aws-auth", "-o", "name"), "\n"); n != 2*rounds {
		t.Errorf("%d backups of %d edits", n, 2*rounds)
	}

	// kubectl's words for a conflict are recognised.
	client := kubectl.Client{Path: c.binary, Kubeconfig: c.plane.AdminKubeconfig()}
	stale := []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth", "namespace": "kube-system", "resourceVersion": "1"}}`)
	if err := client.Replace(t.Context(), stale); !kubectl.Is(err, kubectl.Conflict) {
		t.Errorf("a stale revision: %v", err)
	}

	// The revision that is named holds what was there.
	stdout, stderr, code := c.run(t, "map", "remove", "arn:aws:iam::111122223333:user/ada0")
	_, backup, ok := strings.Cut(strings.TrimSpace(stdout), "kube-system/")
	if code != 0 || !ok {
		t.Fatalf("remove: %d %s%s", code, stdout, stderr)
	}
	by := c.kubectl(t, "get", "configmap", backup, "-o", `jsonpath={.metadata.annotations.eksauth\.dev/by} {.metadata.annotations.eksauth\.dev/before}`)
	if !strings.HasSuffix(by, " remove arn:aws:iam::111122223333:user/ada0") || strings.HasPrefix(by, " ") {
		t.Errorf("who and why: %q", by)
	}
	if was := c.kubectl(t, "get", "configmap", backup, "-o", "jsonpath={.data.mapUsers}"); was != got {
		t.Errorf("the backup has\n%s\nnot\n%s", was, got)
	}
	_, stderr, code = c.run(t, "map", "remove", "arn:aws:iam::111122223333:user/boss")
	if code != 1 || !strings.Contains(stderr, "nobody would be left in system:masters") {
		t.Errorf("the last administrator: %d %s", code, stderr)
	}

	// Without nodes, a mapping of theirs can be taken out; with one, by force only,
	// which tells a guard at the API server, too.
	const node = "arn:aws:iam::111122223333:role/node"
	change := func(force string) (string, int) {
		if _, stderr, code := c.run(t, "map", "add", node, "--username", "system:node:{{SessionName}}", "--group", "system:nodes"); code != 0 {
			t.Fatal(stderr)
		}
		args := []string{"map", "remove", node}
		if force != "" {
			args = append(args, force)
		}
		_, stderr, code := c.run(t, args...)
		return stderr, code
	}
	if stderr, code := change(""); code != 0 {
		t.Errorf("a node's mapping, without nodes: %d %s", code, stderr)
	}
	c.kubectl(t, "create", "--validate=false", "-f", nodeManifest(t))
	if stderr, code := change(""); code != 1 || !strings.Contains(stderr, "could not sign in any more, and the cluster has nodes") {
		t.Errorf("a node's mapping, with a node: %d %s", code, stderr)
	}
	if stderr, code := change("--force"); code != 0 {
		t.Errorf("by force: %d %s", code, stderr)
	}
	if why := c.kubectl(t, "get", "configmap", "aws-auth", "-o", `jsonpath={.metadata.annotations.eksauth\.dev/override-guard}`); !strings.HasPrefix(why, "remove "+node+" --force, by eksauth map; before it ") {
		t.Errorf("the annotation says %q", why)
	}

	// There are never more than maxBackups.
	for range maxBackups/2 + 1 {
		for _, args := range [][]string{{"add", "arn:aws:iam::111122223333:user/x", "--username", "x"}, {"remove", "arn:aws:iam::111122223333:user/x"}} {
			if _, stderr, code := c.run(t, append([]string{"map"}, args...)...); code != 0 {
				t.Fatal(stderr)
			}
		}
	}
	if n := strings.Count(c.kubectl(t, "get", "configmap", "-l", backupOf+"=aws-auth", "-o", "name"), "\n"); n != maxBackups {
		t.Errorf("%d backups are kept", n)
	}
}

// What an edit changed can be put back, and that be undone, and aws-auth itself
// be brought back.
func TestMapRestoresACluster(t *testing.T) {
	c := startMapCluster(t)
	const boss = "# the boss\n- {userarn: \"arn:aws:iam::111122223333:user/boss\", username: boss, groups: [system:masters]}\n"
	c.setAWSAuth(t, map[string]string{"mapUsers": boss})
	ok := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := c.run(t, append([]string{"map"}, args...)...)
		if code != 0 {
			t.Fatalf("%v: %d %s%s", args, code, stdout, stderr)
		}
		return stdout
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if _, stderr, code := c.run(t, append([]string{"map"}, args...)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%v: %d %s", args, code, stderr)
		}
	}
	text := func() string {
		t.Helper()
		return c.kubectl(t, "get", "configmap", "aws-auth", "-o", "jsonpath={.data.mapUsers}")
	}
	revision := func(before string) string {
		t.Helper()
		for line := range strings.Lines(ok("restore")) {
			if words := strings.Fields(line); strings.Contains(line, before) {
				return words[0]
			}
		}
		t.Fatalf("no backup from before %q:\n%s", before, ok("restore"))
		return ""
	}
	if out := ok("restore"); !strings.Contains(out, "none is kept") {
		t.Errorf("before any edit: %s", out)
	}
	ok("add", "arn:aws:iam::111122223333:user/ada", "--username", "ada")
	edited := text()
	first := revision("add arn:aws:iam::111122223333:user/ada")
	if out := ok("restore", "--dry-run", first); !strings.Contains(out, "\n-  username: ada") || text() != edited {
		t.Errorf("a dry run: %s", out)
	}
	ok("restore", first)
	if got := text(); got != boss {
		t.Errorf("restored:\n%s", got)
	}
	if out := ok("restore", first); !strings.Contains(out, "nothing to do") {
		t.Errorf("again: %s", out)
	}
	ok("restore", revision("restore "+first))
	if got := text(); got != edited {
		t.Errorf("undone:\n%s", got)
	}

	refused("there is no kube-system/aws-auth-backup-1\n", "restore", "1")
	c.kubectl(t, "create", "configmap", "aws-auth-backup-0", "--from-literal=mapUsers=")
	refused("is no backup of aws-auth", "restore", "0")
	c.kubectl(t, "label", "configmap", "aws-auth-backup-0", backupOf+"=aws-auth")
	refused("nobody would be left in system:masters", "restore", "0")
	if got := text(); got != edited {
		t.Errorf("refused, and yet:\n%s", got)
	}

	c.kubectl(t, "delete", "configmap", "aws-auth")
	refused("not found", "remove", "arn:aws:iam::111122223333:user/ada")
	if out := ok("restore", first); !strings.Contains(out, "there was no kube-system/aws-auth") || text() != boss {
		t.Errorf("brought back: %s", out)
	}
}

// kubectl reads from kube-system as the administrator.
func (c *mapCluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.binary, append([]string{"-n", "kube-system"}, args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func nodeManifest(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(path, []byte("apiVersion: v1\nkind: Node\nmetadata: {name: ip-10-0-0-1.ec2.internal}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
