package drills

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// balancer is kube-proxy or a load balancer: it leads connections to backends in
// turn, and passes over those that do not accept any. What is reset on one side is
// reset on the other.
type balancer struct {
	net.Listener

	mu       sync.Mutex
	backends []string
	next     int
	silent   chan struct{} // closed: what is open says nothing any more
	open     map[net.Conn]bool
}

func newBalancer(t *testing.T, backends ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &balancer{Listener: l, backends: backends, silent: make(chan struct{}), open: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.lead(conn)
		}
	}()
	return b
}

func (b *balancer) port() int { return b.Addr().(*net.TCPAddr).Port }

// set is the news of which backends are ready.
func (b *balancer) set(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = backends
}

// forget is a firewall that loses its memory: open connections stay open, and
// nothing comes through them.
func (b *balancer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.silent)
	b.silent = make(chan struct{})
}

// reset ends what is open.
func (b *balancer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.open {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func (b *balancer) lead(in net.Conn) {
	defer func() {
		b.mu.Lock()
		delete(b.open, in)
		b.mu.Unlock()
		in.Close()
	}()
	b.mu.Lock()
	b.open[in] = true
	silent, backends := b.silent, slices.Clone(b.backends)
	b.next++
	first := b.next
	b.mu.Unlock()
	for i := range backends {
		out, err := net.DialTimeout("tcp", backends[(first+i)%len(backends)], time.Second)
		if err != nil {
			continue
		}
		defer out.Close()
		ended := make(chan struct{}, 2)
		go flow(out, in, silent, ended)
		go flow(in, out, silent, ended)
		<-ended
		return
	}
}

func flow(to, from net.Conn, silent <-chan struct{}, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-silent:
			io.Copy(io.Discard, from)
			return
		default:
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				resetLike(from, err)
				return
			}
		}
		if err != nil {
			resetLike(to, err)
			return
		}
	}
}

// resetLike has one side reset when it is closed, if the other was. Whoever writes to
// what was reset is told EPIPE if somebody else has read of the reset already.
func resetLike(conn net.Conn, err error) {
	if tcp, ok := conn.(*net.TCPConn); ok && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		tcp.SetLinger(0)
	}
}
