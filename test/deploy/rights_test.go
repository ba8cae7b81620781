package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/internal/pki"
)

// rights are what a service account may do in a namespace, beyond what everybody may:
// resources, their names, verbs. The API server says it.
func (c *cluster) rights(account, namespace string) []string {
	c.t.Helper()
	list := func(account string) []string {
		out := c.must("", "auth", "can-i", "--list", "--no-headers", "-n", namespace, "--as", "system:serviceaccount:"+account)
		var rules []string
		for line := range strings.Lines(out) {
			rules = append(rules, strings.Join(strings.Fields(strings.Replace(line, "[]", "", 1)), " ")) // the URLs
		}
		return rules
	}
	everybody := list("default:nobody")
	rules := slices.DeleteFunc(list(account), func(rule string) bool { return slices.Contains(everybody, rule) })
	slices.Sort(rules)
	return rules
}

// Each service account has the rights that are written here, and no others.
func TestRightsAreLeast(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.helm(append([]string{"install", "--create-namespace", "eksauthd", chart}, everything...)...)
	everywhere := []string{
		"configmaps [aws-auth] [get]", "events [] [create]",
		"iamidentitymappings.iamauthenticator.k8s.aws [] [list]",
		"mutatingwebhookconfigurations.admissionregistration.k8s.io [pod-identity-webhook] [get list watch patch]",
		"nodes [] [list]", "serviceaccounts [] [get list watch]",
		"validatingwebhookconfigurations.admissionregistration.k8s.io [eksauth-guard] [get list watch patch]",
	}
	mappings := []string{
		"clusterrolebindings.rbac.authorization.k8s.io [] [list create delete]",
		"clusterroles.rbac.authorization.k8s.io [admin] [bind]",
		"clusterroles.rbac.authorization.k8s.io [cluster-admin] [bind]",
		"clusterroles.rbac.authorization.k8s.io [edit] [bind]",
		"clusterroles.rbac.authorization.k8s.io [eksauth:admin-view] [bind]",
		"clusterroles.rbac.authorization.k8s.io [system:aggregate-to-admin] [bind]",
		"clusterroles.rbac.authorization.k8s.io [system:aggregate-to-edit] [bind]",
		"clusterroles.rbac.authorization.k8s.io [system:aggregate-to-view] [bind]",
		"clusterroles.rbac.authorization.k8s.io [view] [bind]",
		"iamidentitymappings.iamauthenticator.k8s.aws [] [get list watch]",
		"iamidentitymappings.iamauthenticator.k8s.aws/status [] [patch]",
		"namespaces [] [list]",
		"rolebindings.rbac.authorization.k8s.io [] [list create delete]",
	}
	for _, tc := range []struct {
		account, namespace string
		want               []string
	}{
		{"eksauth:pod-identity-webhook", "default", everywhere},
		{"eksauth:pod-identity-webhook", "kube-system", everywhere},
		{"eksauth:pod-identity-webhook", "eksauth", append([]string{
			"configmaps [pod-identity-webhook] [get list watch]", "secrets [pod-identity-webhook] [get list watch update]"}, everywhere...)},
		{"kube-system:eksauthd-authenticator", "default", mappings},
		{"kube-system:eksauthd-authenticator", "eksauth", mappings},
		{"kube-system:eksauthd-authenticator", "kube-system", append([]string{"configmaps [aws-auth] [get list watch]", "events [] [create]"}, mappings...)},
		{"eksauth:eksauth-issuer", "default", []string{}},
		{"eksauth:eksauth-issuer", "eksauth", []string{}},
	} {
		slices.Sort(tc.want)
		if diff := cmp.Diff(tc.want, c.rights(tc.account, tc.namespace)); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", tc.account, tc.namespace, diff)
		}
	}
	c.helm("upgrade", "eksauthd", chart, "--set", "webhook.tls.secretName=mine,webhook.tls.annotations.ca=mine,authenticator.enabled=true,authenticator.config.clusterID=dev")
	for account, want := range map[string][]string{
		"eksauth:pod-identity-webhook":       {"events [] [create]", "serviceaccounts [] [get list watch]"},
		"kube-system:eksauthd-authenticator": {},
	} {
		if diff := cmp.Diff(want, c.rights(account, "eksauth")); diff != "" {
			t.Errorf("%s with fewer parts (-want +got):\n%s", account, diff)
		}
	}
}

// args are the arguments of a workload's container, as the API server has them.
func (c *cluster) args(workload ...string) []string {
	c.t.Helper()
	var args []string
	text := c.must("", append([]string{"get", "-o", "jsonpath={.spec.template.spec.containers[0].args}"}, workload...)...)
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	return args
}

// start runs eksauthd with the arguments that a pod would have and the rights of its
// service account, until it says ready. Only ports and folders are others: the later
// flag counts.
func (c *cluster) start(namespace, account string, args ...string) *program {
	c.t.Helper()
	dir := c.t.TempDir()
	args = append(args, "--kubeconfig", c.kubeconfigOf(namespace, account), "--port=0")
	if args[0] == "webhook" {
		args = append(args, "--address=127.0.0.1", "--metrics-port=-1", "--cert-dir", dir, "--shutdown-delay-duration=0")
	} else {
		args = append(args, "--health-address=", "--state-dir", dir, "--generate-kubeconfig", filepath.Join(dir, "kubeconfig"))
	}
	return serve(c.t, args...)
}

