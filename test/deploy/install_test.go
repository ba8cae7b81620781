package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// everything switches all parts of the chart on, with all rights that it can give.
var everything = []string{"--set", "webhook.guard=true,webhook.watchConfigMap=true,issuer.enabled=true,authenticator.enabled=true,authenticator.config.clusterID=dev,monitoring.dashboard=true",
	"--set", "authenticator.config.server.backendMode={EKSConfigMap,CRD},authenticator.furtherSources={EKSAccessEntries}"}

// A real API server takes every object, and knows every field of it.
func TestManifestsAreValid(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must("", "create", "namespace", "eksauth")
	names, err := filepath.Glob(repository + "/deploy/*.yaml")
	if err != nil || len(names) < 8 {
		t.Fatalf("%v, %v", names, err)
	}
	manifests := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "\nkind: ") {
			manifests[filepath.Base(name)] = string(data)
		}
	}
	stdout, stderr, err := helm(t, append([]string{"template", "eksauthd", chart, "--namespace", "eksauth"}, everything...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	manifests["the chart"] = stdout
	for name, text := range manifests {
		out := c.must(text, "apply", "--server-side", "--dry-run=server", "--validate=strict")
		if want := len(parse(t, text)); strings.Count(out, "serverside-applied") != want {
			t.Errorf("%s has %d objects:\n%s", name, want, out)
		}
	}
	if len(manifests) < 8 {
		t.Errorf("only %d manifests", len(manifests))
	}
	// It can be told from what is not valid.
	slip := strings.Replace(manifests["webhook.yaml"], "  replicas: 2", "  replica: 2", 1)
	if _, stderr, err := c.try(slip, "apply", "--server-side", "--dry-run=server", "--validate=strict"); err == nil || !strings.Contains(stderr, "replica") {
		t.Errorf("a slip is taken: %v %s", err, stderr)
	}
}

// The pods of the namespace eksauth keep to the restricted Pod Security Standard, which
// the API server enforces there; those on the host's network do in what they can.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.must("", "create", "namespace", "eksauth")
	c.must("", "label", "namespace", "eksauth", "pod-security.kubernetes.io/enforce=restricted")
	c.helm(append([]string{"install", "eksauthd", chart}, everything...)...)
	for _, workload := range []string{"-n eksauth deployment/pod-identity-webhook", "-n eksauth deployment/eksauth-issuer", "-n kube-system daemonset/eksauthd-authenticator"} {
		args := strings.Fields(workload)
		pod := c.podOf(args...)
		if _, stderr, err := c.try(pod, "create", "--validate=strict", "-n", args[1]); err != nil {
			t.Errorf("%s: %v %s", workload, err, stderr)
		}
		if args[1] == "eksauth" {
			slip := strings.Replace(pod, `"runAsNonRoot":true`, `"runAsNonRoot":false`, 1)
			if _, stderr, err := c.try(slip, "create", "-n", "eksauth"); err == nil || !strings.Contains(stderr, "violates PodSecurity") {
				t.Errorf("%s: the standard is not enforced: %v %s", workload, err, stderr)
			}
			continue
		}
		c.isRestrictedBut(strings.ReplaceAll(pod, `"eksauthd-authenticator"`, `"pod-identity-webhook"`), // who is in that namespace
			"host namespaces", "probe or lifecycle host", "restricted volume types", "runAsNonRoot != true", "runAsUser=0")
		for _, want := range []string{`"drop":["ALL"]`, `"readOnlyRootFilesystem":true`, `"allowPrivilegeEscalation":false`, `"type":"RuntimeDefault"`} {
			if !strings.Contains(pod, want) {
				t.Errorf("%s lacks %s: %s", workload, want, pod)
			}
		}
	}
}

