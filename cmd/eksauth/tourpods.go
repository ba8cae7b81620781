package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// podSteps are MISSION section 3 at a real API server: an annotation, a pod, what
// the webhook puts into it, and a token for exactly that pod. They need a role
// that trusts a service account of the cluster.
func (t *tour) podSteps() ([]step, error) {
	role, account := t.podRole()
	namespace, name, found := strings.Cut(account, "/")
	if !found {
		return nil, nil
	}
	manifest := filepath.Join("tour", "app.yaml")
	if err := os.WriteFile(t.path(manifest), []byte(podManifest(namespace, name, role)), 0o600); err != nil {
		return nil, err
	}
	admin := strings.TrimPrefix(t.kube.plane.AdminKubeconfig(), t.dir+string(filepath.Separator))
	kubectl := func(args ...string) []string {
		return append([]string{"kubectl", "--kubeconfig", admin, "-n", namespace}, args...)
	}
	assume := []string{"eksauth", "assume", "--role-arn", role, "--web-identity-token-file", "tour/bound.token"}
	return []step{
		{says: "A service account annotated with its role, and a pod of it", command: kubectl("apply", "-f", manifest), want: []string{"pod/" + name}},
		{says: "The webhook gave the pod all that an AWS SDK looks for",
			command: kubectl("get", "pod", name, "-o", `jsonpath={range .spec.containers[0].env[*]}{.name}={.value}{"\n"}{end}`),
			want:    []string{"AWS_ROLE_ARN=" + role, "AWS_WEB_IDENTITY_TOKEN_FILE="}},
		{says: "kubelet would ask the API server for this token, bound to the pod",
			command: kubectl("create", "token", name, "--audience", "sts.amazonaws.com", "--bound-object-kind", "Pod", "--bound-object-name", name),
			stdout:  "tour/bound.token", want: []string{"ey"}},
		{says: "and with it the pod is the role", command: assume, stdout: "tour/bound.env", want: []string{"export AWS_SESSION_TOKEN="}},
	}, nil
}

func podManifest(namespace, name, role string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: %[2]s
  namespace: %[1]s
  annotations: {eks.amazonaws.com/role-arn: %[3]q}
---
apiVersion: v1
kind: Pod
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  serviceAccountName: %[2]s
  containers: [{name: app, image: app}]
`, namespace, name, role)
}