// What the chart gives is enough: the authenticator and the webhook work with the
// rights of their service accounts.
func TestRightsSuffice(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.helm(append([]string{"install", "--create-namespace", "eksauthd", chart}, everything...)...)
	c.must("", "wait", "--for=condition=Established", "--timeout=30s", "crd/iamidentitymappings.iamauthenticator.k8s.aws")
	c.must("apiVersion: iamauthenticator.k8s.aws/v1alpha1\nkind: IAMIdentityMapping\nmetadata: {name: dev}\nspec: {arn: \"arn:aws:iam::111122223333:role/dev\", username: dev}\n", "create")
	c.must("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\ndata: {mapRoles: \"- rolearn: x\"}\n", "create")

	webhook := c.start("eksauth", "pod-identity-webhook", c.args("-n", "eksauth", "deployment/pod-identity-webhook")...)
	eventually(t, "all registrations have the authority", func() bool {
		return len(strings.Fields(c.must("", "get", "mutatingwebhookconfiguration/pod-identity-webhook", "validatingwebhookconfiguration/eksauth-guard",
			"-o", "jsonpath={.items[*].webhooks[*].clientConfig.caBundle}"))) == 4
	})

	config := c.file("config.yaml", c.must("", "get", "-n", "kube-system", "configmap/eksauthd-authenticator", "-o", `jsonpath={.data.config\.yaml}`))
	args := c.args("-n", "kube-system", "daemonset/eksauthd-authenticator")
	authenticator := c.start("kube-system", "eksauthd-authenticator", append(args, "--config", config)...)
	eventually(t, "the custom resource has its status", func() bool {
		return strings.Contains(c.must("", "get", "iamidentitymapping", "dev", "-o", "jsonpath={.status}"), "InUse")
	})
	eventually(t, "there is an event about aws-auth", func() bool {
		return strings.Contains(c.must("", "get", "events", "-n", "kube-system", "-o", "jsonpath={.items[*].reason}"), "MappingsFaulty")
	})
	// With a certificate of somebody else's it has fewer rights.
	c.helm("upgrade", "eksauthd", chart, "--set", "webhook.guard=true,webhook.tls.secretName=mine,webhook.tls.annotations.ca=mine")
	ca, err := pki.NewCA("mine", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.LoadOrIssue(c.home, "tls", pki.Server("localhost"), time.Now()); err != nil {
		t.Fatal(err)
	}
	args = c.args("-n", "eksauth", "deployment/pod-identity-webhook")
	given := c.start("eksauth", "pod-identity-webhook", append(args, "--tls-cert", filepath.Join(c.home, "tls.crt"), "--tls-key", filepath.Join(c.home, "tls.key"))...)
	for name, p := range map[string]*program{"webhook": webhook, "authenticator": authenticator, "webhook with its own certificate": given} {
		if strings.Contains(p.log.String(), "forbidden") {
			t.Errorf("the %s is refused:\n%s", name, p.log)
		}
	}
}

// endsInTime holds the kubelet's patience to what the program needs after SIGTERM: its
// delay, and 20 s for what it took (docs/guides/webhook.md).
func endsInTime(t *testing.T, name string, spec map[string]any) {
	t.Helper()
	var delay time.Duration
	for _, arg := range spec["containers"].([]any)[0].(map[string]any)["args"].([]any) {
		if text, found := strings.CutPrefix(arg.(string), "--shutdown-delay-duration="); found {
			var err error
			if delay, err = time.ParseDuration(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	seconds, _ := spec["terminationGracePeriodSeconds"].(int64)
	if f, ok := spec["terminationGracePeriodSeconds"].(float64); ok {
		seconds = int64(f)
	}
	if patience := time.Duration(seconds) * time.Second; patience < delay+20*time.Second {
		t.Errorf("%s needs %s and 20s more to end, and is given %s", name, delay, patience)
	}
}

// Every container's arguments are flags that its program has.
func TestArgumentsAreFlagsOfTheProgram(t *testing.T) {
	t.Parallel()
	eksauthd := filepath.Join(built, "eksauthd")
	check := func(args []string) error {
		_, _, err := execute(t, []string{"HOME=" + t.TempDir()}, append(append([]string{eksauthd}, args...), "--help")...)
		return err
	}
	names, err := filepath.Glob(repository + "/deploy/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	containers := 0
	for _, name := range names {
		if data, err := os.ReadFile(name); err != nil || !strings.Contains(string(data), "\nkind: ") {
			continue
		}
		for key, o := range files(t, filepath.Base(name)) {
			spec := podSpec(o)
			if spec == nil {
				continue
			}
			containers++
			endsInTime(t, key, spec)
			var args []string
			for _, arg := range spec["containers"].([]any)[0].(map[string]any)["args"].([]any) {
				args = append(args, arg.(string))
			}
			if err := check(args); err != nil {
				t.Errorf("%s: %v: %v", key, args, err)
			}
			if check(append(args, "--no-such-flag")) == nil {
				t.Errorf("%s: any flag is taken", key)
			}
		}
	}
	if containers != 4 {
		t.Errorf("%d containers", containers)
	}
}
