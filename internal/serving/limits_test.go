package serving

import (
	"context"
	"errors"
	"fmt"
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
	limits := &Limits{Requests: 5, Refused: turnedAway.note}
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
	for i, client := range []string{"192.0.2.1:1", "192.0.2.1:2", "[2001:db8::1]:1", "192.0.2.2:1", "192.0.2.3:1"} {
		wg.Go(func() { ask([]string{"/", "/panic", "/", "/", "/"}[i], client) })
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
	if got := limits.InFlight(); got != 5 {
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
	limits := &Limits{Bytes: 170, Body: 60, Refused: turnedAway.note}
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
	if got := ask("a", 56); got != 429 {
		t.Errorf("more than its half: %d", got)
	}
	hold("b", -1)                          // counts as 60
	if got := ask("c", 1000); got != 429 { // no more than 60 of it are read
		t.Errorf("more than is left: %d", got)
	}
	hold("c", 40)
	close(release)
	wg.Wait()
	if want := []Refusal{TooManyBytes, TooManyBytes}; !slices.Equal(turnedAway.seen(), want) || limits.bytes.sum() != 0 || limits.InFlight() != 0 {
		t.Errorf("told of %v; left behind: %d bytes, %d requests", turnedAway.seen(), limits.bytes.sum(), limits.InFlight())
	}
}

// Whatever others hold, there is something left for one more: pods that fill a webhook
// must not keep the API server from it.
func TestGreedyClientsLeaveRoom(t *testing.T) {
	t.Parallel()
	const most = 2048
	var taken tally
	for i := range 9 {
		for taken.take(fmt.Sprint("greedy", i), 1, most) {
		}
	}
	held := 0
	for taken.take("the API server", 1, most) {
		held++
	}
	if held == 0 || taken.sum() > most {
		t.Errorf("nine leave %d of %d", held, most)
	}
	// When they come back for more, none gets what is another's: all have as much.
	for range 20 * most {
		for i := range 9 {
			client := fmt.Sprint("greedy", i)
			taken.giveBack(client, 1)
			for taken.take(client, 1, most) {
			}
		}
		for taken.take("the API server", 1, most) {
			held++
		}
		if held >= most/12 {
			return
		}
	}
	t.Errorf("after a while it has %d of %d, of ten", held, most)
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
