package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/pki"
)

const (
	authorityName = "eksauthd"

	// renewBefore leaves a month to see that renewing does not work.
	renewBefore = 30 * 24 * time.Hour
	lookEvery   = 12 * time.Hour
)

// Keeper keeps a serving certificate in a folder: cert.pem, which is followed by
// its authority's, and key.pem, as aws-iam-authenticator calls them; and the
// authority in ca.crt and ca.key. Clients trust the authority, so that renewing
// the certificate goes unnoticed: kube-apiserver reads a webhook's kubeconfig
// only when it starts.
//
// A pair that something else made, aws-iam-authenticator for example, is used
// as it is and never replaced.
type Keeper struct {
	Dir   string
	Names []string // DNS names and IP addresses of the server
	Now   func() time.Time
	Log   *slog.Logger
}

// CertFile is the certificate's path.
func (k *Keeper) CertFile() string { return filepath.Join(k.Dir, "cert.pem") }

// KeyFile is the private key's path.
func (k *Keeper) KeyFile() string { return filepath.Join(k.Dir, "key.pem") }

// Keep makes the pair if it is missing, and makes it anew where it ends within
// thirty days or is for other names.
func (k *Keeper) Keep() error {
	leaf, err := k.load()
	if err != nil {
		return err
	}
	now := k.Now()
	switch {
	case leaf == nil:
		return k.make(now)
	case leaf.Issuer.CommonName != authorityName && now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate %s ended at %s, and it is not ours to renew: replace it, or delete it and %s to have a new one made",
			k.CertFile(), leaf.NotAfter.Format(time.RFC3339), filepath.Base(k.KeyFile()))
	case leaf.Issuer.CommonName == authorityName && !k.fits(leaf, now):
		return k.make(now)
	}
	return nil
}

// Run renews in time until ctx ends, and returns nil. Whoever serves the pair
// has to notice by himself, as Certificates does.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := k.Keep(); err != nil {
				k.Log.Error("the serving certificate could not be renewed", "error", err)
			}
		}
	}
}

// load returns nil where a pair should be made.
func (k *Keeper) load() (*x509.Certificate, error) {
	certPEM, certErr := readFile(k.CertFile())
	keyPEM, keyErr := readFile(k.KeyFile())
	if errors.Is(certErr, fs.ErrNotExist) || errors.Is(keyErr, fs.ErrNotExist) {
		return nil, nil // one without the other is of no use
	}
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err == nil {
		return cert.Leaf, nil
	}
	// A run that was cut short leaves two that do not belong together. That is
	// no loss where there is an authority to sign another.
	if _, ours := os.Stat(filepath.Join(k.Dir, "ca.crt")); ours == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("certificate %s with key %s: %w; replace them, or delete both to have a new pair made", k.CertFile(), k.KeyFile(), err)
}

func (k *Keeper) make(now time.Time) error {
	ca, err := pki.LoadOrCreateCA(k.Dir, authorityName, now)
	if err != nil {
		return err
	}
	leaf, err := ca.Issue(pki.Server(k.Names...), now)
	if err != nil {
		return err
	}
	// The key first: a certificate that is there has had its key.
	if err := atomicfile.Write(k.KeyFile(), leaf.KeyPEM, 0o600); err != nil {
		return err
	}
	if err := atomicfile.Write(k.CertFile(), slices.Concat(leaf.CertPEM, ca.PEM()), 0o644); err != nil {
		return err
	}
	k.Log.Info("made a serving certificate", "file", k.CertFile(), "names", k.Names, "not_after", leaf.TLS().Leaf.NotAfter)
	return nil
}

// fits reports whether leaf is for all the names, and will be for some time.
func (k *Keeper) fits(leaf *x509.Certificate, now time.Time) bool {
	for _, name := range k.Names {
		if leaf.VerifyHostname(hostname(name)) != nil {
			return false
		}
	}
	return !now.Before(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-renewBefore))
}

// hostname writes an IP address as VerifyHostname wants it.
func hostname(name string) string {
	if net.ParseIP(name) != nil {
		return "[" + name + "]"
	}
	return name
}
