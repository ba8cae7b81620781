package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/eksauth/eksauth/internal/cli"
)

// tracing sends a span of each review, and of each question to STS for it, where
// OpenTelemetry's variables say so. A nil *tracing sends none and costs nothing.
//
// Spans have outcomes and reasons, and nothing of tokens, requests or answers.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

const (
	exportPatience = 5 * time.Second // for the last spans, at the end
	complainEvery  = time.Minute
)

// newTracing reads OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS, or those for
// traces; the SDK reads sampler, batch and service name.
//
// Source: "OpenTelemetry Protocol Exporter" in OpenTelemetry's specification.
func newTracing(ctx context.Context, getenv func(string) string, log *slog.Logger) (*tracing, error) {
	endpoint, path := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), ""
	if endpoint == "" && getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		endpoint, path = getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "v1/traces"
	}
	if endpoint == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	target, err := endpointURL(endpoint, path)
	if err != nil {
		return nil, cli.Hint(err, "such as OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318")
	}
	if protocol := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL")); protocol != "" && protocol != "http/protobuf" {
		log.Warn("traces are sent by http/protobuf and nothing else", "asked_for", protocol, "hint", "collectors have port 4318 for it")
	}
	exporter, err := otlptrace.New(ctx, newOTLPClient(target.String(), headersOf(getenv)))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	own := resource.NewSchemaless(attribute.String("service.name", "eksauthd"), attribute.String("service.version", cli.Version()))
	what, err := resource.Merge(own, resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: log})
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(what))
	shown := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path} // the rest may be a secret
	log.Info("sending traces", "url", shown.String())
	return &tracing{provider, provider.Tracer("github.com/eksauth/eksauth")}, nil
}

// endpointURL is where spans go: a base URL has a path appended (the specification).
func endpointURL(given, path string) (*url.URL, error) {
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the OTLP endpoint is not an http or https URL") // it may have a password
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	return u, nil
}

// complaints logs what the SDK cannot do, once in a while.
type complaints struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) < complainEvery {
		return
	}
	c.last = time.Now()
	c.log.Warn("traces are lost", "error", err)
}

// handler makes a span of each request, which belongs to the caller's trace if it has
// one, as kube-apiserver's requests do (traceparent, W3C Trace Context).
func (t *tracing) handler(name string, h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	var caller propagation.TraceContext
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := caller.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r.WithContext(ctx))
		span.SetAttributes(attribute.Int("http.response.status_code", seen.status))
		if seen.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	})
}

// annotate puts what was decided into the span of a review, if it has one.
func annotate(ctx context.Context, outcome, reason string) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("eksauth.outcome", outcome))
	if reason != "" {
		span.SetAttributes(attribute.String("eksauth.reason", reason))
	}
}

// transport makes a span of each question to STS. Its URL is a token, and is left out.
func (t *tracing) transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return tracedTransport{next, t.tracer}
}

type tracedTransport struct {
	http.RoundTripper
	tracer trace.Tracer
}

func (t tracedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), "STS GetCallerIdentity", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("server.address", r.URL.Hostname())))
	defer span.End()
	resp, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "no answer") // the error has the URL in it
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	return resp, nil
}

// CloseIdleConnections is for http.Client's method of the same name.
func (t tracedTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// end sends the last spans.
func (t *tracing) end() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), exportPatience)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // complaints have been told
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
