//go:build unix

package controlplane

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/kubeconfig"
)

// TestControlPlane runs the real programs. Its parts share one control plane, and
// it is not parallel to its like: one start keeps two cores busy for some seconds.
func TestControlPlane(t *testing.T) {
	// Longer than the path of a socket may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 8), "data")
	hooks := startWebhooks(t)
	c := New(Config{
		Dir: dir, Binaries: binaries(t), NoSync: true, Log: testLog(t),
		AuthenticatorKubeconfig: hooks.kubeconfig,
		AuthenticatorCacheTTL:   time.Hour,
		ServiceAccountIssuer:    "https://issuer.example",
		APIAudiences:            []string{"https://issuer.example", "second"},
	})
	// The real kube-apiserver meets a port in use, so that lostPort knows its words.
	taken, err := net.Listen("tcp", address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := taken.Addr().(*net.TCPAddr).Port
	c.choosePort = func() (int, error) { return takenPort, nil }
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(context.Background()) })
	if c.port == takenPort {
		t.Error("it runs on a port that another has")
	}

	t.Run("administrator", func(t *testing.T) { testAdministrator(t, c) })
	t.Run("client certificates", func(t *testing.T) { testIssueClient(t, c) })
	t.Run("strangers", func(t *testing.T) { testStrangers(t, c) })
	t.Run("namespaces", func(t *testing.T) { testNamespaces(t, c) })
	t.Run("token webhook", func(t *testing.T) { testTokenWebhook(t, c, hooks) })
	t.Run("admission webhook", func(t *testing.T) { testAdmissionWebhook(t, c, hooks) })
	t.Run("service-account tokens", func(t *testing.T) { testServiceAccountToken(t, c) })
	t.Run("create and apply", func(t *testing.T) { testCreateAndApply(t, c) })
	t.Run("one per folder", func(t *testing.T) { testOnePerFolder(t, c) })
	if !t.Failed() {
		testRestart(t, c)
	}
}

func testAdministrator(t *testing.T, c *ControlPlane) {
	var review struct{ Status struct{ UserInfo userInfo } }
	decode(t, mustKubectl(t, c, "auth", "whoami", "-o", "json"), &review)
	if u := review.Status.UserInfo; u.Username != "admin" || !cmp.Equal(u.Groups, []string{"system:masters", "system:authenticated"}) {
		t.Errorf("whoami: %+v", u)
	}
	if info, err := os.Stat(c.AdminKubeconfig()); err != nil || info.Mode() != 0o600 {
		t.Errorf("kubeconfig: mode %v, error %v", info.Mode(), err)
	}
	for _, namespace := range []string{"default", "kube-system", "kube-public"} {
		mustKubectl(t, c, "get", "namespace", namespace)
	}
}

func testIssueClient(t *testing.T, c *ControlPlane) {
	cert, key, err := c.IssueClient("ada.lovelace", "awesome-app-admin", "readers")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ada.kubeconfig")
	err = kubeconfig.WriteFile(path, kubeconfig.Entry{
		Context: "ada", Cluster: "test", User: "ada", Server: c.URL(), CA: c.CACert(), Current: true,
		ClientCert: &kubeconfig.ClientCert{Cert: cert, Key: key},
	})
	if err != nil {
		t.Fatal(err)
	}
	var review struct{ Status struct{ UserInfo userInfo } }
	decode(t, mustKubectl(t, c, "--kubeconfig", path, "auth", "whoami", "-o", "json"), &review)
	want := map[string]bool{"awesome-app-admin": true, "readers": true, "system:authenticated": true}
	got := map[string]bool{}
	for _, g := range review.Status.UserInfo.Groups {
		got[g] = true
	}
	if review.Status.UserInfo.Username != "ada.lovelace" || !cmp.Equal(got, want) {
		t.Errorf("whoami: %+v", review.Status.UserInfo)
	}
	if out, err := kubectl(t, c, "", "--kubeconfig", path, "get", "secrets"); err == nil || !strings.Contains(out, "Forbidden") {
		t.Errorf("a user without rights reads secrets: %v %s", err, out)
	}
}

