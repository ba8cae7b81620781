package token_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

// firewall passes connections on until it forgets those that it has: nothing comes
// through them any more, and nobody is told. New ones work.
type firewall struct {
	net.Listener
	to     string
	opened atomic.Int32

	mu        sync.Mutex
	forgotten chan struct{}
}

func newFirewall(t *testing.T, to string) *firewall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{Listener: l, to: to, forgotten: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.opened.Add(1)
			f.mu.Lock()
			go pass(conn, to, f.forgotten)
			f.mu.Unlock()
		}
	}()
	return f
}

func (f *firewall) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.forgotten)
	f.forgotten = make(chan struct{})
}

func pass(in net.Conn, to string, forgotten <-chan struct{}) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	ended := make(chan struct{}, 2)
	flow := func(to io.Writer, from io.Reader) {
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			select {
			case <-forgotten:
				if err == nil {
					continue // and says nothing
				}
			default:
			}
			if err != nil {
				ended <- struct{}{}
				return
			}
			to.Write(buffer[:n])
		}
	}
	go flow(out, in)
	go flow(in, out)
	<-ended
}

// A connection to STS that died in silence costs one question, and none once it has
// been idle for a while.
func TestASilentConnectionIsNotUsedAgain(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2]
		for _, idle := range []bool{false, true} {
			if idle && !http2 {
				continue // the kernel's keep-alives look through a proxy in user space
			}
			t.Run(name+map[bool]string{false: ", asked at once", true: ", found out by itself"}[idle], func(t *testing.T) {
				t.Parallel()
				server := httptest.NewUnstartedServer(adaAnswer)
				server.EnableHTTP2 = http2
				server.StartTLS()
				t.Cleanup(server.Close)
				wall := newFirewall(t, server.Listener.Addr().String())
				transport := token.NewTransport()
				transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com"}
				transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
				transport.ResponseHeaderTimeout = 500 * time.Millisecond
				if idle {
					transport.HTTP2.SendPingTimeout, transport.HTTP2.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
				}
				t.Cleanup(transport.CloseIdleConnections)
				endpoint := &url.URL{Scheme: "https", Host: wall.Addr().String()}
				v := &token.Verifier{ClusterID: "x", Partition: "aws", Endpoint: endpoint, Now: at(0), Client: &http.Client{Transport: transport}}
				raw, _, err := token.New(example, token.Options{ClusterID: "x", Endpoint: endpoint, Time: goldenTime})
				if err != nil {
					t.Fatal(err)
				}
				ask := func() error {
					_, err := v.Verify(context.Background(), raw)
					return err
				}
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				wall.forget()
				if idle {
					time.Sleep(time.Second)
				} else if err := ask(); err == nil {
					t.Fatal("the connection is not silent")
				}
				if err := ask(); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if n := wall.opened.Load(); n != 2 {
					t.Errorf("%d connections, want 2", n)
				}
			})
		}
	}
}
