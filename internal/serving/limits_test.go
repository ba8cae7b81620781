package serving

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// refusals notes what was turned away.
type refusals struct {
	mu  sync.Mutex
	all []Refusal
}

func (r *refusals) note(refusal Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, refusal)
}

func (r *refusals) seen() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	turnedAway := &refusals{}
	limits := &Limits{Requests: 3, Refused: turnedAway.note}
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	h := limits.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	}))
	ask := func(path, client string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, nil)
		r.RemoteAddr = client
		w := httptest.NewRecorder()
		defer func() { _ = recover() }() // as net/http does
		h.ServeHTTP(w, r)
		return w
	}
	var wg sync.WaitGroup
	for i, client := range []string{"192.0.2.1:1", "192.0.2.1:2", "[2001:db8::1]:1"} {
		wg.Go(func() { ask([]string{"/", "/panic", "/"}[i], client) })
	}
	for range 3 {
		<-arrived
	}
	for _, client := range []string{"192.0.2.1:3", "192.0.2.9:1"} {
		if w := ask("/", client); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v", client, w.Code, w.Header())
		}
	}
	if want := []Refusal{TooManyRequests, TooManyRequests}; !slices.Equal(turnedAway.seen(), want) {
		t.Errorf("told of %v, want %v", turnedAway.seen(), want)
	}
	if got := limits.InFlight(); got != 3 {
		t.Errorf("%d are under way", got)
	}
	close(release)
	wg.Wait()
	if limits.InFlight() != 0 || len(limits.requests.of) != 0 {
		t.Errorf("left behind: %d, %v", limits.InFlight(), limits.requests.of)
	}
	if w := ask("/", "192.0.2.1:4"); w.Code != http.StatusOK {
		t.Errorf("when there is room again: %d", w.Code)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	turnedAway := &refusals{}
	limits := &Limits{Bytes: 110, Body: 40, Refused: turnedAway.note}
	arrived, release := make(chan struct{}), make(chan struct{})
	h := limits.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	ask := func(client string, length int64) int {
		r := httptest.NewRequest("POST", "/", http.NoBody)
		r.RemoteAddr, r.ContentLength = client+":1", length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	var wg sync.WaitGroup
	hold := func(client string, length int64) {
		wg.Go(func() { ask(client, length) })
		<-arrived
	}
	hold("a", 30)
	if got := ask("a", 26); got != 429 {
		t.Errorf("more than its half: %d", got)
	}
	hold("b", -1)   // counts as 40
	hold("c", 1000) // no more than 40 of it are read
	if got := ask("d", 1); got != 429 {
		t.Errorf("more than all: %d", got)
	}
	close(release)
	wg.Wait()
	if want := []Refusal{TooManyBytes, TooManyBytes}; !slices.Equal(turnedAway.seen(), want) || limits.bytes.sum() != 0 || limits.InFlight() != 0 {
		t.Errorf("told of %v; left behind: %d bytes, %d requests", turnedAway.seen(), limits.bytes.sum(), limits.InFlight())
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	turnedAway := &refusals{}
	limits := &Limits{Connections: 4, Refused: turnedAway.note} // two for each
	r := serve(t, Server{Handler: hello, Limits: limits})
	clients := []*http.Client{{Transport: &http.Transport{}}, {Transport: &http.Transport{}}}
	for _, c := range clients {
		defer c.CloseIdleConnections()
		if _, _, err := get(c, "http://"+r.addr); err != nil {
			t.Fatal(err)
		}
	}
	late, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("one too many was served")
	}
	if got := turnedAway.seen(); !slices.Equal(got, []Refusal{TooManyConnections}) || limits.Open() != 2 {
		t.Errorf("told of %v; %d open", got, limits.Open())
	}
	if _, _, err := get(clients[0], "http://"+r.addr); err != nil {
		t.Errorf("one that was there before: %v", err)
	}
	clients[0].CloseIdleConnections()
	until(t, "one is closed", func() bool { return limits.Open() == 1 })
	if _, _, err := get(clients[0], "http://"+r.addr); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// Whoever balances the load needs time to notice.
func TestServesOnForTheDelay(t *testing.T) {
	t.Parallel()
	r := serve(t, Server{Handler: hello, Delay: 300 * time.Millisecond})
	if _, _, err := get(http.DefaultClient, "http://"+r.addr); err != nil {
		t.Fatal(err)
	}
	r.stop()
	time.Sleep(50 * time.Millisecond)
	c := client(nil) // with connections of its own
	if _, _, err := get(c, "http://"+r.addr); err != nil {
		t.Errorf("after the end was asked for: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if _, _, err := get(c, "http://"+r.addr); err == nil {
		t.Error("it serves for ever")
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	var order []string
	var mu sync.Mutex
	note := func(s string) { mu.Lock(); defer mu.Unlock(); order = append(order, s) }
	server := func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // finishes what it took
		note("server")
		return nil
	}
	work := func(ctx context.Context) error { <-ctx.Done(); note("work"); return nil }
	brief := func(context.Context) error { return nil }
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := Together(ctx, []func(context.Context) error{server}, []func(context.Context) error{work, brief}); err != nil {
		t.Error(err)
	}
	if want := []string{"server", "work"}; !slices.Equal(order, want) {
		t.Errorf("ended in the order %v, want %v", order, want)
	}
	broken := func(context.Context) error { return io.ErrUnexpectedEOF }
	for name, parts := range map[string][2][]func(context.Context) error{
		"a server fails": {{broken, server}, {work}},
		"work fails":     {{server}, {work, broken}},
	} {
		if err := Together(context.Background(), parts[0], parts[1]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
