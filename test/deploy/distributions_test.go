package deploy_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// follow goes through a guide: what can run here runs, files that it shows are written,
// and the commands of ours in the rest are checked.
func (r *reader) follow(blocks int) {
	r.t.Helper()
	seen := 0
	for _, b := range readGuide(r.t, r.name) {
		how, name, _ := strings.Cut(b.how, ": file ")
		switch {
		case how == "run" && name != "":
			if err := os.WriteFile(filepath.Join(r.home, name), []byte(b.text), 0o600); err != nil {
				r.t.Fatal(err)
			}
		case b.how == "run":
			r.runOnHost(b)
		case b.how == "run: arguments": // its own test has them
		case b.how == "run: cluster", b.how == "run: token":
			r.run(b)
		case b.how == "yours":
			commandsExist(r.t, r.name, b)
		default:
			r.t.Errorf("%s line %d is not looked at", r.name, b.line)
		}
		seen++
	}
	if seen != blocks {
		r.t.Errorf("%d blocks", seen)
	}
}

// document reads a YAML file of the reader's.
func (r *reader) document(name string, to any) {
	r.t.Helper()
	if err := yaml.UnmarshalStrict([]byte(r.read(name)), to); err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
}

// mounts are the folders of the host that the chart's authenticator writes to.
func (c *cluster) mounts() string {
	c.t.Helper()
	return c.must("", "get", "-n", "kube-system", "daemonset/eksauthd-authenticator", "-o", "jsonpath={.spec.template.spec.volumes[*].hostPath.path}")
}

func TestTheGuideToK3s(t *testing.T) {
	t.Parallel()
	r := newReader(t, "k3s.md")
	r.follow(3)
	var config struct {
		Args []string `json:"kube-apiserver-arg"`
	}
	r.document("etc/rancher/k3s/config.yaml.d/eksauth.yaml", &config)
	values := map[string]string{}
	var names []string
	for _, arg := range config.Args {
		name, value, _ := strings.Cut(arg, "=")
		names, values[name] = append(names, name), value
	}
	apiServerHas(t, names...)
	if _, err := os.Stat(values["authentication-token-webhook-config-file"]); err != nil {
		t.Error(err)
	}
	if values["service-account-issuer"] != "https://oidc.example.com/dev" || !strings.HasSuffix(values["api-audiences"], ",k3s") {
		t.Errorf("%v", values)
	}
}

func TestTheGuideToKind(t *testing.T) {
	t.Parallel()
	program := kubeadm(t)
	helm(t, "version")
	c := startCluster(t)
	r := newReader(t, "kind.md")
	r.on(c)
	// The node's paths are not this machine's.
	seen := 0
	for _, b := range readGuide(t, r.name) {
		switch b.how {
		case "run", "run: cluster":
			r.run(b)
		case "yours":
			commandsExist(t, r.name, b)
		default:
			t.Errorf("line %d is not looked at", b.line)
		}
		seen++
	}
	if seen != 4 {
		t.Errorf("%d blocks", seen)
	}
	var config struct {
		APIVersion, Kind string
		Nodes            []struct {
			Role                 string
			ExtraMounts          []struct{ HostPath, ContainerPath string }
			KubeadmConfigPatches []string
		}
	}
	r.document("kind/cluster.yaml", &config)
	node := config.Nodes[0]
	if config.APIVersion != "kind.x-k8s.io/v1alpha4" || len(node.ExtraMounts) != 3 || len(node.KubeadmConfigPatches) != 1 {
		t.Fatalf("%+v", config)
	}
	for _, m := range node.ExtraMounts {
		if _, err := os.Stat(filepath.Join(r.home, m.HostPath)); err != nil {
			t.Errorf("it mounts what is not there: %v", err)
		}
	}
	patch := node.KubeadmConfigPatches[0]
	if err := os.WriteFile(filepath.Join(r.home, "patch.yaml"), []byte(patch+"kubernetesVersion: v1.37.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := r.try(program + " config validate --config patch.yaml"); err != nil {
		t.Errorf("%v\n%s\n%s", err, stderr, patch)
	}
	var cluster struct {
		APIServer struct {
			ExtraArgs []struct{ Name, Value string }
		}
	}
	if err := yaml.Unmarshal([]byte(patch), &cluster); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, arg := range cluster.APIServer.ExtraArgs {
		names = append(names, arg.Name)
	}
	apiServerHas(t, names...)
	if got := c.mounts(); got != "/var/aws-iam-authenticator /etc/kubernetes/aws-iam-authenticator" {
		t.Errorf("the authenticator writes to %s", got)
	}
}

func TestTheGuideToTalos(t *testing.T) {
	t.Parallel()
	program := kubeadm(t)
	helm(t, "version")
	c := startCluster(t)
	r := newReader(t, "talos.md")
	r.on(c)
	// A key as Talos has it.
	if _, stderr, err := r.try(program + " init phase certs sa --cert-dir " + r.home); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	key := base64.StdEncoding.EncodeToString([]byte(r.read("sa.key")))
	if err := os.WriteFile(filepath.Join(r.home, "service-account-key.base64"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	r.follow(6)
	var patch struct {
		Cluster struct {
			APIServer struct {
				ExtraArgs    map[string]string
				ExtraVolumes []struct {
					HostPath, MountPath string
					ReadOnly            bool
				}
			}
		}
	}
	r.document("talos.yaml", &patch)
	server := patch.Cluster.APIServer
	var names []string
	for name := range server.ExtraArgs {
		names = append(names, name)
	}
	apiServerHas(t, names...)
	file := server.ExtraArgs["authentication-token-webhook-config-file"]
	if len(server.ExtraVolumes) != 1 || server.ExtraVolumes[0].HostPath != filepath.Dir(file) || !strings.Contains(c.mounts(), filepath.Dir(file)) {
		t.Errorf("%+v, and the authenticator writes to %s", server, c.mounts())
	}
	if _, err := os.Stat(filepath.Join(r.home, "public/openid/v1/jwks")); err != nil {
		t.Error(err)
	}
}

func TestTheGuideToKOps(t *testing.T) {
	t.Parallel()
	helm(t, "version")
	c := startCluster(t)
	r := newReader(t, "kops.md")
	r.on(c)
	arguments := 0
	for _, b := range readGuide(t, r.name) {
		if b.how == "run: arguments" {
			arguments++
			args := append(strings.Fields(b.text), "--help")
			if stdout, stderr, err := execute(t, []string{"HOME=" + r.home}, append([]string{filepath.Join(built, "eksauthd")}, args...)...); err != nil || !strings.Contains(stdout, "eksauthd authenticator") {
				t.Errorf("%v\n%s", err, stderr)
			}
		}
	}
	r.follow(5)
	var cluster struct {
		Spec struct {
			Authentication struct {
				AWS struct{ Image, MemoryRequest, MemoryLimit string }
			}
		}
	}
	r.document("cluster.yaml", &cluster)
	if arguments != 1 || !strings.HasSuffix(cluster.Spec.Authentication.AWS.Image, "/eksauthd:latest") {
		t.Errorf("%d lists of arguments, %+v", arguments, cluster)
	}
}
