package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eksauth/eksauth/awsauth"
)

// mappingsCollector tells how the sources of mappings are doing at the moment
// of asking.
type mappingsCollector struct{ live *awsauth.Live }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(ownNamespace, "mappings", name), help, append([]string{"source"}, labels...), nil)
}

var (
	descSynced   = describe("synced", "1 once the source has been read, or found missing.")
	descMissing  = describe("missing", "1 while the source does not exist.")
	descSilent   = describe("silent", "1 while the source exists and has nothing in it.")
	descEntries  = describe("entries", "Mappings of the source that are in use.")
	descBroken   = describe("broken_keys", "Keys of the source that cannot be read.")
	descStale    = describe("stale_keys", "Keys whose mappings in use are those of an earlier version of the source.")
	descFaults   = describe("faults", "What is wrong with the source.", "severity")
	descUpdated  = describe("updated_timestamp_seconds", "When the source was read last; 0 if never.")
	descLastGood = describe("last_good_timestamp_seconds", "When the source was last read and all of it could be used; 0 if never.")
)

func (mappingsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSynced, descMissing, descSilent, descEntries, descBroken, descStale, descFaults, descUpdated, descLastGood} {
		ch <- d
	}
}

func (c mappingsCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.live.State() {
		if s.Suspended && !s.Synced {
			continue // nobody has asked for it
		}
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.Name}, labels...)...)
		}
		gauge(descSynced, truth(s.Synced))
		gauge(descMissing, truth(s.Missing))
		gauge(descSilent, truth(s.Silent))
		gauge(descEntries, float64(s.Entries))
		gauge(descBroken, float64(len(s.Broken)))
		gauge(descStale, float64(len(s.Stale)))
		gauge(descUpdated, timestamp(s.Updated))
		gauge(descLastGood, timestamp(s.LastGood))
		faults := map[awsauth.Severity]int{}
		for _, f := range s.Faults {
			faults[f.Severity]++
		}
		for _, severity := range []awsauth.Severity{awsauth.Warning, awsauth.Error} {
			gauge(descFaults, float64(faults[severity]), severity.String())
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
