package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/eksauth/eksauth/deploy"
)

// kubeconfigOf writes a kubeconfig of a user, who has no rights but those that
// manifests give.
func (c *cluster) kubeconfigOf(user string) string {
	c.t.Helper()
	cert, key, err := c.plane.IssueClient(user)
	if err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join(c.home, user+".kubeconfig")
	err = clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: c.plane.URL(), CertificateAuthorityData: c.plane.CACert()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: cert, ClientKeyData: key}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "c",
	}, path)
	if err != nil {
		c.t.Fatal(err)
	}
	return path
}

func identityMapping(name, arn, username string) string {
	return fmt.Sprintf("apiVersion: iamauthenticator.k8s.aws/v1alpha1\nkind: IAMIdentityMapping\nmetadata: {name: %s}\nspec: {arn: %q, username: %q, groups: [dev]}\n---\n", name, arn, username)
}

func (c *cluster) identityStatus(name string) string {
	c.t.Helper()
	return c.must("", "get", "iamidentitymapping", name, "-o", `jsonpath={.status.canonicalARN} {.status.conditions[?(@.type=="InUse")]['status','reason','message']}`)
}

// The source CRD with the rights of its manifest and no others.
func TestCustomResourcesInACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must(strings.Join(deployRBAC(t), "\n---\n"), "apply", "-f", "-")
	d := start(t, "clusterID: dev\nserver:\n  backendMode: [CRD]\n", "--sts-endpoint", newSTS(t), "--kubeconfig", c.kubeconfigOf("eksauth:authenticator"))
	// The cluster does not know the kind yet, and nobody waits for it.
	if status, text := d.get(t, "/readyz"); status != 200 || text != "CRD: does not exist (0 mappings)\n" {
		t.Errorf("/readyz %d %s", status, text)
	}
	c.must(string(deploy.IdentityMappings), "apply", "-f", "-")
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	c.must(identityMapping("ada", adaARN, "one"), "apply", "-f", "-")
	d.becomes(t, "one")
	c.must(identityMapping("ada", adaARN, "two"), "apply", "-f", "-")
	d.becomes(t, "two")
	eventually(t, "the status is written", func() bool {
		return c.identityStatus("ada") == adaARN+" True Used it is searched"
	})
	c.must(identityMapping("later", strings.ToUpper("arn:aws:iam")+"::111122223333:user/Ada.Lovelace", "three"), "apply", "-f", "-")
	eventually(t, "what is shadowed says so", func() bool {
		return strings.HasSuffix(c.identityStatus("later"), " False Shadowed it is never used: CRD ada comes first and is for the same")
	})
	if table := c.must("", "get", "iamidentitymappings"); !strings.Contains(table, "IN USE") || !strings.Contains(table, `["dev"]`) || !strings.Contains(table, "False") {
		t.Errorf("%s", table)
	}
	c.must("", "delete", "iamidentitymapping", "ada")
	d.becomes(t, "three")
	c.must("", "delete", "iamidentitymapping", "later")
	d.becomes(t, "")

	t.Run("many", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		var b strings.Builder
		const many = 2000
		for i := range many {
			b.WriteString(identityMapping(fmt.Sprintf("user-%04d", i), fmt.Sprintf("arn:aws:iam::111122223333:user/u%04d", i), "u"))
		}
		b.WriteString(identityMapping("zz", adaARN, "last"))
		before := strings.Count(d.stderr.String(), "custom resources: mappings in use")
		c.must(b.String(), "create", "-f", "-")
		d.becomes(t, "last")
		if n := strings.Count(d.stderr.String(), "custom resources: mappings in use") - before; n > many/5 {
			t.Errorf("the table was made %d times for %d objects", n, many)
		} else {
			t.Logf("the table was made %d times for %d objects", n, many)
		}
		eventually(t, "all statuses are written", func() bool {
			return strings.Count(c.must("", "get", "iamidentitymappings", "-o", `jsonpath={.items[*].status.conditions[*].status}`), "True") == many+1
		})
	})
	if log := d.stderr.String(); strings.Contains(log, "status of a custom resource") || !strings.Contains(log, "hint=\"kubectl apply -f deploy/iamidentitymapping.yaml\"") {
		t.Errorf("%s", grep(log, "status|hint"))
	}
}

