//go:build unix

package controlplane

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"crypto/tls"

	"github.com/eksauth/eksauth/internal/kubeconfig"
	"github.com/eksauth/eksauth/internal/pki"
)

// webhooks are a token authenticator, which knows one token, and an admission
// webhook, which labels pods.
type webhooks struct {
	url, kubeconfig string
	ca              []byte

	mu     sync.Mutex
	tokens map[string]int
}

func startWebhooks(t *testing.T) *webhooks {
	t.Helper()
	ca, err := pki.NewCA("webhooks", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Server("127.0.0.1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := &webhooks{ca: ca.PEM(), tokens: map[string]int{}, kubeconfig: filepath.Join(t.TempDir(), "authenticator.kubeconfig")}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /authenticate", h.authenticate)
	mux.HandleFunc("POST /mutate", h.mutate)
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS()}}
	server.StartTLS()
	t.Cleanup(server.Close)
	h.url = server.URL
	err = kubeconfig.WriteFile(h.kubeconfig, kubeconfig.Entry{
		Context: "webhook", Cluster: "authenticator", User: "apiserver",
		Server: server.URL + "/authenticate", CA: h.ca, Current: true,
		ClientCert: &kubeconfig.ClientCert{Cert: pair.CertPEM, Key: pair.KeyPEM}, // it asks for none
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *webhooks) asked(token string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tokens[token]
}

func (h *webhooks) authenticate(w http.ResponseWriter, r *http.Request) {
	var review struct {
		APIVersion string
		Spec       struct{ Token string }
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.tokens[review.Spec.Token]++
	h.mu.Unlock()
	status := manifest{"authenticated": false}
	if review.Spec.Token == "good" && review.APIVersion == "authentication.k8s.io/v1" {
		status = manifest{"authenticated": true, "user": manifest{"username": "ada.lovelace", "groups": []string{"awesome-app-admin"}}}
	}
	answer(w, manifest{"apiVersion": review.APIVersion, "kind": "TokenReview", "status": status})
}

func (h *webhooks) mutate(w http.ResponseWriter, r *http.Request) {
	var review struct{ Request struct{ UID string } }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	patch := `[{"op":"add","path":"/metadata/labels/mutated","value":"yes"}]`
	answer(w, manifest{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": manifest{
		"uid": review.Request.UID, "allowed": true,
		"patchType": "JSONPatch", "patch": base64.StdEncoding.EncodeToString([]byte(patch)),
	}})
}

// mutating is the configuration that has the API server call the webhook for
// pods in the namespace "mutated".
func (h *webhooks) mutating() manifest {
	return manifest{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
		"metadata": manifest{"name": "test"},
		"webhooks": []manifest{{
			"name":                    "label.test.example",
			"clientConfig":            manifest{"url": h.url + "/mutate", "caBundle": h.ca},
			"rules":                   []manifest{{"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE"}, "resources": []string{"pods"}}},
			"namespaceSelector":       manifest{"matchLabels": manifest{"kubernetes.io/metadata.name": "mutated"}},
			"admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": "Fail",
		}},
	}
}

func answer(w http.ResponseWriter, object manifest) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(object)
}
