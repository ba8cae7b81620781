package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/awsauth"
)

// addHealth adds /healthz, which answers while the program can answer at all,
// /readyz, which waits until every source of mappings has been read and was good
// once, and ends with the beginning of the program's end, and /metrics.
func (a *authenticator) addHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !a.flags.shutdown.refuse(w) {
			writeReady(w, a.live)
		}
	})
	mux.Handle("GET /metrics", metricsHandler(a.metrics.registry))
}

// wellBut is how a source is that can be read: faults of single entries keep nobody
// else out, so that they do not make the program unready.
func wellBut(faults []awsauth.Fault) string {
	errors := 0
	for _, f := range faults {
		if f.Severity == awsauth.Error {
			errors++
		}
	}
	count := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	var parts []string
	if errors > 0 {
		parts = append(parts, count(errors, "error"))
	}
	if warnings := len(faults) - errors; warnings > 0 {
		parts = append(parts, count(warnings, "warning"))
	}
	if len(parts) == 0 {
		return "ok"
	}
	return "read, with " + strings.Join(parts, " and ") + " that the log tells"
}

// neverGood reports whether a source, or one of its lists, cannot be read, and could
// not be since the program started.
func neverGood(s awsauth.SourceState) bool {
	return !s.Suspended && !s.Missing && len(s.Broken) > 0 && s.LastGood.IsZero()
}

// writeReady tells how each source is doing. One that was good and is now broken
// or gone does not make the program unready: its last good mappings still
// decide. One that was broken from the start does: a replica that knows nobody
// must not take the place of one that still knows everybody.
func writeReady(w http.ResponseWriter, live *awsauth.Live) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	states := live.State()
	if !live.Ready() || slices.ContainsFunc(states, neverGood) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, s := range states {
		state := "not read yet"
		switch {
		case s.Suspended:
			state = "not in use"
		case s.Missing:
			state = "does not exist"
		case s.Silent:
			state = "has nothing in it"
		case len(s.Broken) > 0:
			state = "cannot be read: " + strings.Join(s.Broken, ", ")
		case s.Synced:
			state = wellBut(s.Faults)
		}
		if neverGood(s) {
			state += "; there are no earlier mappings to use instead"
		}
		if len(s.Stale) > 0 {
			state += "; the last good mappings are in use"
		}
		fmt.Fprintf(w, "%s: %s (%d mappings)\n", s.Name, state, s.Entries)
	}
}
