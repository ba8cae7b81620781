package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/deploy"
)

const guardedMappings = `apiVersion: v1
kind: ConfigMap
metadata: {name: aws-auth, namespace: kube-system}
data:
  mapRoles: |
    - rolearn: arn:aws:iam::111122223333:role/admin
      username: admin:{{SessionName}}
      groups: [system:masters]
    - rolearn: arn:aws:iam::111122223333:role/node
      username: system:node:{{EC2PrivateDNSName}}
      groups: [system:bootstrappers, system:nodes]
    - rolearn: arn:aws:iam::111122223333:role/dev
      username: dev
      groups: [dev]
`

// refused applies a manifest that must not be taken, and says why it was not.
func (c *cluster) refused(manifest string, args ...string) string {
	c.t.Helper()
	_, stderr, err := c.try(manifest, append(args, "-f", "-")...)
	if err == nil || !strings.Contains(stderr, `admission webhook "aws-auth.guard.eksauth.io" denied the request: `) {
		c.t.Errorf("kubectl %s: %v %s", strings.Join(args, " "), err, stderr)
	}
	return stderr
}

// edit is kubectl edit with an editor that replaces one text by another.
func (c *cluster) edit(from, to string) (stderr string, err error) {
	c.t.Helper()
	editor := filepath.Join(c.home, "editor")
	script := "#!/bin/sh\nsed -i 's/" + from + "/" + to + "/' \"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		c.t.Fatal(err)
	}
	_, stderr, err = c.try("", "edit", "configmap", "-n", "kube-system", "aws-auth")
	return stderr, err
}

