package main

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/internal/cli"
)

// Profiles are on an address of their own, if they are asked for, and nowhere else.
func TestProfilesOnRequest(t *testing.T) {
	t.Parallel()
	d := start(t, adaOfDev, "--sts-endpoint", newSTS(t), "--profiling-address", "127.0.0.1:0")
	m := regexp.MustCompile(`http://127\.0\.0\.1:\d+/debug/pprof/`).FindString(d.stderr.String())
	if m == "" {
		t.Fatalf("the log does not say where:\n%s", d.stderr)
	}
	for _, profile := range []string{"", "heap?debug=1", "goroutine?debug=1", "cmdline"} {
		if text := httpGet(t, m+profile); !strings.Contains(text, "goroutine") && !strings.Contains(text, "heap profile") && profile != "cmdline" {
			t.Errorf("%s: %.100q", profile, text)
		}
	}
	resp, err := http.Post(m+"symbol", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v", resp)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap"} {
		if code, _ := d.get(t, path); code != http.StatusNotFound {
			t.Errorf("the main port answers %s with %d", path, code)
		}
	}
}

func TestProfilesAreForThisMachine(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":6060", "0.0.0.0:6060", "[::]:6060", "192.0.2.1:6060", "example.com:6060", "127.0.0.1"} {
		l, err := (&profiling{address}).listen()
		if err == nil {
			l.Close()
		}
		if usage := (*cli.ExitError)(nil); !errors.As(err, &usage) || usage.Code != cli.ExitUsage {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", "localhost:0", "127.0.0.1:0"} {
		l, err := (&profiling{address}).listen()
		if err != nil {
			t.Errorf("%q: %v", address, err)
		}
		if l != nil {
			l.Close()
		}
	}
}
