package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eksauth/eksauth/internal/require"
	"github.com/eksauth/eksauth/oidc"
)

// podClient is a container's shell as the image and the pod's author leave it: no
// keys, and the address of the local AWS in place of AWS's own.
func (s *system) podClient(t *testing.T) *client {
	t.Helper()
	c := s.client(t)
	inherited := []string{"HOME", "PATH", "PYENV_ROOT", "AWS_ENDPOINT_URL"}
	for name := range c.env {
		if !slices.Contains(inherited, name) {
			delete(c.env, name)
		}
	}
	c.env["AWS_EC2_METADATA_DISABLED"] = "true"
	return c
}

// podCredentialsEnv is the environment of a container in an admitted pod, with
// what its projected token volume promises: the kubelet's work, done by hand. The
// API server mints the token for exactly the audience and the time that the
// volume says, bound to the pod.
func podCredentialsEnv(t *testing.T, c *client, podJSON, container string) map[string]string {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(podJSON), &pod); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		t.Fatalf("the pod has no container %s", container)
	}
	env := map[string]string{}
	for _, v := range pod.Spec.Containers[i].Env {
		env[v.Name] = v.Value
	}
	const variable = "AWS_WEB_IDENTITY_TOKEN_FILE"
	source := projectedToken(t, pod, pod.Spec.Containers[i], env[variable])
	token := c.admin("create", "token", "-n", pod.Namespace, pod.Spec.ServiceAccountName, "--audience", source.Audience,
		"--duration", (time.Duration(*source.ExpirationSeconds) * time.Second).String(),
		"--bound-object-kind", "Pod", "--bound-object-name", pod.Name, "--bound-object-uid", string(pod.UID))
	env[variable] = filepath.Join(c.home, env[variable])
	writeToken(t, env[variable], strings.TrimSpace(token))
	return env
}

// projectedToken is the source of the file in a volume that the container mounts.
func projectedToken(t *testing.T, pod corev1.Pod, container corev1.Container, file string) corev1.ServiceAccountTokenProjection {
	t.Helper()
	for _, mount := range container.VolumeMounts {
		path, ok := strings.CutPrefix(file, mount.MountPath+"/")
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if !ok || i < 0 || pod.Spec.Volumes[i].Projected == nil {
			continue
		}
		for _, source := range pod.Spec.Volumes[i].Projected.Sources {
			if token := source.ServiceAccountToken; token != nil && token.Path == path && token.ExpirationSeconds != nil {
				return *token
			}
		}
	}
	t.Fatalf("no volume of the container %s has a projected token at %q", container.Name, file)
	return corev1.ServiceAccountTokenProjection{}
}

// writeToken replaces the file as a whole, as the kubelet does.
func writeToken(t *testing.T, file, token string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// podWorld has a role for a service account that no other test needs.
const podWorld = `
accounts:
  - id: "111122223333"
    users: [{name: ada.lovelace}]
    roles:
      - {name: awesome.app, serviceAccounts: [{cluster: dev, namespace: awesome-app, name: awesome-app}]}
    clusters: [{name: dev, region: us-east-1}]
`

const plainPod = `
apiVersion: v1
kind: Namespace
metadata: {name: awesome-app}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  namespace: awesome-app
  name: awesome-app
  annotations: {eks.amazonaws.com/role-arn: "` + appRole + `"}
---
apiVersion: v1
kind: Pod
metadata: {namespace: awesome-app, name: app-1}
spec:
  serviceAccountName: awesome-app
  containers: [{name: app, image: example.com/app}]
`

// startPods runs a system with a world and waits for the end of the test to end
// it. Its cluster is its own: a namespace that was deleted never goes away where
// no controllers run, so tests that need the same one cannot share a cluster.
func startPods(t *testing.T) *system {
	t.Helper()
	findBinaries(t)
	world := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(world, []byte(podWorld), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := start(filepath.Join(t.TempDir(), "data"), "--world", world)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("Ctrl-C did not end it cleanly: %v\n%s", err, s.stderr.String())
		}
	})
	return s
}

// admittedPod is a plain pod of an annotated service account as the API server
// has it after admission. No scheduler ever places it.
func admittedPod(t *testing.T, c *client) (podJSON string) {
	t.Helper()
	manifest := filepath.Join(c.home, "pod.yaml")
	if err := os.WriteFile(manifest, []byte(plainPod), 0o600); err != nil {
		t.Fatal(err)
	}
	c.admin("create", "-f", manifest)
	return c.admin("get", "pod", "-n", "awesome-app", "app-1", "-o", "json")
}

// A plain pod of an annotated service account has, once it is admitted, all that
// each AWS client needs to be the role.
func TestClientsInAPodBecomeTheRole(t *testing.T) {
	s := startPods(t)
	pod := admittedPod(t, s.client(t))
	inPod := func(t *testing.T) *client {
		c := s.podClient(t)
		maps.Copy(c.env, podCredentialsEnv(t, c, pod, "app"))
		return c
	}
	mustBeTheRole := func(t *testing.T, got string) {
		t.Helper()
		const prefix = "arn:aws:sts::" + account + ":assumed-role/awesome.app/"
		if name, ok := strings.CutPrefix(strings.TrimSpace(got), prefix); !ok || name == "" {
			t.Errorf("it is %q, want %s…", got, prefix)
		}
	}
	t.Run("token", func(t *testing.T) { mustBeThePods(t, inPod(t).env) })
	t.Run("aws CLI", func(t *testing.T) {
		require.Program(t, "aws")
		mustBeTheRole(t, inPod(t).must("aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"))
	})
	for _, sdk := range sdks() {
		t.Run(sdk.name, func(t *testing.T) { mustBeTheRole(t, sdk.start(t, inPod(t)).ask().Arn) })
	}
}

// mustBeThePods: what the clients get is the pod's own token and no other.
func mustBeThePods(t *testing.T, env map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(env["AWS_WEB_IDENTITY_TOKEN_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	said, err := oidc.Inspect(string(raw), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bound, _ := said.Claims["kubernetes.io"].(map[string]any)
	pod, _ := bound["pod"].(map[string]any)
	life := said.Expiry.Sub(said.IssuedAt)
	got := fmt.Sprintf("%s %s %s %s %s", said.Audience, said.Subject, pod["name"], env["AWS_ROLE_ARN"], env["AWS_REGION"])
	if want := "[sts.amazonaws.com] system:serviceaccount:awesome-app:awesome-app app-1 " + appRole + " us-east-1"; got != want {
		t.Errorf("token and environment say %s, want %s", got, want)
	}
	// The webhook takes up to a tenth off a day, so that not all pods renew at once.
	if life < 79200*time.Second || life > 24*time.Hour {
		t.Errorf("the token lasts %v", life)
	}
}
