package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// children are the processes whose parent is pid, by the kernel's account.
func children(t *testing.T, pid int) map[int]string {
	t.Helper()
	found := map[int]string{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// PID (NAME) STATE PPID …; the name may hold spaces and parentheses.
		head, tail, ok := strings.Cut(string(data), " (")
		i := strings.LastIndex(tail, ") ")
		if !ok || i < 0 {
			continue
		}
		fields := strings.Fields(tail[i+2:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			n, err := strconv.Atoi(head)
			if err == nil {
				found[n] = tail[:i]
			}
		}
	}
	return found
}

// kill -9 at any moment: nothing that was answered is lost, nothing keeps
// running, and the next start goes on where it was.
func TestKillLosesNothingAndLeavesNothing(t *testing.T) {
	findBinaries(t)
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("skipped: this system has no /proc to count processes in")
	}
	dir := filepath.Join(t.TempDir(), "data")
	s, err := start(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(t)
	mustBeAda(t, c.whoami())
	session := tokenOf(t, c.must("eksauth", "token", "--cluster-name", "dev", "--role-arn", roleARN))
	patchAWSAuth(c, "mapAccounts", "- \"444455556666\"\n")
	running := children(t, s.cmd.Process.Pid)
	if len(running) != 4 {
		t.Errorf("children %v, want etcd, kube-apiserver and eksauthd twice", running)
	}

	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	eventually(t, 10*time.Second, "the end of all children", func() bool {
		for pid := range running {
			if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
				return false
			}
		}
		return true
	})

	again, err := start(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.stop(); err != nil {
			t.Errorf("Ctrl-C did not end it cleanly: %v\n%s", err, again.stderr.String())
		}
	}()
	if again.env["AWS_ACCESS_KEY_ID"] != s.env["AWS_ACCESS_KEY_ID"] || again.env["AWS_SECRET_ACCESS_KEY"] != s.env["AWS_SECRET_ACCESS_KEY"] {
		t.Error("the access key is another after the restart")
	}
	c = again.client(t)
	mustBeAda(t, c.whoami())
	if again.env["AWS_ENDPOINT_URL"] == s.env["AWS_ENDPOINT_URL"] {
		// The port was still free, so a session from before the kill signs in.
		r := c.whoamiWith(session)
		if r.err != nil {
			t.Fatalf("a session from before: %s", r.stderr)
		}
		mustBeRole(t, parseWhoami(t, r.stdout), "ada.lovelace")
	}
	if got := c.admin("get", "configmap", "-n", "kube-system", "aws-auth", "-o", "jsonpath={.data.mapAccounts}"); !strings.Contains(got, "444455556666") {
		t.Errorf("an edit of aws-auth from before the kill is lost: mapAccounts is %q", got)
	}
	c.admin("annotate", "serviceaccount", "-n", "default", "default", "eks.amazonaws.com/role-arn="+appRole)
	eventually(t, 10*time.Second, "the webhook, wherever it listens now, gives a pod its role", func() bool {
		c.admin("delete", "pod", "-n", "default", "--all", "--force")
		out := c.admin("run", "-n", "default", "app", "--image=app", "-o", "jsonpath={.spec.containers[0].env}")
		return strings.Contains(out, appRole)
	})
}

// A world file that is given is the truth: whom it does not map any more is not
// mapped any more.
func TestWorldReplacesAWSAuth(t *testing.T) {
	findBinaries(t)
	dir := filepath.Join(t.TempDir(), "data")
	world := filepath.Join(t.TempDir(), "world.yaml")
	const users = `
accounts:
  - id: "111122223333"
    users: [{name: ada.lovelace}, {name: charles.babbage}]
    clusters:
      - name: dev
        region: us-east-1
        mapUsers:
`
	begin := func(mapped ...string) *system {
		t.Helper()
		doc := users
		for _, name := range mapped {
			doc += "          - {userarn: \"arn:aws:iam::111122223333:user/" + name + "\", username: " + name + "}\n"
		}
		if err := os.WriteFile(world, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := start(dir, "--world", world)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := begin("ada.lovelace", "charles.babbage")
	c := s.client(t)
	for _, name := range []string{"ada.lovelace", "charles.babbage"} {
		if r := c.run("kubectl", "--context", name+"@dev", "auth", "whoami"); r.err != nil {
			t.Errorf("%s: %s", name, r.stderr)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = begin("charles.babbage")
	defer s.stop()
	c = s.client(t)
	if r := c.run("kubectl", "--context", "charles.babbage@dev", "auth", "whoami"); r.err != nil {
		t.Errorf("charles.babbage: %s", r.stderr)
	}
	if r := c.run("kubectl", "--context", "ada.lovelace@dev", "auth", "whoami"); r.err == nil {
		t.Error("ada.lovelace is not mapped any more and signs in")
	}
}
