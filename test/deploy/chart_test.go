package deploy_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The chart makes the objects of the plain manifests, as long as no value says
// otherwise.
func TestChartIsTheManifests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files, values []string
		// unsaid are arguments that whoever applies the manifests adds.
		unsaid []string
	}{
		// Its Role has the rule for --watch-config-map in any case.
		"webhook": {[]string{"webhook.yaml"}, []string{"webhook.watchConfigMap=true"}, []string{"--watch-config-map"}},
		"guard": {[]string{"webhook.yaml", "guard.yaml"},
			[]string{"webhook.watchConfigMap=true", "webhook.guard=true"}, []string{"--watch-config-map", "--guard-mappings"}},
		"authenticator": {[]string{"authenticator.yaml", "authenticator-daemonset.yaml"},
			[]string{"webhook.enabled=false", "authenticator.enabled=true", "authenticator.config.clusterID=dev"}, nil},
		"all sources": {[]string{"authenticator.yaml", "authenticator-daemonset.yaml", "iamidentitymapping.yaml", "access-policies.yaml"},
			[]string{"webhook.enabled=false", "authenticator.enabled=true", "authenticator.config.clusterID=dev", "authenticator.furtherSources={CRD,EKSAccessEntries}"}, nil},
		"issuer": {[]string{"issuer.yaml"}, []string{"webhook.enabled=false", "issuer.enabled=true"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := files(t, tc.files...), render(t, tc.values...)
			delete(want, "Namespace /eksauth") // helm's --create-namespace
			for key, o := range got {
				omit(t, o, tc.unsaid)
				if want[key] == nil {
					t.Errorf("%s is in no manifest", key)
				} else if diff := cmp.Diff(comparable(t, want[key]), comparable(t, o)); diff != "" {
					t.Errorf("%s (-manifest +chart):\n%s", key, diff)
				}
			}
			for key := range want {
				if got[key] == nil {
					t.Errorf("%s is not in the chart", key)
				}
			}
		})
	}
}

// omit takes arguments away from an object's containers; they must be there.
func omit(t *testing.T, o *unstructured.Unstructured, args []string) {
	t.Helper()
	if podSpec(o) == nil || len(args) == 0 {
		return
	}
	containers := list(t, o.Object, "spec", "template", "spec", "containers")
	c := containers[0].(map[string]any)
	said, _ := c["args"].([]any)
	for _, arg := range args {
		at := slices.Index(said, any(arg))
		if at < 0 {
			t.Fatalf("%s is not among %v", arg, said)
		}
		said = slices.Delete(said, at, at+1)
	}
	c["args"] = said
	if err := unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		t.Fatal(err)
	}
}

// comparable is an object without what says nothing: the checksum that makes pods
// follow their configuration, and the form of the YAML within it.
func comparable(t *testing.T, o *unstructured.Unstructured) map[string]any {
	t.Helper()
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "annotations", "eksauth.dev/config-sha256")
	if a, found, _ := unstructured.NestedMap(o.Object, "spec", "template", "metadata", "annotations"); found && len(a) == 0 {
		unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "annotations")
	}
	if text, found, _ := unstructured.NestedString(o.Object, "data", "config.yaml"); found {
		var config map[string]any
		if err := yaml.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		o.Object["data"] = config
	}
	return o.Object
}

// A static pod is the pod of the DaemonSet, but that it finds the configuration and
// the cluster by the host's files.
func TestStaticPodIsTheDaemonSets(t *testing.T) {
	t.Parallel()
	pod := podSpec(files(t, "authenticator-static-pod.yaml")["Pod kube-system/eksauthd-authenticator"])
	daemon := podSpec(files(t, "authenticator-daemonset.yaml")["DaemonSet kube-system/eksauthd-authenticator"])
	for _, scheduled := range []string{"affinity", "tolerations", "serviceAccountName", "dnsPolicy"} {
		delete(daemon, scheduled)
	}
	byPath := map[string]any{"name": "config", "hostPath": map[string]any{"path": "/etc/eksauth", "type": "Directory"}}
	daemon["volumes"].([]any)[0] = byPath
	c := daemon["containers"].([]any)[0].(map[string]any)
	c["args"] = append(c["args"].([]any), "--kubeconfig=/etc/eksauth/kubeconfig")
	if diff := cmp.Diff(daemon, pod); diff != "" {
		t.Errorf("(-DaemonSet +static pod):\n%s", diff)
	}
}