// isRestrictedBut holds a pod to the restricted standard, but for these of its rules.
func (c *cluster) isRestrictedBut(pod string, exceptions ...string) {
	c.t.Helper()
	_, stderr, err := c.try(pod, "create", "-n", "eksauth")
	_, violations, found := strings.Cut(stderr, "violates PodSecurity ")
	if err == nil || !found {
		c.t.Errorf("%v %s", err, stderr)
		return
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?:: |\), )([^(]+) \(`).FindAllStringSubmatch(violations, -1) {
		names = append(names, m[1])
	}
	if !slices.Equal(names, exceptions) {
		c.t.Errorf("it violates %q, want %q: %s", names, exceptions, violations)
	}
}

// podOf is a pod as the controller of a workload would make it.
func (c *cluster) podOf(workload ...string) string {
	c.t.Helper()
	var o struct {
		Spec struct{ Template map[string]any }
	}
	if err := json.Unmarshal([]byte(c.must("", append([]string{"get", "-o", "json"}, workload...)...)), &o); err != nil {
		c.t.Fatal(err)
	}
	pod := o.Spec.Template
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(map[string]any)["generateName"] = "made-"
	data, err := json.Marshal(pod)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// An upgrade, of the chart or of the manifests, leaves alone what the webhook keeps in
// the cluster: or pods would be refused, or start without their role, until it is back.
func TestUpgradeKeepsCertificates(t *testing.T) {
	t.Parallel()
	for name, install := range map[string]func(c *cluster, replicas string){
		"chart": func(c *cluster, replicas string) {
			c.helm("upgrade", "--install", "--create-namespace", "eksauthd", chart, "--set", "webhook.guard=true,webhook.replicas="+replicas)
		},
		"manifests": func(c *cluster, replicas string) {
			for _, name := range []string{"webhook.yaml", "guard.yaml"} {
				data, err := os.ReadFile(repository + "/deploy/" + name)
				if err != nil {
					c.t.Fatal(err)
				}
				c.must(strings.Replace(string(data), "replicas: 2", "replicas: "+replicas, 1), "apply")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t)
			install(c, "2")
			c.start("eksauth", "pod-identity-webhook", append(c.args("-n", "eksauth", "deployment/pod-identity-webhook"), "--guard-mappings")...)
			kept := func() string {
				return c.must("", "get", "-n", "eksauth", "secret/pod-identity-webhook", "mutatingwebhookconfiguration/pod-identity-webhook", "validatingwebhookconfiguration/eksauth-guard",
					"-o", `jsonpath={.items[*].data}{"\n"}{.items[*].webhooks[*].clientConfig.caBundle}`)
			}
			var before string
			eventually(t, "four registrations and the Secret have the authority", func() bool {
				before = kept()
				data, bundles, _ := strings.Cut(before, "\n")
				return strings.Contains(data, "tls.key") && len(strings.Fields(bundles)) == 4
			})
			install(c, "3")
			if after := kept(); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			if got := c.must("", "get", "-n", "eksauth", "deployment/pod-identity-webhook", "-o", "jsonpath={.spec.replicas}"); got != "3" {
				t.Errorf("the upgrade did nothing: %s replicas", got)
			}
		})
	}
}

// To take the chart away leaves the mappings that are custom resources, and nothing else.
func TestUninstall(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.helm(append([]string{"install", "--create-namespace", "eksauthd", chart}, everything...)...)
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	c.must("apiVersion: iamauthenticator.k8s.aws/v1alpha1\nkind: IAMIdentityMapping\nmetadata: {name: dev}\nspec: {arn: \"arn:aws:iam::111122223333:role/dev\", username: dev}\n", "create")
	c.helm("uninstall", "eksauthd")
	c.must("", "get", "iamidentitymapping", "dev")
	if left := c.must("", "get", "-A", "deployment,daemonset,poddisruptionbudget,clusterrole,clusterrolebinding,role,rolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration", "-o", "name"); strings.Contains(left, "eksauth") || strings.Contains(left, "pod-identity-webhook") {
		t.Errorf("left behind:\n%s", left)
	}
}

// The program's own YAML reader takes the configuration as the chart writes it.
func TestConfigurationIsRead(t *testing.T) {
	t.Parallel()
	o := render(t, "authenticator.enabled=true", "authenticator.config.clusterID=dev",
		"authenticator.config.server.mapRoles[0].rolearn=arn:aws:iam::111122223333:role/dev", "authenticator.config.server.mapRoles[0].username=dev:{{SessionName}}")["ConfigMap kube-system/eksauthd-authenticator"]
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config.Data["config.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := execute(t, []string{"HOME=" + dir}, filepath.Join(built, "eksauthd"), "init", "--config", filepath.Join(dir, "config.yaml"),
		"--state-dir", filepath.Join(dir, "state"), "--generate-kubeconfig", filepath.Join(dir, "kubeconfig"))
	if err != nil || strings.Contains(stderr, "WARN") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
}
