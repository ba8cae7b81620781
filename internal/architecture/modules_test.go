package architecture

import (
	"os"
	"regexp"
	"testing"
)

// The guides' configurations are judged by the kubeadm of the control plane that the
// tests run on.
func TestKubeadmFollowsTheControlPlane(t *testing.T) {
	t.Parallel()
	version := func(module string) string {
		text, err := os.ReadFile("../../hack/" + module + "/go.mod")
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(`(?m)^\tk8s\.io/kubernetes (v\S+)`).FindSubmatch(text)
		if match == nil {
			t.Fatalf("hack/%s/go.mod requires no k8s.io/kubernetes", module)
		}
		return string(match[1])
	}
	if kubeadm, controlPlane := version("kubeadm"), version("controlplane"); kubeadm != controlPlane {
		t.Errorf("kubeadm is %s, and the control plane %s", kubeadm, controlPlane)
	}
}
