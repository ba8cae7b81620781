package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/internal/require"
)

const appRole = "arn:aws:iam::111122223333:role/awesome.app"

// cluster is a real control plane, and kubectl for its administrator.
type cluster struct {
	t       *testing.T
	plane   *controlplane.ControlPlane
	kubectl string
	home    string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	binaries, err := controlplane.FindBinaries(controlplane.BinaryDirs(os.Getenv, "../../bin/eksauth")...)
	require.Found(t, "controlplane", err)
	plane := controlplane.New(controlplane.Config{Dir: t.TempDir(), Binaries: binaries, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err := plane.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := plane.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &cluster{t, plane, binaries.Kubectl, t.TempDir()}
}

// try runs kubectl, with a manifest on its standard input where there is one.
func (c *cluster) try(stdin string, args ...string) (stdout, stderr string, err error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", c.plane.AdminKubeconfig()}, args...)...)
	cmd.Env = []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "KUBE_EDITOR=" + filepath.Join(c.home, "editor")}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (c *cluster) must(stdin string, args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.try(stdin, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// serviceAccount makes one in the namespace apps.
func (c *cluster) serviceAccount(name string, annotations ...string) {
	c.t.Helper()
	c.must("", "create", "serviceaccount", "-n", "apps", name)
	if len(annotations) > 0 {
		c.must("", append([]string{"annotate", "serviceaccount", "-n", "apps", name}, annotations...)...)
	}
}

// pod is the manifest of one; more is further YAML of its spec.
func podManifest(name, serviceAccount string, more ...string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n" +
		"  serviceAccountName: " + serviceAccount + "\n" +
		"  initContainers: [{name: migrate, image: app}, {name: proxy, image: proxy, restartPolicy: Always}]\n" +
		"  containers: [{name: app, image: app, env: [{name: MODE, value: fast}]}, {name: static, image: app, env: [{name: AWS_ACCESS_KEY_ID, value: AKIAIOSFODNN7EXAMPLE}]}]\n" +
		strings.Join(more, "\n") + "\n"
}

// admitted creates a pod and reads it back, with what kubectl warned of.
func (c *cluster) admitted(namespace, manifest string) (corev1.Pod, string) {
	c.t.Helper()
	stdout, stderr, err := c.try(manifest, "create", "-n", namespace, "-f", "-", "-o", "json")
	if err != nil {
		c.t.Fatalf("kubectl create: %v\n%s", err, stderr)
	}
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(stdout), &pod); err != nil {
		c.t.Fatal(err)
	}
	return pod, stderr
}

func variable(c corev1.Container, name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// runningWebhook is eksauthd webhook at work in this process.
type runningWebhook struct {
	url    string
	stderr *logtest.Buffer
	stop   func() error
}

func startWebhook(t *testing.T, args ...string) *runningWebhook {
	t.Helper()
	w := &runningWebhook{stderr: &logtest.Buffer{}}
	out, in := io.Pipe()
	root := newRoot(cli.IO{Out: in, Err: w.stderr, Getenv: func(string) string { return "" }})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(append([]string{"webhook", "--address", "127.0.0.1", "--port", "0", "--metrics-port", "0"}, args...))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		in.CloseWithError(err)
		ended <- err
	}()
	w.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Errorf("it ended with: %v\n%s", err, w.stderr)
		}
	})
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
				w.url = url
			}
			if lines.Text() == "ready" {
				ready <- nil
			}
		}
		ready <- fmt.Errorf("it ended before it was ready: %v", lines.Err())
	}()
	select {
	case err := <-ready:
		if err != nil {
			t.Fatalf("%v\n%s", err, w.stderr)
		}
	case <-time.After(time.Minute):
		t.Fatalf("not ready within a minute\n%s", w.stderr)
	}
	return w
}

// install applies deploy/webhook.yaml and returns a kubeconfig with no rights
// but those that the manifest gives to the webhook's service account.
func (c *cluster) install() string {
	c.t.Helper()
	c.must("", "apply", "-f", "../../deploy/webhook.yaml")
	path := filepath.Join(c.home, "webhook.kubeconfig")
	token := strings.TrimSpace(c.must("", "create", "token", "-n", "eksauth", "pod-identity-webhook"))
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: c.plane.URL(), CertificateAuthorityData: c.plane.CACert()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"webhook": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "webhook"}},
		CurrentContext: "c",
	}, path)
	if err != nil {
		c.t.Fatal(err)
	}
	return path
}

// leadTo makes the registration lead to this machine: no Service does without
// nodes. The caBundle stays as it is.
func (c *cluster) leadTo(url string) {
	c.t.Helper()
	url = strings.Replace(url, "127.0.0.1", "localhost", 1)
	for i := range 2 {
		at := fmt.Sprintf("/webhooks/%d/clientConfig/", i)
		c.must("", "patch", "mutatingwebhookconfiguration", "pod-identity-webhook", "--type=json", "-p",
			`[{"op":"remove","path":"`+at+`service"},{"op":"add","path":"`+at+`url","value":"`+url+`"}]`)
	}
}

