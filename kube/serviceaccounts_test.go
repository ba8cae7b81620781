package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/irsa"
)

const (
	prefix  = "eks.amazonaws.com"
	roleARN = "arn:aws:iam::111122223333:role/awesome.app"
)

// accountServer is an API server with service accounts, as far as their metadata
// goes. What comes after the first list comes through the watch.
type accountServer struct {
	*httptest.Server

	mu       sync.Mutex
	accounts map[string]map[string]string // annotations by "namespace/name"
	changes  chan map[string]any
	gets     atomic.Int64
	hold     chan struct{} // a GET waits for it to be closed; nil: none waits
	waiting  atomic.Int64
	mostWait atomic.Int64
}

func newAccountServer(t *testing.T) *accountServer {
	s := &accountServer{accounts: map[string]map[string]string{}, changes: make(chan map[string]any, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/serviceaccounts", s.collection)
	mux.HandleFunc("GET /api/v1/namespaces/{namespace}/serviceaccounts/{name}", s.get)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func accountObject(key string, annotations map[string]string) map[string]any {
	namespace, name, _ := strings.Cut(key, "/")
	return map[string]any{
		"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
		"metadata": map[string]any{"namespace": namespace, "name": name, "annotations": annotations, "resourceVersion": "7"},
	}
}

func (s *accountServer) set(key string, annotations map[string]string) {
	s.mu.Lock()
	s.accounts[key] = annotations
	s.mu.Unlock()
}

func (s *accountServer) tell(kind, key string, annotations map[string]string) {
	s.changes <- map[string]any{"type": kind, "object": accountObject(key, annotations)}
}

func (s *accountServer) collection(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	if q.Get("watch") == "" {
		json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "it should stream"})
		return
	}
	out := json.NewEncoder(w)
	if q.Get("sendInitialEvents") == "true" {
		s.mu.Lock()
		for key, annotations := range s.accounts {
			out.Encode(map[string]any{"type": "ADDED", "object": accountObject(key, annotations)})
		}
		s.mu.Unlock()
		end := accountObject("", map[string]string{"k8s.io/initial-events-end": "true"})
		out.Encode(map[string]any{"type": "BOOKMARK", "object": end})
	}
	w.(http.Flusher).Flush()
	for {
		select {
		case change := <-s.changes:
			out.Encode(change)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (s *accountServer) get(w http.ResponseWriter, r *http.Request) {
	s.gets.Add(1)
	if s.hold != nil {
		s.mostWait.Store(max(s.mostWait.Load(), s.waiting.Add(1)))
		defer s.waiting.Add(-1)
		select {
		case <-s.hold:
		case <-r.Context().Done():
		}
	}
	key := r.PathValue("namespace") + "/" + r.PathValue("name")
	s.mu.Lock()
	annotations, ok := s.accounts[key]
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !ok {
		w.WriteHeader(404)
		json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "no such thing"})
		return
	}
	json.NewEncoder(w).Encode(accountObject(key, annotations))
}

func newServiceAccounts(t *testing.T, url string) *ServiceAccounts {
	t.Helper()
	a, err := NewServiceAccounts(&rest.Config{Host: url}, prefix, slog.New(slog.NewTextHandler(&logtest.Buffer{}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func runUntilTheEnd(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run goes on after its context has ended")
		}
	})
}

func withRole(arn string) map[string]string {
	return map[string]string{prefix + "/role-arn": arn, "something": "else"}
}

func TestFollowsServiceAccounts(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.set("apps/annotated", withRole(roleARN))
	s.set("apps/plain", map[string]string{"something": "else"})
	a := newServiceAccounts(t, s.URL)
	runUntilTheEnd(t, a.Run)
	until(t, "synced", a.Synced)
	if all, annotated := a.Len(); all != 2 || annotated != 1 {
		t.Errorf("%d known, %d annotated", all, annotated)
	}
	role := func(name string) string {
		account, err := a.Lookup(t.Context(), "apps", name)
		if err != nil {
			t.Fatal(err)
		}
		return account.RoleARN
	}
	if role("annotated") != roleARN || role("plain") != "" {
		t.Errorf("annotated %q, plain %q", role("annotated"), role("plain"))
	}
	if n := s.gets.Load(); n != 0 {
		t.Errorf("asked %d times about what it knows", n)
	}

	s.tell("MODIFIED", "apps/plain", withRole(roleARN+"2"))
	until(t, "the annotation", func() bool { return role("plain") == roleARN+"2" })
	s.tell("MODIFIED", "apps/annotated", nil)
	until(t, "the annotation is gone", func() bool { return role("annotated") == "" })
	if all, annotated := a.Len(); all != 2 || annotated != 1 {
		t.Errorf("%d known, %d annotated", all, annotated)
	}
	s.tell("DELETED", "apps/plain", withRole(roleARN+"2"))
	s.mu.Lock()
	delete(s.accounts, "apps/plain")
	s.mu.Unlock()
	until(t, "it is gone", func() bool {
		_, err := a.Lookup(t.Context(), "apps", "plain")
		return errors.Is(err, irsa.ErrNotFound)
	})
	if all, annotated := a.Len(); all != 1 || annotated != 0 {
		t.Errorf("%d known, %d annotated", all, annotated)
	}
}

// The most-reported fault elsewhere: a service account that was created a moment
// before its pod.
func TestAsksAboutWhomItHasNotSeen(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	a := newServiceAccounts(t, s.URL)
	ask := func(name string) (irsa.ServiceAccount, error) { return a.Lookup(t.Context(), "apps", name) }

	s.set("apps/early", withRole(roleARN))
	if account, err := ask("early"); err != nil || account.RoleARN != roleARN {
		t.Errorf("before it watches: %+v, %v", account, err)
	}
	runUntilTheEnd(t, a.Run)
	until(t, "synced", a.Synced)
	s.set("apps/new", withRole(roleARN))
	if account, err := ask("new"); err != nil || account.RoleARN != roleARN {
		t.Errorf("not seen yet: %+v, %v", account, err)
	}
	if _, err := ask("missing"); !errors.Is(err, irsa.ErrNotFound) || !strings.Contains(err.Error(), "apps/missing") {
		t.Errorf("one that does not exist: %v", err)
	}
	s.CloseClientConnections()
	s.Close()
	if _, err := ask("other"); err == nil || errors.Is(err, irsa.ErrNotFound) {
		t.Errorf("without an API server: %v", err)
	}
}

// Whoever creates pods must not be able to flood the API server.
func TestQuestionsAreBounded(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.hold = make(chan struct{})
	a := newServiceAccounts(t, s.URL)
	var all sync.WaitGroup
	var failed atomic.Int64
	for i := range 3 * maxAsks {
		name := fmt.Sprintf("sa-%d", i)
		s.set("apps/"+name, withRole(roleARN))
		for range 3 {
			all.Go(func() {
				if account, err := a.Lookup(t.Context(), "apps", name); err != nil || account.RoleARN != roleARN {
					failed.Add(1)
				}
			})
		}
	}
	until(t, "questions wait", func() bool { return s.waiting.Load() == maxAsks })
	close(s.hold)
	all.Wait()
	if failed.Load() != 0 || s.mostWait.Load() > maxAsks || s.gets.Load() > 9*maxAsks {
		t.Errorf("%d failed, at most %d at once, %d in all", failed.Load(), s.mostWait.Load(), s.gets.Load())
	}
}

func TestAQuestionDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.hold = make(chan struct{})
	defer close(s.hold)
	a := newServiceAccounts(t, s.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Lookup(ctx, "apps", "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its caller's time is up: %v", err)
	}
	if _, err := a.Lookup(t.Context(), "apps", "y"); err == nil || !strings.Contains(err.Error(), "did not answer within") {
		t.Errorf("the API server hangs: %v", err)
	}
}
