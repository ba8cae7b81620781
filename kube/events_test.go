package kube

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/internal/logtest"
)

func TestWritesOneEventAMinuteForEachObjectAndReason(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []corev1.Event
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e corev1.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/v1/namespaces/apps/events" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		mu.Lock()
		events = append(events, e)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(e)
	}))
	t.Cleanup(server.Close)
	e, err := NewEvents(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, "eksauthd-webhook", slog.New(slog.NewTextHandler(&logtest.Buffer{}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	runUntilTheEnd(t, e.Run)
	web, db := Object{"ServiceAccount", "apps", "web"}, Object{"ServiceAccount", "apps", "db"}
	e.Warn(web, "AdmittedWithoutCredentials", "first")
	e.Warn(web, "AdmittedWithoutCredentials", "again")
	e.Warn(db, "AdmittedWithoutCredentials", "other")
	e.Warn(web, "AnotherReason", strings.Repeat("é", maxEventMessage))
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(events) }
	until(t, "three events", func() bool { return count() == 3 })
	mu.Lock()
	defer mu.Unlock()
	first := events[0]
	if first.InvolvedObject.Kind != "ServiceAccount" || first.InvolvedObject.Name != "web" || first.Type != "Warning" || first.Message != "first" || events[1].Message != "other" ||
		len(events[2].Message) > maxEventMessage || !strings.HasSuffix(events[2].Message, "é…") {
		t.Errorf("%+v", events)
	}
}

func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	e := &Events{queue: make(chan notice, maxEvents), now: func() time.Time { return now }, written: map[topic]time.Time{}}
	about := func(i int) Object { return Object{"ServiceAccount", "apps", fmt.Sprint(i)} }
	for i := range 3 * maxEvents {
		e.Warn(about(i), "R", "m") // must not wait
	}
	due := 0
	for i := range 3 * maxEvents {
		if e.isDue(topic{about(i), "R"}) {
			due++
		}
	}
	if due != maxEvents || len(e.queue) != maxEvents {
		t.Errorf("%d due, %d queued, want %d", due, len(e.queue), maxEvents)
	}
	now = now.Add(eventEvery)
	if !e.isDue(topic{about(0), "R"}) || len(e.written) != 1 {
		t.Errorf("a minute later: %d remembered", len(e.written))
	}
}