func (c *cluster) caBundles() []string {
	c.t.Helper()
	return strings.Fields(c.must("", "get", "mutatingwebhookconfiguration", "pod-identity-webhook", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}"))
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// The manifest as it is, on a real API server, with no rights but its own and
// certificates that it makes itself.
func TestPodWebhookInACluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	kubeconfig := c.install()
	c.must("", "create", "namespace", "apps")
	c.serviceAccount("app", "eks.amazonaws.com/role-arn="+appRole)

	t.Run("while it does not answer", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		if _, stderr, err := c.try(podManifest("waits", "app"), "create", "-n", "apps", "-f", "-"); err == nil || !strings.Contains(stderr, "pods.pod-identity-webhook.eksauth.io") {
			t.Errorf("an ordinary pod starts without its role: %v %s", err, stderr)
		}
		c.admitted("kube-system", podManifest("system", "default"))
		c.admitted("eksauth", restrictedPod)
		c.must(fmt.Sprintf(quota, "apps"), "apply", "-f", "-")
		c.admitted("apps", podManifest("network", "app", "  priorityClassName: system-node-critical"))
	})

	w := startWebhook(t, "--kubeconfig", kubeconfig, "--namespace", "eksauth", "--dns-name", "localhost", "--watch-config-map")
	eventually(t, "the registration has the authority", func() bool { return len(c.caBundles()) == 2 })
	c.leadTo(w.url)

	t.Run("a pod", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		pod, warnings := c.admitted("apps", podManifest("app", "app"))
		for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			if variable(container, "AWS_ROLE_ARN") != appRole || variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE") != "/var/run/secrets/eks.amazonaws.com/serviceaccount/token" {
				t.Errorf("%s: %+v", container.Name, container.Env)
			}
			mounts := 0
			for _, m := range container.VolumeMounts {
				if m.Name == "aws-iam-token" && m.MountPath == "/var/run/secrets/eks.amazonaws.com/serviceaccount" && m.ReadOnly {
					mounts++
				}
			}
			if mounts != 1 {
				t.Errorf("%s: %+v", container.Name, container.VolumeMounts)
			}
		}
		if !strings.Contains(warnings, "AWS_ACCESS_KEY_ID") || !strings.Contains(warnings, "static") {
			t.Errorf("no warning of the static key: %s", warnings)
		}
		token := tokenOf(t, pod)
		if token.Audience != "sts.amazonaws.com" || *token.ExpirationSeconds < 79_200 || *token.ExpirationSeconds > 86_400 || token.Path != "token" {
			t.Errorf("%+v", token)
		}
		// A container for debugging gets the same.
		c.must("", "debug", "-n", "apps", "app", "--image=tools", "--container=look", "--", "sh")
		var debugged corev1.Pod
		if err := json.Unmarshal([]byte(c.must("", "get", "pod", "-n", "apps", "app", "-o", "json")), &debugged); err != nil {
			t.Fatal(err)
		}
		if e := debugged.Spec.EphemeralContainers; len(e) != 1 || variable(corev1.Container(e[0].EphemeralContainerCommon), "AWS_ROLE_ARN") != appRole || len(e[0].VolumeMounts) != 1 {
			t.Errorf("%+v", e)
		}
	})

	t.Run("what is doubtful is said", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		c.serviceAccount("doubtful", "eks.amazonaws.com/role-arn=arn:aws:iam::1111:role/x", "eks.amazonaws.com/audience=nobody", "eks.amazonaws.com/token-expiration=60")
		_, warnings := c.admitted("apps", podManifest("doubtful", "doubtful"))
		for _, want := range []string{"role-arn", "audience", "600"} {
			if !strings.Contains(warnings, want) {
				t.Errorf("no warning with %q:\n%s", want, warnings)
			}
		}
	})

	t.Run("without an annotation", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		c.serviceAccount("plain")
		pod, _ := c.admitted("apps", podManifest("plain", "plain"))
		if variable(pod.Spec.Containers[0], "AWS_ROLE_ARN") != "" {
			t.Errorf("%+v", pod.Spec.Containers[0])
		}
		c.must(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pod-identity-webhook, namespace: eksauth}\ndata:\n  config: '{\"apps/plain\": {\"RoleARN\": %q, \"TokenExpiration\": 3600}}'\n", appRole), "apply", "-f", "-")
		eventually(t, "the ConfigMap stands in", func() bool {
			pod, _ := c.admitted("apps", strings.Replace(podManifest("x", "plain"), "name: x", "generateName: plain-", 1))
			return variable(pod.Spec.Containers[0], "AWS_ROLE_ARN") == appRole && *tokenOf(t, pod).ExpirationSeconds == 3600
		})
	})

	// The API server refuses a mirror pod that has a service account's token.
	t.Run("a static pod's mirror", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		c.must("", "annotate", "serviceaccount", "-n", "apps", "default", "eks.amazonaws.com/role-arn="+appRole)
		pod, _ := c.admitted("apps", "apiVersion: v1\nkind: Pod\nmetadata: {name: mirror, annotations: {kubernetes.io/config.mirror: x}}\nspec: {nodeName: node-1, containers: [{name: app, image: app}]}\n")
		if len(pod.Spec.Volumes) != 0 || len(pod.Spec.Containers[0].Env) != 0 {
			t.Errorf("%+v", pod.Spec)
		}
	})

	t.Run("a new authority", func(t *testing.T) {
		c := &cluster{t, c.plane, c.kubectl, c.home}
		before := c.caBundles()[0]
		c.must("", "patch", "secret", "-n", "eksauth", "pod-identity-webhook", "--type=merge", "-p", `{"data":{"ca.crt":"","ca.key":""}}`)
		eventually(t, "the caBundle follows", func() bool {
			bundles := c.caBundles()
			return len(bundles) == 2 && bundles[0] != before && bundles[1] == bundles[0]
		})
		eventually(t, "pods are admitted again", func() bool {
			_, _, err := c.try(strings.Replace(podManifest("x", "app"), "name: x", "generateName: rotated-", 1), "create", "-n", "apps", "-f", "-")
			return err == nil
		})
	})

	t.Run("created a moment before the pod", func(t *testing.T) {
		if without := raceServiceAccounts(t, c.plane.AdminKubeconfig(), 200); without != 0 {
			t.Errorf("%d of 200 pods have no role", without)
		}
	})

	_, rest, _ := strings.Cut(w.stderr.String(), "address=127.0.0.1:")
	port, _, _ := strings.Cut(rest, "\n")
	metrics := httpGet(t, "http://127.0.0.1:"+port+"/metrics")
	for _, want := range []string{`eksauth_pod_admissions_total{outcome="mutated",reason=""} `, `eksauth_serviceaccounts_synced 1`, `eksauth_serving_certificate_expiry_timestamp_seconds 1.`, `eksauth_pod_admission_duration_seconds_count{outcome="mutated"}`} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("/metrics lacks %s\n%s", want, grep(metrics, "^eksauth"))
		}
	}
	if ready := httpGet(t, "http://127.0.0.1:"+port+"/readyz"); ready != "ok" {
		t.Errorf("/readyz: %s", ready)
	}
	if wrong := grep(w.stderr.String(), "level=ERROR|forbidden"); wrong != "" {
		t.Errorf("the manifest does not give all rights, or something went wrong:\n%s", wrong)
	}
}

