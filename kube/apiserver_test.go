package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// apiServer speaks just enough of the API to list and watch ConfigMaps of one
// namespace.
type apiServer struct {
	*httptest.Server

	mu      sync.Mutex
	rv      int
	current map[string]string // data of aws-auth; nil if there is none
	events  []event           // all since rv 1
	expired int               // watches from at or before this version get 410
	down    int               // if not 0, the status of every answer
	lists   int
	watches map[chan struct{}]bool // open ones; each is told of news
}

type event struct {
	rv   int
	kind string
	data map[string]string
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{rv: 1, watches: map[chan struct{}]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/kube-system/configmaps", s.serve)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("asked for %s %s", r.Method, r.URL)
		http.NotFound(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.closeWatches()
		s.Server.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

// set makes data the object's; nil deletes it.
func (s *apiServer) set(data map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv++
	e := event{rv: s.rv, kind: "MODIFIED", data: data}
	switch {
	case data == nil:
		e.kind, e.data = "DELETED", s.current
	case s.current == nil:
		e.kind = "ADDED"
	}
	s.current = data
	s.events = append(s.events, e)
	for news := range s.watches {
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// closeWatches ends all watches that are open, as a load balancer does.
func (s *apiServer) closeWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for news := range s.watches {
		close(news)
		delete(s.watches, news)
	}
}

// expire forgets the past: who wants to go on from there must list again.
func (s *apiServer) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv++
	s.expired = s.rv - 1
}

func (s *apiServer) fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = status
}

func (s *apiServer) counts() (lists, watches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists, len(s.watches)
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	switch {
	case down != 0:
		w.WriteHeader(down)
		json.NewEncoder(w).Encode(status(down, http.StatusText(down)))
	case q.Get("fieldSelector") != "metadata.name=aws-auth":
		w.WriteHeader(400)
	case q.Get("watch") != "":
		s.watch(w, r)
	default:
		s.list(w)
	}
}

func (s *apiServer) list(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	// An object of another name as well, as from a server without selectors.
	items := []any{configMap("other", 1, map[string]string{"mapUsers": "- userarn: arn:aws:iam::111122223333:user/mallory\n  username: root\n"})}
	if s.current != nil {
		items = append(items, configMap(Name, s.rv, s.current))
	}
	json.NewEncoder(w).Encode(map[string]any{
		"kind": "ConfigMapList", "apiVersion": "v1",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.rv)}, "items": items,
	})
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		w.WriteHeader(400)
		return
	}
	news := make(chan struct{}, 1)
	s.mu.Lock()
	expired := from <= s.expired
	if !expired {
		s.watches[news] = true
	}
	s.mu.Unlock()
	out := json.NewEncoder(w)
	if expired { // within the stream, as etcd's compaction shows
		out.Encode(map[string]any{"type": "ERROR", "object": status(410, "Expired")})
		return
	}
	w.(http.Flusher).Flush()
	for {
		s.mu.Lock()
		var send []event
		for _, e := range s.events {
			if e.rv > from {
				send, from = append(send, e), e.rv
			}
		}
		s.mu.Unlock()
		for _, e := range send {
			out.Encode(map[string]any{"type": e.kind, "object": configMap(Name, e.rv, e.data)})
		}
		w.(http.Flusher).Flush()
		select {
		case _, open := <-news:
			if !open {
				return
			}
		case <-r.Context().Done():
			s.mu.Lock()
			delete(s.watches, news)
			s.mu.Unlock()
			return
		}
	}
}

func configMap(name string, rv int, data map[string]string) map[string]any {
	return map[string]any{
		"kind": "ConfigMap", "apiVersion": "v1", "data": data,
		"metadata": map[string]any{"name": name, "namespace": Namespace, "resourceVersion": strconv.Itoa(rv)},
	}
}

func status(code int, reason string) map[string]any {
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
		"reason": reason, "message": fmt.Sprintf("HTTP %d", code), "metadata": map[string]any{},
	}
}
