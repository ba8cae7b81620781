package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/logtest"
	"github.com/eksauth/eksauth/internal/pki"
)

func newLog() (*slog.Logger, *logtest.Buffer) {
	b := &logtest.Buffer{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

// running is a Server at work.
type running struct {
	addr string
	stop context.CancelFunc
	done chan error
	log  *logtest.Buffer
}

func serve(t *testing.T, s Server) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{addr: l.Addr().String(), done: make(chan error, 1)}
	s.Log, r.log = newLog()
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- s.Serve(ctx, l) }()
	t.Cleanup(r.stop)
	return r
}

// until waits for a state of things.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func newPair(t *testing.T, names ...string) (*pki.CA, tls.Certificate) {
	t.Helper()
	ca, err := pki.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ca.Issue(pki.Server(names...), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca, p.TLS()
}

func client(trust *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
}

func get(c *http.Client, url string) (proto, body string, err error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Proto, string(b), err
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

func TestServesPlainAndTLS(t *testing.T) {
	t.Parallel()
	ca, cert := newPair(t, "127.0.0.1")
	plain := serve(t, Server{Handler: hello})
	secure := serve(t, Server{Handler: hello, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	for url, want := range map[string]string{"http://" + plain.addr: "HTTP/1.1", "https://" + secure.addr: "HTTP/2.0"} {
		proto, body, err := get(client(ca.Pool()), url)
		if err != nil || proto != want || body != "hello" {
			t.Errorf("%s: %s %q %v, want %s", url, proto, body, err, want)
		}
	}
	for _, r := range []*running{plain, secure} {
		r.stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", r.addr); err == nil {
			t.Error("it still listens")
		}
	}
}

func TestFinishesWhatItTook(t *testing.T) {
	t.Parallel()
	began, finish := make(chan struct{}), make(chan struct{})
	r := serve(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request was canceled")
		}
		io.WriteString(w, "done")
	})})
	got := make(chan string)
	go func() {
		_, body, err := get(client(nil), "http://"+r.addr)
		if err != nil {
			t.Error(err)
		}
		got <- body
	}()
	<-began
	r.stop()
	until(t, "no new connections", func() bool { _, err := net.Dial("tcp", r.addr); return err != nil })
	select {
	case err := <-r.done:
		t.Fatalf("it ended with a request under way: %v", err)
	default:
	}
	close(finish)
	if body := <-got; body != "done" {
		t.Errorf("the request got %q", body)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

func TestCutsOffWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := serve(t, Server{Grace: 20 * time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done() // Close cancels it
	})})
	failed := make(chan error)
	go func() {
		_, _, err := get(client(nil), "http://"+r.addr)
		failed <- err
	}()
	<-began
	r.stop()
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "did not finish within 20ms") {
		t.Errorf("%v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request went well")
	}
}

func TestReportsAListenerThatBreaks(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	log, _ := newLog()
	if err := (Server{Handler: hello, Log: log}).Serve(context.Background(), l); err == nil {
		t.Error("no error")
	}
}

func TestBoundsHeaders(t *testing.T) {
	t.Parallel()
	r := serve(t, Server{Handler: hello})
	req, err := http.NewRequest("GET", "http://"+r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	resp, err := client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP %d", resp.StatusCode)
	}
	// Who never finishes the headers is hung up on.
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	conn.SetDeadline(time.Now().Add(4 * readHeaderTimeout))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestErrorLog(t *testing.T) {
	t.Parallel()
	_, cert := newPair(t, "127.0.0.1")
	r := serve(t, Server{Handler: hello, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	// A probe: connects and hangs up.
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	until(t, "the probe is noted", func() bool { return strings.Contains(r.log.String(), "TLS handshake error") })
	if strings.Contains(r.log.String(), "level=WARN") {
		t.Errorf("a probe is worth no warning:\n%s", r.log)
	}
	// A client that does not trust us.
	if _, _, err := get(client(x509.NewCertPool()), "https://"+r.addr); err == nil {
		t.Fatal("the client trusts nobody and got an answer")
	}
	until(t, "a warning", func() bool { return strings.Contains(r.log.String(), "level=WARN") })
	if !strings.Contains(r.log.String(), "bad certificate") && !strings.Contains(r.log.String(), "unknown certificate") {
		t.Errorf("%s", r.log)
	}
}