// The guard on a real API server, with the rights of its manifests and no others.
func TestGuardInACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	kubeconfig := c.install()
	c.must("", "apply", "-f", "../../deploy/guard.yaml")
	c.must(string(deploy.IdentityMappings), "apply", "-f", "-")
	// Until it answers, edits go through.
	c.must(guardedMappings, "apply", "-f", "-")
	w := startWebhook(t, "--kubeconfig", kubeconfig, "--namespace", "eksauth", "--dns-name", "localhost", "--guard-mappings")
	eventually(t, "the registration has the authority", func() bool {
		return c.must("", "get", "validatingwebhookconfiguration", "eksauth-guard", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}") != ""
	})
	url := strings.Replace(strings.TrimSuffix(w.url, mutatePath), "127.0.0.1", "localhost", 1) + guardPath
	for i := range 2 {
		at := fmt.Sprintf("/webhooks/%d/clientConfig/", i)
		c.must("", "patch", "validatingwebhookconfiguration", "eksauth-guard", "--type=json", "-p",
			`[{"op":"remove","path":"`+at+`service"},{"op":"add","path":"`+at+`url","value":"`+url+`"}]`)
	}
	bad := strings.Replace(guardedMappings, "username: dev\n", "usernam: dev\n", 1)
	eventually(t, "the guard is asked", func() bool {
		_, _, err := c.try(bad, "apply", "--dry-run=server", "-f", "-")
		return err != nil
	})

	t.Run("apply", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		if text := c.refused(bad, "apply"); !strings.Contains(text, `mapRoles line 8: the key "usernam" is not known; did you mean username?`) || !strings.Contains(text, "eksauth.dev/override-guard") {
			t.Errorf("%s", text)
		}
		c.refused(bad, "apply", "--server-side", "--force-conflicts")
		c.refused(bad, "apply", "--dry-run=server")
		guide, err := os.ReadFile("../../docs/guides/guard.md")
		if err != nil {
			t.Fatal(err)
		}
		if text := c.refused(bad, "apply", "--server-side", "--field-manager=guide", "--force-conflicts"); !strings.Contains(string(guide), text) {
			t.Errorf("the guide does not show %s", text)
		}
		c.refused(bad, "replace")
		if text := c.refused(strings.Replace(guardedMappings, "mapRoles: |\n", "mapRoles: |\n    - rolearn: [\n", 1), "apply"); !strings.Contains(text, "mapRoles is not YAML") {
			t.Errorf("%s", text)
		}
		if text := c.refused(strings.Replace(guardedMappings, "groups: [system:masters]", "groups: [admins]", 1), "apply"); !strings.Contains(text, "nobody would be left in system:masters") {
			t.Errorf("%s", text)
		}
		// A good one, and one that was there before, go through.
		c.must(guardedMappings, "apply", "-f", "-")
		c.must(guardedMappings+"    - rolearn: arn:aws:iam::111122223333:role/qa\n      username: qa\n", "apply", "-f", "-")
	})
	t.Run("edit", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		if stderr, err := c.edit("username: dev", "username: \"{{Nobody}}\""); err == nil || !strings.Contains(stderr, "{{Nobody}} is not a template") {
			t.Errorf("%v %s", err, stderr)
		}
		if stderr, err := c.edit("username: dev", "username: developer"); err != nil {
			t.Errorf("%v %s", err, stderr)
		}
	})
	t.Run("nodes", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		without := strings.Replace(guardedMappings, "system:bootstrappers, system:nodes", "nobody", 1)
		c.must(without, "apply", "--dry-run=server", "-f", "-")
		c.must("apiVersion: v1\nkind: Node\nmetadata: {name: ip-10-0-0-1.ec2.internal}\n", "create", "-f", "-")
		if text := c.refused(without, "apply"); !strings.Contains(text, "nodes of arn:aws:iam::111122223333:role/node could not sign in any more, and the cluster has nodes") {
			t.Errorf("%s", text)
		}
	})
	t.Run("oneself", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		as := []string{"--as=admin:ada", "--as-group=system:masters", "--as-user-extra=arn=arn:aws:sts::111122223333:assumed-role/admin/ada", "--as-user-extra=principalId=AROAADMIN"}
		without := strings.Replace(guardedMappings, "role/admin", "role/boss", 1)
		if text := c.refused(without, append([]string{"apply"}, as...)...); !strings.Contains(text, "the edit would lock you out: arn:aws:iam::111122223333:role/admin signs in by EKSConfigMap mapRoles[0] (line 1)") {
			t.Errorf("%s", text)
		}
		c.must(without, "apply", "--dry-run=server", "-f", "-") // by somebody else
	})
	t.Run("custom resources", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		refused := func(manifest, want string, args ...string) {
			t.Helper()
			if _, stderr, err := c.try(manifest, append(args, "-f", "-")...); err == nil || !strings.Contains(stderr, `"custom-resources.guard.eksauth.io" denied the request: `+want) {
				t.Errorf("%v %s; want %s", err, stderr, want)
			}
		}
		c.must(identityMapping("ada", adaARN, "ada"), "apply", "-f", "-")
		refused(identityMapping("again", adaARN, "x"), "again: the entry is never used: CRD ada comes first", "create")
		c.must(strings.Replace(identityMapping("boss", "arn:aws:iam::111122223333:role/boss", "boss"), "[dev]", "['system:nodes']", 1), "apply", "-f", "-")
		refused(identityMapping("boss", "arn:aws:iam::111122223333:role/boss", "boss"), "mapRoles: nodes of arn:aws:iam::111122223333:role/boss could not sign in any more", "apply")
		c.must("", "delete", "iamidentitymapping", "ada")
	})
	t.Run("deletion and the exception", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		if _, stderr, err := c.try("", "delete", "configmap", "-n", "kube-system", "aws-auth"); err == nil || !strings.Contains(stderr, "nobody would be left in system:masters") {
			t.Errorf("%v %s", err, stderr)
		}
		if _, stderr, err := c.try("", "delete", "--raw", "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Daws-auth"); err == nil || !strings.Contains(stderr, "nobody would be left in system:masters") {
			t.Errorf("as a collection: %v %s", err, stderr)
		}
		_, stderr, err := c.try(strings.Replace(bad, "namespace: kube-system}", "namespace: kube-system, annotations: {eksauth.dev/override-guard: ticket 1}}", 1), "apply", "-f", "-")
		if err != nil || !strings.Contains(stderr, "Warning: the guard was overridden: ") {
			t.Errorf("%v %s", err, stderr)
		}
		c.must("", "delete", "configmap", "-n", "kube-system", "aws-auth") // it has the annotation
		c.must("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: kube-system}\ndata: {mapRoles: '{'}\n", "create", "-f", "-")
	})
	if log := w.stderr.String(); strings.Contains(log, "not all could be found out") || !strings.Contains(log, "outcome=overridden") || !strings.Contains(log, `override="ticket 1"`) || !strings.Contains(log, "by=admin:ada") {
		t.Errorf("%s", log)
	}
}
