package serving

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/pki"
)

const (
	authorityName = "eksauthd"

	lookEvery = 12 * time.Hour

	// notice is how long clients are told of an authority before it signs. They
	// are API servers, which read a webhook's kubeconfig only when they start.
	notice = 2 * 365 * 24 * time.Hour
)

// Keeper keeps a serving certificate in a folder: cert.pem, which is followed by
// its authority's, and key.pem, as aws-iam-authenticator calls them; and the
// authorities, in ca.crt and ca.key, two years before that one stops signing in
// ca-2.crt and ca-2.key as well, and so on. Clients trust them all, so that
// renewing the certificate goes unnoticed, and the change of authorities too.
//
// A pair that something else made, aws-iam-authenticator for example, is used
// as it is and never replaced.
type Keeper struct {
	Dir   string
	Names []string // DNS names and IP addresses of the server
	Now   func() time.Time
	Log   *slog.Logger
	// Changed, if not nil, is called by Run when there is another authority.
	Changed func()

	trust atomic.Pointer[pki.Authorities] // nil where the pair is not ours
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
	if leaf != nil && leaf.Issuer.CommonName != authorityName {
		if now.After(leaf.NotAfter) {
			return fmt.Errorf("the certificate %s ended at %s, and it is not ours to renew: replace it, or delete it and %s to have a new one made",
				k.CertFile(), leaf.NotAfter.Format(time.RFC3339), filepath.Base(k.KeyFile()))
		}
		k.trust.Store(nil)
		return nil
	}
	authorities, err := pki.LoadOrCreateAuthorities(k.Dir, authorityName, now, notice)
	if err != nil {
		return err
	}
	k.trust.Store(&authorities)
	if leaf != nil && pki.Fits(leaf, k.Names, now) {
		return nil
	}
	return k.make(authorities.Signing(now), now)
}

// Authorities is what clients must trust, in PEM, as of the last Keep: the
// authorities that have not ended. It is nil where the pair is not ours.
func (k *Keeper) Authorities() []byte {
	if trust := k.trust.Load(); trust != nil {
		return trust.PEM(k.Now())
	}
	return nil
}

// AuthorityNotAfter is when the youngest of them ends; the zero time without one.
func (k *Keeper) AuthorityNotAfter() time.Time {
	if trust := k.trust.Load(); trust != nil && len(*trust) > 0 {
		return (*trust)[len(*trust)-1].NotAfter()
	}
	return time.Time{}
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
			before := k.Authorities()
			if err := k.Keep(); err != nil {
				k.Log.Error("the serving certificate could not be renewed", "error", err)
			}
			if k.Changed != nil && !bytes.Equal(before, k.Authorities()) {
				k.Changed()
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

func (k *Keeper) make(ca *pki.CA, now time.Time) error {
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
