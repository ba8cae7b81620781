package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/internal/pki"
)

func TestIdentitiesSurviveATypo(t *testing.T) {
	t.Parallel()
	log := &logtest.Buffer{}
	i := &identities{file: filepath.Join(t.TempDir(), "identities.json"), log: slog.New(slog.NewTextHandler(log, nil))}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(i.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.load(); err == nil {
		t.Error("no error without a file")
	}
	write(`{"identities": [{"namespace": "apps", "serviceAccount": "web"}]}`)
	if err := i.load(); err != nil || !i.current.Load().Has("apps", "web") {
		t.Fatalf("%v", err)
	}
	write(`{"identities": [`)
	i.follow()
	i.follow()
	if !i.current.Load().Has("apps", "web") || strings.Count(log.String(), "keeping the version before") != 1 {
		t.Errorf("after a typo: %s", log)
	}
	write(`{"identities": []}`)
	i.follow()
	if i.current.Load().Has("apps", "web") {
		t.Error("it is still there")
	}
	write(strings.Repeat(" ", maxIdentities+1))
	if err := i.load(); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

// Without a cluster that answers it serves, and says truthfully that it is not
// ready.
func TestWebhookIsNotReadyBeforeItKnows(t *testing.T) {
	t.Parallel()
	w, err := (&program{}).preparePodWebhook(&webhookFlags{kubeAPI: "http://127.0.0.1:1", logFormat: "text", onLookupFailure: admit, watchConfigMap: true, namespace: "eksauth"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.waitsFor(), ", "); got != "the serving certificate, the service accounts, the ConfigMap pod-identity-webhook" {
		t.Errorf("it waits for %s", got)
	}
	dir := t.TempDir()
	ca, err := pki.NewCA("x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.LoadOrIssue(dir, "tls", pki.Server("localhost"), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.cert.CertFile, w.cert.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := w.cert.Load(); err != nil {
		t.Fatal(err)
	}
	if len(w.waitsFor()) != 2 {
		t.Errorf("it waits for %s", w.waitsFor())
	}
}

// Any pod reaches the port for metrics and health: its connections are bounded, too.
func TestConnectionsToThePlainPortAreBounded(t *testing.T) {
	t.Parallel()
	var end shutdown
	if l := end.plainServer(nil, nil).Limits; l == nil || l.Connections != maxConnections {
		t.Errorf("%v", l)
	}
}

// busyCollector answers when it may.
type busyCollector struct{ began, may chan struct{} }

func (busyCollector) Describe(chan<- *prometheus.Desc) {}

func (c busyCollector) Collect(chan<- prometheus.Metric) {
	c.began <- struct{}{}
	<-c.may
}

// Metrics cost more than any other answer, and nobody who asks for them is known.
func TestScrapesAreBounded(t *testing.T) {
	t.Parallel()
	busy := busyCollector{make(chan struct{}), make(chan struct{})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(busy)
	h := metricsHandler(registry)
	scrape := func() int {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return answer.Code
	}
	codes := make(chan int)
	for range maxScrapes {
		go func() { codes <- scrape() }()
		<-busy.began
	}
	if got := scrape(); got != http.StatusServiceUnavailable {
		t.Errorf("one over the bound got %d", got)
	}
	close(busy.may)
	for range maxScrapes {
		if got := <-codes; got != http.StatusOK {
			t.Errorf("one within the bound got %d", got)
		}
	}
}