// What the definition refuses, with the way to mend it.
func TestCustomResourcesAreValidated(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must(string(deploy.IdentityMappings), "apply", "-f", "-")
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	bad := func(manifest, want string) {
		t.Helper()
		if _, stderr, err := c.try(manifest, "create", "-f", "-"); err == nil || !strings.Contains(stderr, want) {
			t.Errorf("%s%v %s; want %q", manifest, err, stderr, want)
		}
	}
	const account = "arn:aws:iam::111122223333:"
	for arn, want := range map[string]string{
		"": "give the ARN", "ada": "give the ARN", "arn:aws:iam::1111:role/r": "give the ARN", "arn:aws:s3:::bucket": "give the ARN",
		account + "instance-profile/r": "give the ARN", "arn:aws:iam::*:role/r": "give the ARN",
		account + "role/*": "nothing but wildcards", account + "role/team/*": "nothing but wildcards", account + "user/*/?": "nothing but wildcards",
	} {
		bad(identityMapping("bad", arn, "x"), want)
	}
	bad(identityMapping("bad", adaARN, ""), "username")
	bad(identityMapping("bad", adaARN, "x:{{Nobody}}"), "known templates are")
	bad(strings.Replace(identityMapping("bad", adaARN, "x"), "[dev]", "['']", 1), "groups[0]")
	bad(strings.Replace(identityMapping("bad", adaARN, "x"), "arn: ", "ann: ", 1), "ann")
	for i, arn := range []string{
		account + "role/r", account + "role/team/r", account + "role/dev-*", account + "user/team-*/ada", account + "root",
		"arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:sts::111122223333:federated-user/f", "ARN:AWS:IAM::111122223333:USER/ada",
		"arn:aws-us-gov:iam::111122223333:role/aws-reserved/sso.amazonaws.com/us-gov-west-1/AWSReservedSSO_Admin_0123456789abcdef",
	} {
		c.must(identityMapping(fmt.Sprint("good-", i), arn, "{{AccountID}}:{{SessionName}}:{{EC2PrivateDNSName}}{"), "create", "-f", "-")
	}
}

// aws-iam-authenticator's own definition, as its users have it: no validation, and a
// status without conditions.
func TestCustomResourcesOfThePeer(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: iamidentitymappings.iamauthenticator.k8s.aws}
spec:
  group: iamauthenticator.k8s.aws
  scope: Cluster
  names: {plural: iamidentitymappings, singular: iamidentitymapping, kind: IAMIdentityMapping}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [arn, username], properties: {arn: {type: string}, username: {type: string}, groups: {type: array, items: {type: string}}}}
          status: {type: object, properties: {canonicalARN: {type: string}, userID: {type: string}}}
`, "apply", "-f", "-")
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	c.must(strings.Join(deployRBAC(t), "\n---\n"), "apply", "-f", "-")
	c.must(identityMapping("ada", adaARN, "ada")+identityMapping("bad", "nonsense", "x"), "apply", "-f", "-")
	d := start(t, "clusterID: dev\nserver:\n  backendMode: [CRD]\n", "--sts-endpoint", newSTS(t), "--kubeconfig", c.kubeconfigOf("eksauth:authenticator"))
	d.becomes(t, "ada")
	eventually(t, "the canonical ARN is written", func() bool { return strings.TrimSpace(c.identityStatus("ada")) == adaARN })
	// One that turns faulty keeps what it was.
	c.must(identityMapping("ada", "nonsense", "x"), "apply", "-f", "-")
	eventually(t, "the log says what is kept", func() bool {
		return strings.Contains(d.stderr.String(), "custom resources: keeping the last good entry for "+adaARN)
	})
	time.Sleep(100 * time.Millisecond)
	d.becomes(t, "ada")
	version := func() string {
		return c.must("", "get", "iamidentitymapping", "ada", "-o", "jsonpath={.metadata.resourceVersion}")
	}
	first := version()
	c.must(identityMapping("other", "arn:aws:iam::111122223333:user/other", "x"), "apply", "-f", "-")
	eventually(t, "another is written", func() bool { return strings.HasSuffix(strings.TrimSpace(c.identityStatus("other")), "user/other") })
	if now := version(); now != first {
		t.Error("a status is written again and again")
	}
	// Our definition takes the place of that one: what it would refuse is still there,
	// and has its status.
	c.must(string(deploy.IdentityMappings), "apply", "-f", "-")
	start(t, "clusterID: dev\nserver:\n  backendMode: [CRD]\n", "--sts-endpoint", newSTS(t), "--kubeconfig", c.kubeconfigOf("eksauth:authenticator"))
	eventually(t, "the conditions are written", func() bool {
		return strings.Contains(c.identityStatus("bad"), " False Faulty ") && strings.Contains(c.identityStatus("other"), " True Used ")
	})
}

// deployRBAC are the rights of the manifest, without the definition.
func deployRBAC(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/iamidentitymapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n---\n")[1:]
}
