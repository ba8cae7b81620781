package deploy_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/internal/require"
)

// docs/migrating.md: certificate and kube-apiserver's file are aws-iam-authenticator's own,
// made by itself; eksauthd serves the one, so that the other stays good, and changes neither.
func TestStateOfAWSIAMAuthenticatorIsUsed(t *testing.T) {
	t.Parallel()
	peer, err := filepath.Abs(repository + "/bin/peers/aws-iam-authenticator")
	if err == nil {
		_, err = os.Stat(peer)
	}
	require.Found(t, "peers", err)
	dir := t.TempDir()
	cmd := exec.Command(peer, "init", "-i", "dev")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config := "clusterID: dev\nserver:\n  mapUsers:\n  - {userARN: arn:aws:iam::111122223333:user/ada, username: ada, groups: [dev]}\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	state := func() (all string) {
		for _, name := range []string{"cert.pem", "key.pem", "aws-iam-authenticator.kubeconfig"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all += string(data)
		}
		return all
	}
	before := state()
	// The arguments of kOps's addon; only the ports are others.
	p := serve(t, "server", "--config="+filepath.Join(dir, "config.yaml"), "--state-dir="+dir, "--kubeconfig-pregenerated=true", "--port=0", "--health-address=")
	kubeconfig, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "aws-iam-authenticator.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(strings.TrimSuffix(p.url, "/authenticate") + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", resp, err)
	}
	resp.Body.Close()
	if state() != before {
		t.Error("it changed what aws-iam-authenticator would read again")
	}
}
