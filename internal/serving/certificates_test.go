package serving

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/pki"
)

// files are a pair that ca signed, in a folder.
func writePair(t *testing.T, dir string, ca *pki.CA, chain bool, names ...string) (certFile, keyFile string) {
	t.Helper()
	p, err := ca.Issue(pki.Server(names...), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cert := p.CertPEM
	if chain {
		cert = append(cert, ca.PEM()...)
	}
	for file, data := range map[string][]byte{keyFile: p.KeyPEM, certFile: cert} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func newCA(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestFollowsItsFiles(t *testing.T) {
	t.Parallel()
	dir, first, second := t.TempDir(), newCA(t), newCA(t)
	log, logged := newLog()
	var changes atomic.Int64
	c := &Certificates{Log: log, Every: 2 * time.Millisecond, Changed: func() { changes.Add(1) }}
	c.CertFile, c.KeyFile = writePair(t, dir, first, true, "127.0.0.1")
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	r := serve(t, Server{Handler: hello, TLS: c.TLS()})
	trusted := func(ca *pki.CA) bool {
		_, _, err := get(client(ca.Pool()), "https://"+r.addr)
		return err == nil
	}
	if !trusted(first) || trusted(second) || changes.Load() != 0 {
		t.Fatalf("first %t, second %t, %d changes", trusted(first), trusted(second), changes.Load())
	}
	writePair(t, dir, second, true, "127.0.0.1")
	until(t, "the second pair", func() bool { return trusted(second) && changes.Load() == 1 })
	if string(c.Authority()) != string(second.PEM()) || !c.HasAuthority() {
		t.Error("the authority is not the second")
	}

	// A key that is not the certificate's: the pair before stays.
	const complaint = "cannot be used"
	until(t, "quiet", func() bool { return c.Load() == nil })
	before := strings.Count(logged.String(), complaint)
	if err := os.WriteFile(c.KeyFile, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "a warning", func() bool { return strings.Count(logged.String(), complaint) > before })
	time.Sleep(20 * time.Millisecond) // several looks
	if !trusted(second) || strings.Count(logged.String(), complaint) != before+1 {
		t.Errorf("trusted %t, log:\n%s", trusted(second), logged)
	}
	writePair(t, dir, first, true, "127.0.0.1")
	until(t, "the first again", func() bool { return trusted(first) })
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	log, _ := newLog()
	ca := newCA(t)
	for _, tc := range []struct {
		name  string
		spoil func(c *Certificates) error
		want  string
	}{
		{"no certificate", func(c *Certificates) error { return os.Remove(c.CertFile) }, "no such file"},
		{"no key", func(c *Certificates) error { return os.Remove(c.KeyFile) }, "no such file"},
		{"not PEM", func(c *Certificates) error { return os.WriteFile(c.CertFile, []byte("x"), 0o600) }, "tls.crt with key"},
		{"another key", func(c *Certificates) error {
			other := t.TempDir()
			_, key := writePair(t, other, ca, false, "x")
			return os.Rename(key, c.KeyFile)
		}, "private key does not match"},
		{"too long", func(c *Certificates) error { return os.WriteFile(c.KeyFile, make([]byte, maxFile+1), 0o600) }, "longer than"},
	} {
		c := &Certificates{Log: log}
		c.CertFile, c.KeyFile = writePair(t, t.TempDir(), ca, false, "127.0.0.1")
		if err := tc.spoil(c); err != nil {
			t.Fatal(err)
		}
		if err := c.Load(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if !c.NotAfter().IsZero() || c.Authority() != nil || c.HasAuthority() {
			t.Errorf("%s: it has a certificate", tc.name)
		}
		if _, err := c.TLS().GetCertificate(nil); err == nil {
			t.Errorf("%s: it serves a certificate", tc.name)
		}
	}
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	log, _ := newLog()
	ca := newCA(t)
	for _, chain := range []bool{true, false} {
		c := &Certificates{Log: log}
		c.CertFile, c.KeyFile = writePair(t, t.TempDir(), ca, chain, "127.0.0.1")
		if err := c.Load(); err != nil {
			t.Fatal(err)
		}
		if c.HasAuthority() != chain {
			t.Errorf("chain %t: HasAuthority %t", chain, c.HasAuthority())
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.Authority()) {
			t.Fatal("no certificate in Authority")
		}
		r := serve(t, Server{Handler: hello, TLS: c.TLS()})
		if _, _, err := get(client(pool), "https://"+r.addr); err != nil {
			t.Errorf("chain %t: who trusts Authority does not trust the server: %v", chain, err)
		}
	}
}