func httpGet(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func tokenOf(t *testing.T, pod corev1.Pod) *corev1.ServiceAccountTokenProjection {
	t.Helper()
	for _, v := range pod.Spec.Volumes {
		if v.Name == "aws-iam-token" && v.Projected != nil {
			return v.Projected.Sources[0].ServiceAccountToken
		}
	}
	t.Fatalf("no volume aws-iam-token: %+v", pod.Spec.Volumes)
	return nil
}

// restrictedPod is as the namespace eksauth wants it.
const restrictedPod = `
apiVersion: v1
kind: Pod
metadata: {name: itself}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: app
    image: app
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

const quota = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: critical, namespace: %s}
spec:
  hard: {pods: "1000"}
  scopeSelector:
    matchExpressions: [{operator: In, scopeName: PriorityClass, values: [system-node-critical]}]
`

// raceServiceAccounts creates a service account and at once a pod of it, again
// and again, and counts the pods that were admitted without their role.
func raceServiceAccounts(t *testing.T, admin string, rounds int) (without int) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", admin)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	config.APIPath, config.GroupVersion, config.QPS = "/api", &corev1.SchemeGroupVersion, -1
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		name := fmt.Sprintf("race-%d", i)
		meta := metav1.ObjectMeta{Name: name, Namespace: "apps", Annotations: map[string]string{"eks.amazonaws.com/role-arn": appRole}}
		if err := client.Post().Namespace("apps").Resource("serviceaccounts").Body(&corev1.ServiceAccount{ObjectMeta: meta}).Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
		var pod corev1.Pod
		err := client.Post().Namespace("apps").Resource("pods").Body(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "apps"},
			Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
		}).Do(t.Context()).Into(&pod)
		if err != nil {
			t.Fatal(err)
		}
		if variable(pod.Spec.Containers[0], "AWS_ROLE_ARN") != appRole {
			without++
		}
	}
	return without
}
