package serving

import (
	"net"
	"net/http"
	"sync"
)

// Limits bound what clients can make a server hold at any one time, all together
// and each. A client is an IP address; it may have as much as it leaves free: half of
// all while it is alone, a third when there is another as greedy, and so on, so that
// there is always something for one more. Zero is no bound.
// A Limits is for one server, and is not copied after its first use.
type Limits struct {
	Requests    int64
	Connections int64
	// Bytes bounds the bodies of those requests together, by what they say of
	// their length. One that says nothing counts as Body, and so does one that
	// says more: its handler reads no more.
	Bytes, Body int64
	// Refused, if not nil, is told of everything that was turned away.
	Refused func(Refusal)

	requests, bytes, connections tally
}

// Refusal says which bound was met; it is fit to be a metric's label.
type Refusal string

// The refusals.
const (
	TooManyRequests    Refusal = "requests"
	TooManyBytes       Refusal = "bytes"
	TooManyConnections Refusal = "connections"
)

// InFlight is how many requests are being answered.
func (l *Limits) InFlight() int64 { return l.requests.sum() }

// Open is how many connections there are.
func (l *Limits) Open() int64 { return l.connections.sum() }

// Handler bounds the requests that h answers. Those over the bound get 429 with a
// Retry-After, before anything is read of them: kube-apiserver waits and asks
// again (k8s.io/client-go v0.37.2, rest/with_retry.go).
func (l *Limits) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, length := hostOf(r.RemoteAddr), r.ContentLength
		if length < 0 || length > l.Body {
			length = l.Body
		}
		if !l.requests.take(client, 1, l.Requests) {
			l.turnAway(w, TooManyRequests)
			return
		}
		defer l.requests.giveBack(client, 1)
		if !l.bytes.take(client, length, l.Bytes) {
			l.turnAway(w, TooManyBytes)
			return
		}
		defer l.bytes.giveBack(client, length)
		h.ServeHTTP(w, r)
	})
}

func (l *Limits) turnAway(w http.ResponseWriter, r Refusal) {
	l.refuse(r)
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many requests at once", http.StatusTooManyRequests)
}

// Listener bounds the connections that inner accepts. Those over the bound are
// closed at once: one that waited would look like a server that does not answer.
func (l *Limits) Listener(inner net.Listener) net.Listener { return &boundedListener{inner, l} }

func (l *Limits) refuse(r Refusal) {
	if l.Refused != nil {
		l.Refused(r)
	}
}

type boundedListener struct {
	net.Listener
	limits *Limits
}

func (b *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l, client := b.limits, hostOf(conn.RemoteAddr().String())
		if l.connections.take(client, 1, l.Connections) {
			return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { l.connections.giveBack(client, 1) })}, nil
		}
		l.refuse(TooManyConnections)
		conn.Close()
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// tally counts what clients hold.
type tally struct {
	mu  sync.Mutex
	all int64
	of  map[string]int64
}

// take counts n more of client, unless all together would then have more than
// most, or this one more than is left.
func (t *tally) take(client string, n, most int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.of[client] + n
	if others := t.all - t.of[client]; most > 0 && (t.all+n > most || own > (most+1-others)/2) {
		return false
	}
	if t.of == nil {
		t.of = map[string]int64{}
	}
	t.all += n
	t.of[client] += n
	return true
}

func (t *tally) giveBack(client string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all -= n
	if t.of[client] -= n; t.of[client] == 0 {
		delete(t.of, client)
	}
}

func (t *tally) sum() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
