package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newIssuerMetrics are what the issuer tells of itself.
func newIssuerMetrics(keys *issuerFollower, ends expiry) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		gauge("issuer_keys", "Keys that are published.", func() float64 { return float64(len(keys.current.Load().Keys)) }),
		gauge("issuer_folder_unusable", "1 while the folder cannot be used, and the keys before it are served.", func() float64 { return truth(keys.failure.Load() != nil) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	addExpiry(registry, ends)
	return registry
}
