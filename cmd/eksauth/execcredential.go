package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// execCredential is client.authentication.k8s.io's answer, byte for byte as aws
// eks get-token writes it. None of the values has a character that JSON would
// escape.
const execCredential = `{
    "kind": "ExecCredential",
    "apiVersion": "%s",
    "spec": {},
    "status": {
        "expirationTimestamp": "%s",
        "token": "%s"
    }
}
`

const execGroup = "client.authentication.k8s.io/"

func (p *program) writeExecCredential(raw string, expiration time.Time) error {
	version, warning := execVersion(p.Getenv("KUBERNETES_EXEC_INFO"))
	if warning != "" {
		fmt.Fprintln(p.Err, "eksauth: "+warning)
	}
	_, err := fmt.Fprintf(p.Out, execCredential, execGroup+version, expiration.UTC().Format(time.RFC3339), raw)
	return err
}

// execVersion answers in the version that kubectl asks for in
// KUBERNETES_EXEC_INFO, and in v1beta1 when it asks for nothing usable.
func execVersion(info string) (version, warning string) {
	const fallback = "v1beta1"
	if info == "" {
		return fallback, ""
	}
	var asked struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal([]byte(info), &asked); err != nil {
		return fallback, "KUBERNETES_EXEC_INFO is not an ExecCredential in JSON; answering in " + fallback
	}
	switch asked.APIVersion {
	case execGroup + "v1":
		return "v1", ""
	case execGroup + "v1beta1":
		return "v1beta1", ""
	case execGroup + "v1alpha1":
		return "v1alpha1", "the kubeconfig asks for " + execGroup + "v1alpha1, which kubectl 1.24 removed; write v1beta1 in its exec section"
	}
	return fallback, fmt.Sprintf("KUBERNETES_EXEC_INFO asks for the unknown version %.60q; answering in %s", asked.APIVersion, fallback)
}
