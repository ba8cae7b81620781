package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/irsa"
	"github.com/eksauth/eksauth/kube"
)

// webhookMetrics are the pod identity webhook's own registry and what it counts.
type webhookMetrics struct {
	registry   *prometheus.Registry
	admissions *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	watchFails prometheus.Counter
	edits      *prometheus.HistogramVec
}

func newWebhookMetrics(accounts *kube.ServiceAccounts, ends expiry) *webhookMetrics {
	m := &webhookMetrics{
		registry: prometheus.NewRegistry(),
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ownNamespace, Name: "pod_admissions_total",
			Help: "Admission reviews of pods, by outcome (mutated, untouched, degraded: admitted without what it should perhaps have got, refused, failed) and reason.",
		}, []string{"outcome", "reason"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ownNamespace, Name: "pod_admission_duration_seconds", Help: "Time to answer an admission review, by outcome.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"outcome"}),
		watchFails: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ownNamespace, Name: "serviceaccount_watch_failures_total", Help: "Lists and watches of service accounts that failed.",
		}),
	}
	m.edits = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: ownNamespace, Name: "mapping_edit_duration_seconds",
		Help:    "Time to answer whether an edit of the mappings may stand, by outcome (allowed, refused, overridden, unrelated, failed).",
		Buckets: prometheus.DefBuckets,
	}, []string{"outcome"})
	// Prometheus sees no increase in a series that begins with its first event.
	for _, reason := range []irsa.Reason{irsa.NotFound, irsa.Lookup, irsa.Unusable, irsa.Unreadable, irsa.Internal} {
		m.admissions.WithLabelValues(string(irsa.Degraded), string(reason))
	}
	m.edits.WithLabelValues(string(guard.Overridden))
	m.registry.MustRegister(
		m.admissions, m.latency, m.watchFails, m.edits,
		gauge("serviceaccounts", "Service accounts that are known.", func() float64 { all, _ := accounts.Len(); return float64(all) }),
		gauge("serviceaccounts_annotated", "Those of them that have annotations which count.", func() float64 { _, annotated := accounts.Len(); return float64(annotated) }),
		gauge("serviceaccounts_synced", "1 once all service accounts have been seen.", func() float64 { return truth(accounts.Synced()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	addExpiry(m.registry, ends)
	return m
}

func gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: ownNamespace, Name: name, Help: help}, value)
}

// Judged is told of every review of an edit of the mappings.
func (m *webhookMetrics) Judged(outcome guard.Outcome, took time.Duration) {
	m.edits.WithLabelValues(string(outcome)).Observe(took.Seconds())
}

// Reviewed makes it an irsa.Observer.
func (m *webhookMetrics) Reviewed(ctx context.Context, outcome irsa.Outcome, reason irsa.Reason, took time.Duration) {
	annotate(ctx, string(outcome), string(reason))
	m.admissions.WithLabelValues(string(outcome), string(reason)).Inc()
	m.latency.WithLabelValues(string(outcome)).Observe(took.Seconds())
}
