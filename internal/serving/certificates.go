package serving

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFile bounds what is read of a certificate or key file.
	maxFile = 256 << 10

	defaultEvery = 10 * time.Second
)

// Certificates serves the pair in two PEM files and follows their changes. They
// are read again and again rather than watched: that works through the symlinks
// of mounted Secrets and on every file system.
type Certificates struct {
	CertFile, KeyFile string
	Log               *slog.Logger
	// Every is how often the files are looked at (default 10 s).
	Every time.Duration
	// Changed, if not nil, is called after every change has been taken into
	// use, by Run.
	Changed func()

	mu      sync.Mutex // one load at a time
	current atomic.Pointer[pair]
	failure string // of Run's last look; "" if all was well
}

type pair struct {
	certPEM, keyPEM []byte
	tls             *tls.Certificate
}

// Load reads the files now. On an error the pair before stays in use.
func (c *Certificates) Load() error {
	_, err := c.load()
	return err
}

func (c *Certificates) load() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &pair{}
	if p.certPEM, err = readFile(c.CertFile); err != nil {
		return false, err
	}
	if p.keyPEM, err = readFile(c.KeyFile); err != nil {
		return false, err
	}
	if now := c.current.Load(); now != nil && bytes.Equal(now.certPEM, p.certPEM) && bytes.Equal(now.keyPEM, p.keyPEM) {
		return false, nil
	}
	cert, err := tls.X509KeyPair(p.certPEM, p.keyPEM)
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
	}
	p.tls = &cert
	c.current.Store(p)
	return true, nil
}

// Run follows the files until ctx ends, and returns nil.
func (c *Certificates) Run(ctx context.Context) error {
	every := c.Every
	if every <= 0 {
		every = defaultEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.follow()
		}
	}
}

func (c *Certificates) follow() {
	changed, err := c.load()
	switch {
	case err != nil:
		// Once for each failure: between the writing of the one file and of the
		// other, the two do not belong together.
		if text := err.Error(); text != c.failure {
			c.failure = text
			c.Log.Warn("the changed certificate cannot be used; serving the one before", "error", text)
		}
		return
	case changed:
		c.Log.Info("serving a new certificate", "file", c.CertFile, "not_after", c.NotAfter())
		if c.Changed != nil {
			c.Changed()
		}
	}
	c.failure = ""
}

// TLS is the configuration of a server with the current pair. Load must have
// gone well once before it is used.
func (c *Certificates) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			p := c.current.Load()
			if p == nil {
				return nil, fmt.Errorf("no certificate has been loaded")
			}
			return p.tls, nil
		},
	}
}

// NotAfter is when the current certificate ends; the zero time without one.
func (c *Certificates) NotAfter() time.Time {
	if p := c.current.Load(); p != nil {
		return p.tls.Leaf.NotAfter
	}
	return time.Time{}
}

// Authority is what a client must trust to reach this server: the last
// certificate of the chain, in PEM. That is an authority's where the file has
// the whole chain; else the server's own, which only works until it is replaced.
func (c *Certificates) Authority() []byte {
	p := c.current.Load()
	if p == nil {
		return nil
	}
	chain := p.tls.Certificate
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[len(chain)-1]})
}

// AuthorityNotAfter is when the authority ends, or the certificate where it comes
// alone; the zero time without one.
func (c *Certificates) AuthorityNotAfter() time.Time {
	block, _ := pem.Decode(c.Authority())
	if block == nil {
		return time.Time{}
	}
	last, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return last.NotAfter
}

// HasAuthority reports whether Authority stays valid when the certificate is
// replaced by another of the same authority.
func (c *Certificates) HasAuthority() bool {
	p := c.current.Load()
	if p == nil || len(p.tls.Certificate) < 2 {
		return false
	}
	last, err := x509.ParseCertificate(p.tls.Certificate[len(p.tls.Certificate)-1])
	return err == nil && last.IsCA
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxFile)
	}
	return data, nil
}
