package kube

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/internal/logtest"
)

// Whoever must not read an object says which, and what would allow it.
func TestMissingRightsAreNamed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(server.Close)
	client, err := newClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]string{
		"eksauth": "a Role in eksauth must allow get, list and watch on the Secret things",
		"":        "a ClusterRole must allow get, list and watch on the Secret things",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		log := &logtest.Buffer{}
		o := object[*corev1.Secret]{
			client: client, resource: "secrets", kind: "Secret", example: &corev1.Secret{}, log: slog.New(slog.NewTextHandler(log, nil)),
		}
		o.store.namespace, o.store.name = namespace, "things"
		ended := make(chan struct{})
		go func() {
			o.run(ctx)
			close(ended)
		}()
		until(t, "the log says so", func() bool { return strings.Contains(log.String(), "Secret things: cannot be read") })
		cancel()
		<-ended
		if !strings.Contains(log.String(), want) {
			t.Errorf("in %q: %s", namespace, log)
		}
	}
}
