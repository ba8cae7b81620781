package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/require"
)

// kubeadm is the path of the real one, which `make test` builds.
func kubeadm(t *testing.T) string {
	t.Helper()
	program, err := filepath.Abs(repository + "/bin/kubeadm")
	if err == nil {
		_, err = os.Stat(program)
	}
	require.Found(t, "kubeadm", err)
	return program
}

// onHost has a guide's script write to the reader's folder in the host's place.
func (r *reader) onHost(script string) string {
	for _, path := range []string{"/etc/kubernetes", "/etc/eksauth", "/etc/rancher", "/var/aws-iam-authenticator", "/var/lib/rancher"} {
		script = strings.ReplaceAll(script, path, r.home+path)
	}
	return script
}

// prepareHost makes what a host has before the guide begins, and sets the folder in which
// the authenticator keeps its certificate.
func (r *reader) prepareHost(folders ...string) {
	r.t.Helper()
	for _, dir := range folders {
		if err := os.MkdirAll(filepath.Join(r.home, dir), 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
}

// runOnHost runs a block. The configuration that it writes gets the reader's folders,
// because the program's defaults are the host's.
func (r *reader) runOnHost(b block) string {
	r.t.Helper()
	b.text = r.onHost(b.text)
	b.text = strings.ReplaceAll(b.text, "eksauthd init ", "eksauthd init --state-dir "+r.home+"/var/aws-iam-authenticator --generate-kubeconfig "+r.home+"/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml ")
	return r.run(b)
}

func TestTheGuideToKubeadm(t *testing.T) {
	t.Parallel()
	program := kubeadm(t)
	c := startCluster(t)
	r := newReader(t, "kubeadm.md")
	r.on(c)
	r.prepareHost("etc/kubernetes/manifests", "etc/kubernetes/pki")
	// The cluster's authority is kubeadm's.
	for _, name := range []string{"ca.crt", "ca.key"} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(c.plane.AdminKubeconfig()), "pki", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(r.home, "etc/kubernetes/pki", name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	for _, b := range readGuide(t, r.name) {
		switch b.how {
		case "run":
			r.runOnHost(b)
		case "run: static pod":
			// kubeadm's configuration of this cluster.
			r.env["KUBEADM_CERTS"] = "certificatesDir: " + r.home + "/etc/kubernetes/pki"
			b.text = "echo \"$KUBEADM_CERTS\ncontrolPlaneEndpoint: " + strings.TrimPrefix(c.plane.URL(), "https://") + "\" >> kubeadm.yaml\n" + b.text
			r.runOnHost(b)
		case "run: adopt":
			r.prepareAdoption(program)
			r.runOnHost(b)
		case "yours":
			commandsExist(t, r.name, b)
			continue
		default:
			t.Errorf("%s line %d is not looked at", r.name, b.line)
		}
		ran++
	}
	if ran != 4 {
		t.Errorf("%d blocks ran", ran)
	}
	r.checkManifest(program)
	if version, _, err := r.try(program + " version -o short"); err != nil || !strings.Contains(r.read("kubeadm.yaml"), "kubernetesVersion: "+version) || !strings.Contains(c.must("", "version", "-o", "json"), strings.TrimSpace(version)) {
		t.Errorf("kubeadm, the cluster and the guide are not of one version: %s %v", version, err)
	}

	// The static pod is eksauthd, with the rights that it needs.
	can := func(args string) string {
		stdout, _, _ := r.try("kubectl --kubeconfig " + r.home + "/etc/eksauth/kubeconfig auth " + args)
		return strings.TrimSpace(stdout)
	}
	if who := can("whoami -o jsonpath={.status.userInfo.username}"); who != "eksauth:authenticator" || can("can-i watch configmaps/aws-auth -n kube-system") != "yes" || can("can-i get secrets -n kube-system") != "no" {
		t.Errorf("the static pod is %q", who)
	}
}

func (r *reader) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.home, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

// prepareAdoption makes the key that a running cluster has, and takes the issuer away.
func (r *reader) prepareAdoption(kubeadm string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.home, "etc/kubernetes/issuer")); err != nil {
		r.t.Fatal(err)
	}
	if _, stderr, err := r.try(kubeadm + " init phase certs sa --cert-dir " + r.home + "/etc/kubernetes/pki"); err != nil {
		r.t.Fatalf("%v\n%s", err, stderr)
	}
}

// checkManifest has kubeadm make kube-apiserver's manifest from the configuration of the
// guide: every flag is one, and the files are mounted.
func (r *reader) checkManifest(kubeadm string) {
	r.t.Helper()
	r.env["KUBEADM_INIT_DRYRUN_DIR"] = filepath.Join(r.home, "dry")
	r.prepareHost("dry")
	// kubeadm wants an address of this machine that is none of loopback's.
	stdout, stderr, err := r.try("printf '%s\\n' --- 'apiVersion: kubeadm.k8s.io/v1beta4' 'kind: InitConfiguration' 'localAPIEndpoint: {advertiseAddress: 192.0.2.1}' >> kubeadm.yaml\n" +
		kubeadm + " init phase control-plane apiserver --dry-run --config kubeadm.yaml >&2\ncat dry/*apiserver*.yaml")
	if err != nil {
		r.t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\s*- --([a-z0-9-]+)=`).FindAllStringSubmatch(stdout, -1) {
		names = append(names, m[1])
	}
	apiServerHas(r.t, names...)
	for _, want := range []string{
		"--authentication-token-webhook-config-file=" + r.home + "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml",
		"--service-account-issuer=https://oidc.example.com/dev",
		"--service-account-signing-key-file=" + r.home + "/etc/kubernetes/issuer/signing-key.pem",
		"mountPath: " + r.home + "/etc/kubernetes/issuer", "mountPath: " + r.home + "/etc/kubernetes/aws-iam-authenticator",
	} {
		if strings.Count(stdout, want+"\n") != 1 {
			r.t.Errorf("kube-apiserver's manifest lacks %s:\n%s", want, stdout)
		}
	}
}
