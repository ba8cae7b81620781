package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/controlplane"
	"github.com/eksauth/eksauth/internal/pki"
	"github.com/eksauth/eksauth/internal/serving"
	"github.com/eksauth/eksauth/oidc"
)

// issuerFiles are what a local issuer keeps in its data directory. Its signing
// key is that of the control plane, so that tokens of both verify alike.
type issuerFiles struct{ dataDir string }

func (f issuerFiles) dir() string          { return filepath.Join(f.dataDir, "issuer") }
func (f issuerFiles) authority() string    { return filepath.Join(f.dir(), "ca.crt") }
func (f issuerFiles) url() string          { return filepath.Join(f.dir(), "url") }
func (f issuerFiles) controlPlane() string { return filepath.Join(f.dataDir, "controlplane") }

// issuer is the issuer as it was last started.
func (f issuerFiles) issuer() (*oidc.Issuer, error) {
	url, err := os.ReadFile(f.url())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Hint(fmt.Errorf("there is no issuer in %s", f.dataDir), "start it first: eksauth local --data-dir %s", f.dataDir)
	}
	if err != nil {
		return nil, err
	}
	return f.issuerAt(strings.TrimSpace(string(url)))
}

func (f issuerFiles) issuerAt(url string) (*oidc.Issuer, error) {
	signing, err := controlplane.SigningKey(f.controlPlane())
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(signing.PrivateFile)
	if err != nil {
		return nil, err
	}
	key, err := oidc.LoadKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", signing.PrivateFile, err)
	}
	keys, err := oidc.NewKeySet(key)
	if err != nil {
		return nil, err
	}
	return oidc.NewIssuer(url, keys)
}

// startIssuer serves the first cluster's issuer over TLS, by a CA of its own, and
// returns what verifies its tokens, and those of all other issuers that are
// providers of an account.
func (l *local) startIssuer(ctx context.Context) (*oidc.Verifier, error) {
	files := issuerFiles{l.dir}
	now := time.Now()
	ca, err := pki.LoadOrCreateCA(files.dir(), "eksauth local issuer", now)
	if err != nil {
		return nil, err
	}
	leaf, err := ca.LoadOrIssue(files.dir(), "issuer", pki.Server("127.0.0.1", "localhost"), now)
	if err != nil {
		return nil, err
	}
	listener, err := listenAgain(filepath.Join(files.dir(), "address"))
	if err != nil {
		return nil, err
	}
	issuer, err := files.issuerAt("https://" + listener.Addr().String())
	if err != nil {
		listener.Close()
		return nil, err
	}
	if err := atomicfile.Write(files.url(), []byte(issuer.URL()+"\n"), 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	l.issuer = issuer.URL()
	l.serve(ctx, listener, serving.Server{
		Handler: issuer.Handler(), Log: l.log, Grace: time.Second,
		TLS: &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}, MinVersion: tls.VersionTLS12},
	})
	return l.tokenVerifier(ca.PEM()), nil
}

// tokenVerifier verifies tokens of issuers whose certificates the system trusts, or
// the authorities.
func (l *local) tokenVerifier(authorities []byte) *oidc.Verifier {
	trust, err := x509.SystemCertPool()
	if err != nil {
		trust = x509.NewCertPool() // then only our own
	}
	trust.AppendCertsFromPEM(authorities)
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
		DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
	}
	l.onClose(transport.CloseIdleConnections)
	return &oidc.Verifier{Client: &http.Client{Transport: transport, Timeout: 15 * time.Second}, Log: l.log}
}
