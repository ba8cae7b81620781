package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/eksauth/eksauth/awsauth"
)

// addHealth adds /healthz, which answers while the program can answer at all,
// /readyz, which waits for every source of mappings, and /metrics.
func addHealth(mux *http.ServeMux, live *awsauth.Live, m *metrics) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeReady(w, live) })
	mux.Handle("GET /metrics", m.handler())
}

// writeReady tells how each source is doing. A source that is stale or gone
// does not make the program unready: its last good mappings still decide, and
// another replica would be no better off.
func writeReady(w http.ResponseWriter, live *awsauth.Live) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !live.Ready() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, s := range live.State() {
		state := "not read yet"
		switch {
		case s.Missing:
			state = "does not exist"
		case len(s.Broken) > 0:
			state = "cannot be read: " + strings.Join(s.Broken, ", ")
		case s.Synced:
			state = "ok"
		}
		if len(s.Stale) > 0 {
			state += "; the last good mappings are in use"
		}
		fmt.Fprintf(w, "%s: %s (%d mappings)\n", s.Name, state, s.Entries)
	}
}
