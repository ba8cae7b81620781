package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/eksauth/eksauth/internal/serving"
)

// The bounds of each server; one client alone may have half.
const (
	maxReviews     = 2048
	maxReviewBytes = 64 << 20
	// A client of HTTP/2 that has no connection yet dials once for each of the
	// requests of a burst, and kube-apiserver is one.
	maxConnections = 2 * maxReviews

	tokenReviewBody = 64 << 10 // what tokenreview reads at most
	admissionBody   = 7 << 20  // what irsa and guard read at most
)

func newLimits(body int64) *serving.Limits {
	return &serving.Limits{Requests: maxReviews, Connections: maxConnections, Bytes: maxReviewBytes, Body: body}
}

// addLimits adds what is to be known about them to a registry.
func addLimits(registry *prometheus.Registry, l *serving.Limits) {
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: ownNamespace, Subsystem: "server", Name: "refusals_total",
		Help: "Requests and connections that were turned away, by the bound that they met: requests, bytes, connections.",
	}, []string{"limit"})
	for _, r := range []serving.Refusal{serving.TooManyRequests, serving.TooManyBytes, serving.TooManyConnections} {
		refusals.WithLabelValues(string(r))
	}
	l.Refused = func(r serving.Refusal) { refusals.WithLabelValues(string(r)).Inc() }
	registry.MustRegister(refusals,
		gauge("server_requests_in_flight", "Requests that are being answered.", func() float64 { return float64(l.InFlight()) }),
		gauge("server_connections", "Connections that are open.", func() float64 { return float64(l.Open()) }),
	)
}

// shutdown is how a server ends. Its zero value ends at once.
type shutdown struct {
	delay time.Duration
	begun atomic.Bool
}

// addFlag adds kube-apiserver's flag of the same name and meaning.
func (s *shutdown) addFlag(flags *pflag.FlagSet) {
	flags.DurationVar(&s.delay, "shutdown-delay-duration", 0, "for how long to go on serving after SIGTERM, with /readyz failing, so that a load balancer can notice")
}

// plainServer is for metrics and health, which kubelets and Prometheus ask for without
// TLS, and everybody else in the cluster may.
func (s *shutdown) plainServer(h http.Handler, log *slog.Logger) serving.Server {
	return serving.Server{Handler: h, Log: log, Limits: &serving.Limits{Connections: maxConnections}, Delay: s.delay}
}

// watch notes that the end has begun, when it has.
func (s *shutdown) watch(ctx context.Context) {
	context.AfterFunc(ctx, func() { s.begun.Store(true) })
}

// refuse answers a question for readiness once the end has begun.
func (s *shutdown) refuse(w http.ResponseWriter) bool {
	if !s.begun.Load() {
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, "shutting down\n")
	return true
}
