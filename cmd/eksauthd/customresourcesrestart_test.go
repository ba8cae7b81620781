//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/eksauth/eksauth/deploy"
)

// Sign-ins go on while the API server is away, and edits act when it is back.
func TestCustomResourcesOverARestartOfTheAPIServer(t *testing.T) {
	t.Parallel()
	server := newIssuerCluster(t)
	server.restart(t)
	c := &cluster{t, server.plane, server.binaries.Kubectl, t.TempDir()}
	c.must(string(deploy.IdentityMappings), "apply", "-f", "-")
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	c.must(identityMapping("ada", adaARN, "one"), "create", "-f", "-")
	d := start(t, "clusterID: dev\nserver:\n  backendMode: [CRD]\n", "--sts-endpoint", newSTS(t), "--kubeconfig", c.kubeconfigOf("eksauth:authenticator"))
	d.becomes(t, "one")

	server.stop()
	eventually(t, "the log says that the API server is away", func() bool {
		return strings.Contains(d.stderr.String(), "iamidentitymappings: cannot be read")
	})
	d.becomes(t, "one")

	server.restart(t)
	c.plane = server.plane
	c.must(identityMapping("ada", adaARN, "two"), "apply", "-f", "-")
	d.becomes(t, "two")
	c.must("", "delete", "iamidentitymapping", "ada")
	d.becomes(t, "")
	if log := d.stderr.String(); strings.Contains(log, "it is gone") {
		t.Errorf("a restart is no deletion\n%s", grep(log, "gone"))
	}
}
