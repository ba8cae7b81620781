package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

// metrics are the program's own registry and what it counts. Where
// aws-iam-authenticator has a metric of the same meaning, ours has its name and
// its labels, so that dashboards carry over.
type metrics struct {
	registry *prometheus.Registry

	latency     *prometheus.HistogramVec // peer's
	stsFailures prometheus.Counter       // peer's
	stsAnswers  *prometheus.CounterVec   // peer's
	watchFails  prometheus.Counter       // peer's

	crdWatchFails prometheus.Counter
	reviews       *prometheus.CounterVec
	stsLatency    *prometheus.HistogramVec
	lookups       *prometheus.CounterVec

	ec2Calls    prometheus.Counter // peer's
	ec2Latency  *prometheus.HistogramVec
	nameLookups *prometheus.CounterVec
}

const (
	peerNamespace = "aws_iam_authenticator"
	ownNamespace  = "eksauth"
)

func newMetrics(live *awsauth.Live, ends expiry) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: peerNamespace, Name: "authenticate_latency_seconds", Help: "Time to answer a TokenReview, by result.", Buckets: prometheus.DefBuckets,
		}, []string{"result"}),
		stsFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: peerNamespace, Name: "sts_connection_failures_total", Help: "Questions to STS that got no answer.",
		}),
		stsAnswers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: peerNamespace, Name: "sts_responses_total", Help: "Answers of STS, by HTTP status.",
		}, []string{"ResponseCode"}),
		watchFails: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: peerNamespace, Name: "configmap_watch_failures_total", Help: "Lists and watches of the ConfigMap aws-auth that failed.",
		}),
		crdWatchFails: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ownNamespace, Name: "identity_mapping_watch_failures_total", Help: "Lists and watches of custom resources IAMIdentityMapping that failed.",
		}),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ownNamespace, Name: "reviews_total", Help: "TokenReviews, by outcome (allowed, refused, failed) and reason.",
		}, []string{"outcome", "reason"}),
		stsLatency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ownNamespace, Name: "sts_call_duration_seconds", Help: "Time that STS took to say who made a token, by result: ok, or why not.", Buckets: prometheus.DefBuckets,
		}, []string{"result"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ownNamespace, Name: "token_cache_lookups_total", Help: "Tokens looked up among those verified or refused a short while ago, by result: hit, miss.",
		}, []string{"result"}),
	}
	m.addNodeNames()
	// Prometheus sees no increase in a series that begins with its first event.
	for _, reason := range []tokenreview.Reason{
		tokenreview.Reason(token.Unavailable), tokenreview.Reason(token.Throttled), tokenreview.Busy, tokenreview.NamesUnavailable, tokenreview.NamesThrottled,
	} {
		m.reviews.WithLabelValues(string(tokenreview.Failed), string(reason))
	}
	m.registry.MustRegister(
		m.latency, m.stsFailures, m.stsAnswers, m.watchFails, m.crdWatchFails, m.reviews, m.stsLatency, m.lookups,
		m.ec2Calls, m.ec2Latency, m.nameLookups,
		mappingsCollector{live}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	addExpiry(m.registry, ends)
	return m
}

func addExpiry(registry *prometheus.Registry, ends expiry) {
	registry.MustRegister(
		gauge("serving_certificate_expiry_timestamp_seconds", "When the serving certificate ends; 0 while there is none.", func() float64 { return timestamp(ends.certificate()) }),
		gauge("serving_authority_expiry_timestamp_seconds", "When the authority ends that is trusted the longest; 0 while there is none.", func() float64 { return timestamp(ends.authority()) }),
	)
}

// maxScrapes bounds the questions for metrics at any one time.
const maxScrapes = 8

func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry, MaxRequestsInFlight: maxScrapes})
}

// Reviewed, Asked and LookedUp make it a tokenreview.Observer.
func (m *metrics) Reviewed(ctx context.Context, outcome tokenreview.Outcome, reason tokenreview.Reason, took time.Duration) {
	annotate(ctx, string(outcome), string(reason))
	m.reviews.WithLabelValues(string(outcome), string(reason)).Inc()
	m.latency.WithLabelValues(peerResult(reason)).Observe(took.Seconds())
}

// Asked counts a question to STS.
func (m *metrics) Asked(reason tokenreview.Reason, took time.Duration) {
	result := string(reason)
	if result == "" {
		result = "ok"
	}
	m.stsLatency.WithLabelValues(result).Observe(took.Seconds())
}

// LookedUp counts a look-up in the cache.
func (m *metrics) LookedUp(hit bool) { countLookup(m.lookups, hit) }

func countLookup(lookups *prometheus.CounterVec, hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	lookups.WithLabelValues(result).Inc()
}

// peerResult is what aws-iam-authenticator calls it, with the spelling that its
// dashboards know.
func peerResult(reason tokenreview.Reason) string {
	switch reason {
	case "":
		return "success"
	case tokenreview.BadRequest:
		return "malformed_request"
	case tokenreview.Unmapped, tokenreview.Template, tokenreview.Reserved, tokenreview.NamesThrottled, tokenreview.NamesUnavailable:
		return "uknown_user"
	case tokenreview.Reason(token.Throttled):
		return "sts_throttling"
	case tokenreview.Reason(token.Unavailable), tokenreview.Reason(token.Answer), tokenreview.Busy:
		return "sts_error"
	case tokenreview.NotReady, tokenreview.Internal, tokenreview.Canceled:
		return "internal_error" // it has no such thing
	}
	return "invalid_token"
}

// countedTransport counts what STS answers.
type countedTransport struct {
	http.RoundTripper
	m *metrics
}

// CloseIdleConnections is for http.Client's method of the same name.
func (t countedTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t countedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		t.m.stsFailures.Inc()
		return nil, err
	}
	t.m.stsAnswers.WithLabelValues(strconv.Itoa(resp.StatusCode)).Inc()
	return resp, nil
}
