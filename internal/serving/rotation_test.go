package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Thirty years go by, with an API server that starts every 23 months and learns
// only then whom to trust. Certificates and authorities change under it, and no
// handshake fails.
func TestRotationDropsNothing(t *testing.T) {
	t.Parallel()
	var clock atomic.Pointer[time.Time]
	start := time.Now()
	clock.Store(&start)
	now := func() time.Time { return *clock.Load() }
	log, _ := newLog()
	k := &Keeper{Dir: t.TempDir(), Names: []string{"127.0.0.1"}, Now: now, Log: log}
	keep(t, k)
	certs := &Certificates{CertFile: k.CertFile(), KeyFile: k.KeyFile(), Log: log}
	if err := certs.Load(); err != nil {
		t.Fatal(err)
	}
	r := serve(t, Server{Handler: hello, TLS: certs.TLS()})

	var trust atomic.Pointer[x509.CertPool]
	apiServerStarts := func() {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(k.Authorities())
		trust.Store(pool)
	}
	apiServerStarts()
	var handshake sync.RWMutex // in which no month may go by
	ask := func() {
		handshake.RLock()
		defer handshake.RUnlock()
		c := &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: trust.Load(), Time: now},
			DisableKeepAlives: true, // a handshake for each request
		}}
		if _, body, err := get(c, "https://"+r.addr); err != nil || body != "hello" {
			t.Errorf("%s: %q %v", now().Format(time.DateOnly), body, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var asked [4]int
	for i := range asked {
		wg.Go(func() {
			for ctx.Err() == nil {
				ask()
				asked[i]++
			}
		})
	}
	serials, authorities := map[string]bool{}, map[string]bool{}
	started := start
	for at := start; at.Before(start.AddDate(30, 0, 0)); at = at.Add(20 * day) {
		handshake.Lock()
		clock.Store(&at)
		handshake.Unlock()
		keep(t, k)
		if err := certs.Load(); err != nil {
			t.Fatal(err)
		}
		if at.Sub(started) > 23*30*day {
			started = at
			apiServerStarts()
		}
		serials[certs.current.Load().tls.Leaf.SerialNumber.String()] = true
		authorities[string(certs.Authority())] = true
		ask()
	}
	stop()
	wg.Wait()
	if len(serials) < 30 || len(authorities) < 4 {
		t.Errorf("%d certificates of %d authorities in thirty years", len(serials), len(authorities))
	}
	for i, n := range asked {
		if n == 0 {
			t.Errorf("client %d asked nothing", i)
		}
	}
	if n := strings.Count(string(k.Authorities()), "BEGIN CERTIFICATE"); n > 2 {
		t.Errorf("%d authorities are trusted at the end", n)
	}
}

// A second authority is there two years before it signs, and whoever hands out
// what clients trust is told.
func TestTheNextAuthorityIsMadeInTime(t *testing.T) {
	t.Parallel()
	k, now := newKeeper(t, "localhost")
	keep(t, k)
	first := authority(t, k)
	*now = now.Add((10*365 - 395 - 2*365 - 1) * day)
	keep(t, k)
	if got := k.Authorities(); string(got) != string(first) {
		t.Errorf("early:\n%s", got)
	}
	*now = now.Add(2 * day)
	keep(t, k)
	both := k.Authorities()
	if len(both) <= len(first) || !strings.HasPrefix(string(both), string(first)) {
		t.Errorf("two years before the first stops signing:\n%s", both)
	}
	if string(authority(t, k)) != string(first) {
		t.Error("it signs already")
	}
	*now = now.Add(2 * 365 * day)
	keep(t, k)
	if got := string(authority(t, k)); got == string(first) || !strings.HasSuffix(string(both), got) {
		t.Errorf("two years later the serving certificate is signed by\n%s", got)
	}
	// What an administrator takes away is replaced, under a name of its own.
	for _, file := range []string{"ca.crt", "ca.key"} {
		if err := os.Remove(k.Dir + "/" + file); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, k)
	if got := k.Authorities(); strings.Contains(string(got), string(first)) {
		t.Errorf("still trusted:\n%s", got)
	}
}