// testStrangers: who shows nothing may do nothing, and etcd cannot be reached.
func testStrangers(t *testing.T, c *ControlPlane) {
	stranger := newClient(c.URL(), c.ca.Pool(), c.api.http.Transport.(*http.Transport).TLSClientConfig.Certificates[0])
	stranger.http.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	err := stranger.do(t.Context(), http.MethodGet, "/api/v1/secrets", "", nil)
	var status *statusError
	if !errors.As(err, &status) || status.Code != http.StatusForbidden || !strings.Contains(status.Message, "system:anonymous") {
		t.Errorf("error %v", err)
	}

	if info, err := os.Stat(c.files.etcd()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("etcd's folder: mode %v, error %v", info.Mode(), err)
	}
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("which ports a process listens on is read from /proc")
	}
	if got := listening(t, c.etcd.PID()); len(got) > 0 {
		t.Errorf("etcd listens on %q", got)
	}
	if got, want := listening(t, c.apiServer.PID()), []string{strings.TrimPrefix(c.URL(), "https://")}; !cmp.Equal(got, want) {
		t.Errorf("kube-apiserver listens on %q, want %q", got, want)
	}
}

func testNamespaces(t *testing.T, c *ControlPlane) {
	mustKubectl(t, c, "create", "namespace", "apps")
	waitUntil(t, "service account and CA of the namespace", func() bool {
		_, err := kubectl(t, c, "", "get", "-n", "apps", "serviceaccount/default", "configmap/kube-root-ca.crt")
		return err == nil
	})
	if got := mustKubectl(t, c, "get", "-n", "apps", "configmap", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`); got != strings.TrimSpace(string(c.CACert())) {
		t.Errorf("CA of the namespace: %s", got)
	}

	mustKubectl(t, c, "create", "serviceaccount", "-n", "apps", "s3-reader")
	mustKubectl(t, c, "run", "-n", "apps", "plain", "--image=none")
	mustKubectl(t, c, "run", "-n", "apps", "named", "--image=none", `--overrides={"spec":{"serviceAccountName":"s3-reader"}}`)
	if got := mustKubectl(t, c, "get", "-n", "apps", "pods", "-o", "jsonpath={.items[*].spec.serviceAccountName}"); got != "s3-reader default" {
		t.Errorf("service accounts of the pods: %s", got)
	}
	out, err := kubectl(t, c, "", "run", "-n", "apps", "lost", "--image=none", `--overrides={"spec":{"serviceAccountName":"nobody"}}`)
	if err == nil || !strings.Contains(out, `serviceaccount "nobody" not found`) {
		t.Errorf("a pod of a service account that does not exist: %v %s", err, out)
	}
}

func testTokenWebhook(t *testing.T, c *ControlPlane, hooks *webhooks) {
	withToken := func(token string) (string, error) {
		path := filepath.Join(t.TempDir(), "token.kubeconfig")
		text, err := os.ReadFile(c.AdminKubeconfig())
		if err != nil {
			t.Fatal(err)
		}
		// A client certificate would win over the token.
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if strings.Contains(line, "client-certificate-data") {
				lines[i] = "      token: " + token
			} else if strings.Contains(line, "client-key-data") {
				lines[i] = ""
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return kubectl(t, c, "", "--kubeconfig", path, "auth", "whoami", "-o", "json")
	}
	out, err := withToken("good")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var review struct{ Status struct{ UserInfo userInfo } }
	decode(t, out, &review)
	if u := review.Status.UserInfo; u.Username != "ada.lovelace" || !cmp.Equal(u.Groups, []string{"awesome-app-admin", "system:authenticated"}) {
		t.Errorf("whoami: %+v", u)
	}
	if out, err := withToken("bad"); err == nil || !strings.Contains(out, "Unauthorized") {
		t.Errorf("a token that the webhook refuses: %v %s", err, out)
	}

	asked := hooks.asked("good")
	if asked == 0 {
		t.Error("the webhook was not asked")
	}
	if out, err := withToken("good"); err != nil || hooks.asked("good") != asked {
		t.Errorf("the answer was not kept for the time given: %v %s", err, out)
	}
}

func testAdmissionWebhook(t *testing.T, c *ControlPlane, hooks *webhooks) {
	err := c.Apply(t.Context(), "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/test", hooks.mutating())
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, c, "create", "namespace", "mutated")
	waitUntil(t, "a pod that was mutated", func() bool {
		kubectl(t, c, "", "delete", "pod", "-n", "mutated", "p", "--now", "--ignore-not-found")
		if out, err := kubectl(t, c, "", "run", "-n", "mutated", "p", "--image=none"); err != nil {
			t.Log(out)
			return false
		}
		return mustKubectl(t, c, "get", "-n", "mutated", "pod", "p", "-o", "jsonpath={.metadata.labels.mutated}") == "yes"
	})
}

func testServiceAccountToken(t *testing.T, c *ControlPlane) {
	claims := func(args ...string) map[string]any {
		parts := strings.Split(mustKubectl(t, c, append([]string{"create", "token", "default"}, args...)...), ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		decode(t, string(payload), &claims)
		return claims
	}
	got := claims()
	if got["iss"] != "https://issuer.example" || !cmp.Equal(got["aud"], []any{"https://issuer.example", "second"}) || got["sub"] != "system:serviceaccount:default:default" {
		t.Errorf("claims %v", got)
	}
	if got := claims("--audience", "sts.amazonaws.com"); !cmp.Equal(got["aud"], []any{"sts.amazonaws.com"}) {
		t.Errorf("claims %v", got)
	}
}

func testCreateAndApply(t *testing.T, c *ControlPlane) {
	const collection = "/api/v1/namespaces/default/configmaps"
	data := func() string {
		return mustKubectl(t, c, "get", "configmap", "settings", "-o", "jsonpath={.data}")
	}
	object := func(data manifest) manifest {
		return manifest{"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest{"name": "settings"}, "data": data}
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"create", func() error { return c.Create(t.Context(), collection, object(manifest{"a": "1"})) }, `{"a":"1"}`},
		{"create again", func() error { return c.Create(t.Context(), collection, object(manifest{"a": "2"})) }, `{"a":"1"}`},
		{"apply", func() error { return c.Apply(t.Context(), collection+"/settings", object(manifest{"b": "3"})) }, `{"a":"1","b":"3"}`},
		{"recreate", func() error {
			return c.Recreate(t.Context(), collection, "settings", object(manifest{"c": "4"}))
		}, `{"c":"4"}`},
		{"recreate what is not there", func() error {
			kubectl(t, c, "", "delete", "configmap", "-n", "default", "settings")
			return c.Recreate(t.Context(), collection, "settings", object(manifest{"a": "1", "b": "3"}))
		}, `{"a":"1","b":"3"}`},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := data(); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	err := c.Create(t.Context(), "/api/v1/namespaces/missing/configmaps", object(nil))
	if err == nil || !strings.Contains(err.Error(), `namespaces "missing" not found`) {
		t.Errorf("in a namespace that does not exist: %v", err)
	}
}

func testOnePerFolder(t *testing.T, c *ControlPlane) {
	second := New(c.config)
	if err := second.Start(t.Context()); !errors.Is(err, errLocked) {
		t.Errorf("error %v, want %v", err, errLocked)
	}
	mustKubectl(t, c, "get", "namespaces") // the first is unharmed
	if err := c.Err(); err != nil {
		t.Error(err)
	}
}

// testRestart stops c while a watch is open, starts another on its folder and
// port, and lets that one's etcd die.
func testRestart(t *testing.T, c *ControlPlane) {
	mustKubectl(t, c, "create", "configmap", "kept", "--from-literal=key=value")
	old, err := os.ReadFile(c.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	watch := exec.Command(c.config.Binaries.Kubectl, "get", "configmaps", "--watch")
	watch.Env = []string{"KUBECONFIG=" + c.AdminKubeconfig(), "HOME=" + t.TempDir()}
	watched, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(watched, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	watch.Process.Kill()
	watch.Wait()
	<-c.Done()
	if c.Err() != nil {
		t.Errorf("after an orderly stop: %v", c.Err())
	}

	again := New(c.config)
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Stop(context.Background()) })
	if again.URL() != c.URL() {
		t.Errorf("URL %s, was %s", again.URL(), c.URL())
	}
	path := filepath.Join(t.TempDir(), "old.kubeconfig")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mustKubectl(t, again, "--kubeconfig", path, "get", "configmap", "kept", "-o", "jsonpath={.data.key}"); got != "value" {
		t.Errorf("the ConfigMap holds %q", got)
	}

	kill(t, again.etcd.PID())
	select {
	case <-again.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed that etcd is dead")
	}
	var exit *child.ExitError
	if !errors.As(again.Err(), &exit) || exit.Name != "etcd" || exit.State != "signal: killed" {
		t.Errorf("error %v", again.Err())
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Errorf("stop without etcd: %v", err)
	}
}
