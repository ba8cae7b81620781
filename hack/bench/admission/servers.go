package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
)

// review is what a kube-apiserver v1.37 asked about a pod with one init
// container, two containers and one volume, that kubectl created. Its service
// account has a role.
//
//go:embed review.json
var review []byte

// newAPIServer has so many service accounts, every fourth with a role.
func newAPIServer(accounts int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			http.NotFound(w, r)
			return
		}
		out := json.NewEncoder(w)
		for i := range accounts {
			annotations := map[string]string{}
			if i%4 == 0 {
				annotations["eks.amazonaws.com/role-arn"] = fmt.Sprintf("arn:aws:iam::111122223333:role/application-%d", i)
			}
			name := fmt.Sprintf("application-%d", i)
			if i == 0 {
				name = "app"
			}
			out.Encode(event("ADDED", "apps", name, annotations))
		}
		out.Encode(event("BOOKMARK", "", "", map[string]string{"k8s.io/initial-events-end": "true"}))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
}

func event(kind, namespace, name string, annotations map[string]string) map[string]any {
	return map[string]any{"type": kind, "object": map[string]any{
		"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
		"metadata": map[string]any{"namespace": namespace, "name": name, "annotations": annotations, "resourceVersion": "7", "uid": "6f3b1f0e-9d57-4c1b-8a5c-1d2f3c4b5a69"},
	}}
}
