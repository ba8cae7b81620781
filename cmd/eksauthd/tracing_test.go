package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/eksauth/eksauth/internal/logtest"
	"log/slog"
)

// otlp is a collector of spans (OTLP over HTTP).
type otlp struct {
	*httptest.Server
	mu    sync.Mutex
	raw   bytes.Buffer
	spans []*tracepb.Span
	paths []string
	keys  []string
}

func newCollector(t *testing.T) *otlp {
	t.Helper()
	c := &otlp{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		c.keys = append(c.keys, r.Header.Get("Api-Key"))
		c.paths = append(c.paths, r.URL.Path)
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(s *tracepb.Span) string {
	var all []string
	for _, a := range s.Attributes {
		all = append(all, a.Key+"="+strings.TrimSpace(a.Value.String()))
	}
	return strings.Join(all, " ")
}

// A review and its question to STS are spans of the caller's trace, with outcome and
// reason, and without any part of the token.
func TestTracesOfAReview(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	d := startIn(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20key, other=x"}, adaOfDev, "--sts-endpoint", newSTS(t))
	raw := mint(t, ada, "dev")
	client, where := d.webhook(t)
	for _, tokens := range []string{raw, "k8s-aws-v1.x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, where,
			strings.NewReader(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"`+tokens+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if err := d.stop(); err != nil { // which sends them
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	byName := map[string][]*tracepb.Span{}
	for _, s := range c.spans {
		byName[s.Name] = append(byName[s.Name], s)
		if len(s.TraceId) != 16 || s.TraceId[0] != 0x0a || s.TraceId[15] != 0x9c {
			t.Errorf("%s is of another trace than the caller's: %x", s.Name, s.TraceId)
		}
	}
	reviews, asked := byName["TokenReview"], byName["STS GetCallerIdentity"]
	if len(reviews) != 2 || len(asked) != 1 {
		t.Fatalf("%d reviews, %d questions to STS", len(reviews), len(asked))
	}
	if !bytes.Equal(asked[0].ParentSpanId, reviews[0].SpanId) {
		t.Error("the question to STS is not below its review")
	}
	for i, want := range []string{`eksauth.outcome=string_value:"allowed"`, `eksauth.reason=string_value:"malformed"`} {
		if got := attributes(reviews[i]); !strings.Contains(got, want) {
			t.Errorf("review %d: %s, want %s", i, got, want)
		}
	}
	for _, secret := range []string{raw[20:60], "X-Amz-Signature", ada.SecretAccessKey} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("the spans have %q in them", secret)
		}
	}
	if c.paths[0] != "/v1/traces" || c.keys[0] != "a key" {
		t.Errorf("they went to %s with the key %q", c.paths[0], c.keys[0])
	}
}

// Whoever collects them may be away: reviews go on.
func TestTracesThatNobodyTakes(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.Close()
	d := startIn(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL}, adaOfDev, "--sts-endpoint", newSTS(t))
	if _, r := d.review(t, mint(t, ada, "dev")); r.Status.User.Username != "ada" {
		t.Errorf("%+v", r.Status)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.NewTextHandler(&logtest.Buffer{}, nil))
	for _, env := range []map[string]string{
		{},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "True"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		if traces, err := newTracing(context.Background(), func(name string) string { return env[name] }, log); traces != nil || err != nil {
			t.Errorf("%v: %v %v", env, traces, err)
		}
	}
	var off *tracing
	h := http.NewServeMux()
	if off.handler("x", h) != http.Handler(h) || off.transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("tracing that is off stands in the way")
	}
	for _, wrong := range []string{"127.0.0.1:4318", "ftp://x", "http://"} {
		if _, err := newTracing(context.Background(), func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": wrong}[name]
		}, log); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// A collector's password stays out of the log and of errors, and with whom it is for.
func TestTheCollectorsSecretsAreKept(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	log := &logtest.Buffer{}
	tracingTo := func(endpoint string) (*tracing, error) {
		return newTracing(t.Context(), func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[name]
		}, slog.New(slog.NewTextHandler(log, nil)))
	}
	traces, err := tracingTo("http://eksauthd:" + secret + "@127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	traces.end()
	_, err = tracingTo("ftp://eksauthd:" + secret + "@127.0.0.1:1")
	if err == nil || strings.Contains(err.Error()+log.String(), secret) || !strings.Contains(log.String(), "127.0.0.1:1/v1/traces") || !strings.Contains(log.String(), "asked_for=grpc") {
		t.Errorf("%v\n%s", err, log)
	}

	other := newCollector(t)
	moved := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	client := newOTLPClient(moved.URL, http.Header{"Api-Key": {secret}})
	if err := client.UploadTraces(t.Context(), nil); err == nil || len(other.keys) > 0 {
		t.Errorf("%v; another server was told %q", err, other.keys)
	}
}