// Every part can be switched off, and nothing is left of it then.
func TestPartsAreSwitched(t *testing.T) {
	t.Parallel()
	if got := render(t, "webhook.enabled=false"); len(got) != 0 {
		t.Errorf("with everything off: %v", got)
	}
	for _, tc := range []struct {
		values string
		without,
		with []string
	}{
		{"webhook.replicas=3", []string{"DaemonSet", "eksauth-issuer", "eksauth-guard"}, []string{"pod-identity-webhook"}},
		{"webhook.replicas=1,issuer.enabled=true,issuer.replicas=1", []string{"PodDisruptionBudget"}, []string{"Deployment eksauth/eksauth-issuer"}}, // or no node is ever drained
		{"webhook.minAvailable=50%", nil, []string{"PodDisruptionBudget"}},
		{"webhook.tls.secretName=mine,webhook.tls.annotations.ca=mine", []string{"Secret ", "Role eksauth/"}, []string{"Deployment eksauth/pod-identity-webhook"}},
		{"authenticator.enabled=true,authenticator.daemonSet=false,webhook.enabled=false", []string{"DaemonSet", "ServiceAccount", "ConfigMap"}, []string{"Role kube-system/eksauthd-authenticator"}},
		{"authenticator.enabled=true,authenticator.config.clusterID=dev,authenticator.config.server.backendMode={CRD},authenticator.installDefinition=false",
			[]string{"CustomResourceDefinition", "Role kube-system/", "eksauth:access-policies"}, []string{"ClusterRole /eksauth:identity-mappings", "DaemonSet"}},
	} {
		keys := strings.Join(slices.Sorted(mapKeys(render(t, tc.values))), "\n")
		for _, part := range tc.without {
			if strings.Contains("\n"+keys, "\n"+part) || strings.Contains(keys, "/"+part) {
				t.Errorf("%s: there is %s:\n%s", tc.values, part, keys)
			}
		}
		for _, part := range tc.with {
			if !strings.Contains(keys, part) {
				t.Errorf("%s: there is no %s:\n%s", tc.values, part, keys)
			}
		}
	}
}

func mapKeys(all objects) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range all {
			if !yield(key) {
				return
			}
		}
	}
}

// What is said reaches the pods.
func TestValuesReachThePods(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	all := render(t, "image.digest="+digest, "image.repository=registry.example.com/eksauthd", "imagePullSecrets[0].name=pull",
		"webhook.args={--aws-default-region=eu-west-1}", "webhook.nodeSelector.a=b", "webhook.podLabels.team=iam", "webhook.exemptNamespaces={kube-system,cni}",
		"authenticator.enabled=true", "authenticator.config.clusterID=dev", "authenticator.config.server.stateDir=/srv/eksauth",
		"authenticator.runAsUser=10000", "authenticator.env[0].name=AWS_REGION", "authenticator.env[0].value=eu-west-1")
	webhook := podSpec(all["Deployment eksauth/pod-identity-webhook"])
	c := webhook["containers"].([]any)[0].(map[string]any)
	if c["image"] != "registry.example.com/eksauthd@"+digest || !slices.Contains(c["args"].([]any), any("--aws-default-region=eu-west-1")) {
		t.Errorf("%v", c)
	}
	if cmp.Diff(webhook["nodeSelector"], any(map[string]any{"a": "b"})) != "" || webhook["imagePullSecrets"] == nil {
		t.Errorf("%v", webhook)
	}
	registration := all["MutatingWebhookConfiguration /pod-identity-webhook"].Object
	for _, want := range []string{"cni", "eksauth"} {
		text, err := yaml.Marshal(registration)
		if err != nil || strings.Count(string(text), want+"'") != 1 || strings.Count(string(text), "- "+want+"\n") != 1 {
			t.Errorf("%s is not exempt in both webhooks:\n%s", want, text)
		}
	}
	authenticator := podSpec(all["DaemonSet kube-system/eksauthd-authenticator"])
	text, err := yaml.Marshal(authenticator)
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{"/srv/eksauth\n": 2, "runAsNonRoot: true": 1, "runAsUser: 10000": 1, "eu-west-1": 1} {
		if strings.Count(string(text), want) != times {
			t.Errorf("not %d times %q:\n%s", times, want, text)
		}
	}
}

// Who may bind cluster-admin must be nobody whom a mapping can make by {{SessionName}}:
// whoever assumes a role chooses that, of letters, digits and _+=,.@- (STS).
func TestNoSessionNameHasRights(t *testing.T) {
	t.Parallel()
	users := 0
	for key, o := range files(t, "authenticator.yaml", "iamidentitymapping.yaml", "access-policies.yaml", "webhook.yaml", "guard.yaml") {
		subjects, _, err := unstructured.NestedSlice(o.Object, "subjects")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range subjects {
			if s := s.(map[string]any); s["kind"] != "ServiceAccount" {
				users++
				if name := s["name"].(string); !strings.Contains(name, ":") {
					t.Errorf("%s: whoever calls a session %q is %s %q", key, name, s["kind"], name)
				}
			}
		}
	}
	if users == 0 {
		t.Error("no rights were read")
	}
}

// Prometheus is on another node, and has to reach what the kubelet reaches by loopback.
func TestMetricsOfTheAuthenticatorCanBeScraped(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"0.0.0.0": "--health-address=0.0.0.0:21363", "::": "--health-address=[::]:21363", "127.0.0.1": ""} {
		all := render(t, "authenticator.enabled=true", "authenticator.config.clusterID=dev", "authenticator.metricsAddress="+address)
		c := podSpec(all["DaemonSet kube-system/eksauthd-authenticator"])["containers"].([]any)[0].(map[string]any)
		if text := fmt.Sprint(c["args"]); !strings.Contains(text, want) || want == "" && strings.Contains(text, "--health-address") {
			t.Errorf("%s: %s", address, text)
		}
	}
}

