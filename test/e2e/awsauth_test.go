package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// restoreAWSAuth puts aws-auth back as it was.
func restoreAWSAuth(t *testing.T, c *client) {
	t.Helper()
	backup := filepath.Join(t.TempDir(), "aws-auth.yaml")
	doc := c.admin("get", "configmap", "-n", "kube-system", "aws-auth", "-o", "yaml")
	// Without its resourceVersion it replaces whatever is there then.
	kept := make([]string, 0, 32)
	for line := range strings.Lines(doc) {
		if !strings.Contains(line, "resourceVersion:") && !strings.Contains(line, "uid:") {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(backup, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.admin("replace", "--force", "-f", backup)
		eventually(t, 5*time.Second, "ada signs in again", func() bool {
			r := c.run("kubectl", "auth", "whoami")
			return r.err == nil && strings.Contains(r.stdout, "awesome-app-admin")
		})
	})
}

func patchAWSAuth(c *client, key, value string) {
	c.t.Helper()
	patch, err := json.Marshal(map[string]any{"data": map[string]string{key: value}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.admin("patch", "configmap", "-n", "kube-system", "aws-auth", "--type=merge", "-p", string(patch))
}

const adaEntry = "- userarn: " + userARN + "\n  username: ada.lovelace\n  groups: [awesome-app-admin]\n"

// The bound of the issue: two seconds, and no restart.
func TestEditTakesEffectWithinTwoSeconds(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	charles := func() bool {
		return c.run("kubectl", "--context", "charles.babbage@dev", "auth", "whoami").err == nil
	}
	if charles() {
		t.Fatal("charles.babbage is not mapped yet and signs in")
	}
	patchAWSAuth(c, "mapUsers", adaEntry+"- userarn: arn:aws:iam::"+account+":user/charles.babbage\n  username: charles.babbage\n")
	took := eventually(t, 2*time.Second, "the new mapping's effect", charles)
	t.Logf("a new mapping acted %s after kubectl patch", took.Round(time.Millisecond))
	who := c.whoami("--context", "charles.babbage@dev")
	if who.Username != "charles.babbage" {
		t.Errorf("signed in as %+v", who)
	}
}

// A removal acts on new tokens at once. A token that the API server has seen
// goes on for as long as that remembers it: ten seconds, which no flag changes,
// after the webhook's cache time, which is one second here.
func TestRemovalTakesEffect(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	old := tokenOf(t, c.must("eksauth", "token", "--cluster-name", "dev"))
	if r := c.whoamiWith(old); r.err != nil {
		t.Fatal(r.stderr)
	}
	patchAWSAuth(c, "mapUsers", "- userarn: arn:aws:iam::"+account+":user/charles.babbage\n  username: charles.babbage\n")
	took := eventually(t, 2*time.Second, "the refusal of a new token", func() bool { return c.run("kubectl", "auth", "whoami").err != nil })
	t.Logf("a new token was refused %s after kubectl patch", took.Round(time.Millisecond))
	took = eventually(t, 15*time.Second, "the refusal of a token that was seen before", func() bool { return c.whoamiWith(old).err != nil })
	t.Logf("one that was seen before was refused %s later", took.Round(time.Millisecond))
}

// One typo must not lock everybody out.
func TestBrokenEditLocksNobodyOut(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	logFile := filepath.Join(s.dir, "authenticator", "eksauthd.log")
	before, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}

	patchAWSAuth(c, "mapUsers", "- userarn: "+userARN+"\n  username: [ada.lovelace\n")
	var fault string
	eventually(t, 5*time.Second, "the fault in the log", func() bool {
		log, err := os.ReadFile(logFile)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log[len(before):])) {
			if strings.Contains(line, "mapUsers") && strings.Contains(line, "line ") && strings.Contains(line, "last good") {
				fault = line
				return true
			}
		}
		return false
	})
	t.Logf("the log says: %s", fault)

	time.Sleep(1100 * time.Millisecond) // a token of another second is another token, in no cache
	mustBeAda(t, c.whoami())
	mustBeRole(t, c.whoami("--context", "awesome.role@dev"), "ada.lovelace")

	stale := ""
	for line := range strings.Lines(s.metrics(t)) {
		if strings.Contains(line, "stale") && strings.Contains(line, "EKSConfigMap") && !strings.HasPrefix(line, "#") {
			stale = line
		}
	}
	if !strings.HasSuffix(strings.TrimSpace(stale), " 1") {
		t.Errorf("no metric says that the mappings are stale: %q", stale)
	}
	awaitEvent(t, c, "MappingsFaulty", "keeping the last good mappings")
}

// awaitEvent waits for what kubectl shows to whoever looks at aws-auth.
func awaitEvent(t *testing.T, c *client, reason, message string) {
	t.Helper()
	eventually(t, 5*time.Second, "an event "+reason, func() bool {
		events := c.admin("get", "events", "-n", "kube-system", "--field-selector", "involvedObject.kind=ConfigMap,involvedObject.name=aws-auth,reason="+reason, "-o", "jsonpath={.items[*].message}")
		return strings.Contains(events, message)
	})
}

// Nor may one entry that is not right lock out whom it is about.
func TestBrokenEntryLocksNobodyOut(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	before := s.authenticatorLog(t)
	patchAWSAuth(c, "mapUsers", strings.Replace(adaEntry, "[awesome-app-admin]", "awesome-app-admin", 1)+
		"- userarn: arn:aws:iam::"+account+":user/charles.babbage\n  username: charles.babbage\n")
	eventually(t, 5*time.Second, "the good entry's effect", func() bool {
		return c.run("kubectl", "--context", "charles.babbage@dev", "auth", "whoami").err == nil
	})
	time.Sleep(1100 * time.Millisecond) // a token of another second is in no cache
	mustBeAda(t, c.whoami())
	if log := s.authenticatorLog(t)[len(before):]; !strings.Contains(log, "keeping the last good entry for "+userARN) {
		t.Errorf("the log does not say whose entry is kept:\n%s", log)
	}
}

// Nobody is locked out, either, by deleting it.
func TestDeletionLocksNobodyOut(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	c.admin("delete", "configmap", "-n", "kube-system", "aws-auth")
	time.Sleep(2 * time.Second)
	mustBeAda(t, c.whoami())
	awaitEvent(t, c, "MappingsGone", "stay in use until 20")
}

// Nor by an edit that leaves nothing.
func TestEmptiedConfigMapLocksNobodyOut(t *testing.T) {
	s := theSystem(t)
	c := s.client(t)
	restoreAWSAuth(t, c)
	before := s.authenticatorLog(t)
	c.admin("patch", "configmap", "-n", "kube-system", "aws-auth", "--type=json", "-p", `[{"op": "remove", "path": "/data"}]`)
	eventually(t, 5*time.Second, "the log's word of it", func() bool {
		return strings.Contains(s.authenticatorLog(t)[len(before):], "it has nothing in it; keeping the last good mappings until")
	})
	time.Sleep(1100 * time.Millisecond) // a token of another second is in no cache
	mustBeAda(t, c.whoami())
}