// State and kubeconfig may be in one folder: Kubernetes takes a path for one volume.
func TestOneFolderIsMountedOnce(t *testing.T) {
	t.Parallel()
	all := render(t, "authenticator.enabled=true", "authenticator.config.clusterID=dev", "authenticator.config.server.stateDir=/srv/eksauth/",
		"authenticator.config.server.generateKubeconfig=/srv/eksauth/kubeconfig.yaml")
	pod := podSpec(all["DaemonSet kube-system/eksauthd-authenticator"])
	var paths []string
	for _, m := range pod["containers"].([]any)[0].(map[string]any)["volumeMounts"].([]any) {
		paths = append(paths, m.(map[string]any)["mountPath"].(string))
	}
	if diff := cmp.Diff([]string{"/etc/eksauth", "/srv/eksauth"}, paths); diff != "" || len(pod["volumes"].([]any)) != 2 {
		t.Errorf("%v\n%s", pod["volumes"], diff)
	}
}

// A user that the image does not name is in the group root, unless one is given.
func TestPodsAreNotOfTheGroupRoot(t *testing.T) {
	t.Parallel()
	all := render(t, "issuer.enabled=true")
	for _, name := range []string{"pod-identity-webhook", "eksauth-issuer"} {
		context := podSpec(all["Deployment eksauth/"+name])["securityContext"].(map[string]any)
		if fmt.Sprint(context["runAsGroup"]) != fmt.Sprint(context["runAsUser"]) {
			t.Errorf("%s: %v", name, context)
		}
	}
}

// Replicas are spread among their own: those of the version before, which are about to
// go, would leave both on one node.
func TestReplicasAreSpreadByVersion(t *testing.T) {
	t.Parallel()
	all := render(t, "issuer.enabled=true")
	for _, name := range []string{"pod-identity-webhook", "eksauth-issuer"} {
		for _, c := range podSpec(all["Deployment eksauth/"+name])["topologySpreadConstraints"].([]any) {
			if keys, _ := c.(map[string]any)["matchLabelKeys"].([]any); !slices.Contains(keys, any("pod-template-hash")) {
				t.Errorf("%s: %v", name, c)
			}
		}
	}
}

// Alerts and dashboard are those beside the chart.
func TestMonitoringIsTheFiles(t *testing.T) {
	t.Parallel()
	all := render(t, "webhook.enabled=false", "monitoring.alerts=true", "monitoring.dashboard=true", "monitoring.labels.release=prometheus")
	if len(all) != 2 {
		t.Errorf("%d objects", len(all))
	}
	var alerts map[string]any
	text, err := os.ReadFile(repository + "/deploy/alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &alerts)
	}
	if err != nil {
		t.Fatal(err)
	}
	rule := all["PrometheusRule eksauth/eksauthd"]
	if diff := cmp.Diff(any(alerts), rule.Object["spec"]); diff != "" || rule.GetLabels()["release"] != "prometheus" {
		t.Errorf("%v\n%s", rule.GetLabels(), diff)
	}
	dashboard, err := os.ReadFile(repository + "/deploy/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	config := all["ConfigMap eksauth/eksauthd-dashboard"]
	got, _, err := unstructured.NestedString(config.Object, "data", "eksauthd.json")
	if err != nil || strings.TrimSpace(got) != strings.TrimSpace(string(dashboard)) || config.GetLabels()["grafana_dashboard"] != "1" {
		t.Errorf("the dashboard is another: %v", err)
	}
}

// A changed configuration is a changed pod: it is read when the program starts.
func TestConfigurationMakesNewPods(t *testing.T) {
	t.Parallel()
	sum := func(cluster string) string {
		o := render(t, "authenticator.enabled=true", "authenticator.config.clusterID="+cluster)["DaemonSet kube-system/eksauthd-authenticator"]
		text, _, err := unstructured.NestedString(o.Object, "spec", "template", "metadata", "annotations", "eksauth.dev/config-sha256")
		if err != nil || text == "" {
			t.Fatalf("%v: %v", o, err)
		}
		return text
	}
	dev := sum("dev")
	if dev == sum("staging") || dev != sum("dev") {
		t.Error("the pods do not follow their configuration")
	}
}

// The notes name what the reader has to do next.
func TestNotes(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := helm(t, "install", "eksauthd", chart, "--namespace", "eksauth", "--dry-run=client",
		"--set", "authenticator.enabled=true,authenticator.config.clusterID=dev,issuer.enabled=true,webhook.guard=true")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	for _, want := range []string{"--authentication-token-webhook-config-file=/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml", "create configmap -n eksauth eksauth-issuer", "eks.amazonaws.com/role-arn", "aws-auth"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the notes lack %s:\n%s", want, stdout)
		}
	}
}

// The chart lints without a fault.
func TestChartLints(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := helm(t, "lint", "--strict", chart, "--set", "authenticator.enabled=true,authenticator.config.clusterID=dev,issuer.enabled=true,webhook.guard=true")
	if err != nil {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	if _, err := os.Stat(chart + "/.helmignore"); err != nil {
		t.Error(err)
	}
}
