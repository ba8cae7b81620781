package kube

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eksauth/eksauth/internal/pki"
)

// webhookAuthority is the common name of the authorities.
const webhookAuthority = "eksauthd webhook"

// renewal is what a Secret is to hold: tls.crt and tls.key, ca.crt and ca.key, and
// for the authorities that follow, ca-2.crt and ca-2.key and so on.
type renewal struct {
	data        map[string][]byte
	authorities pki.Authorities // the oldest first; never empty
	changed     bool
	faults      []string // of what was there
}

// renew takes what a Secret holds and does what is due at now: an authority that is
// known for the time of notice before it signs, a certificate that is good for the
// names and does not end soon. What cannot be read is made anew, and what has ended
// is taken away.
func renew(old map[string][]byte, names []string, now time.Time, notice time.Duration) (renewal, error) {
	r := renewal{data: maps.Clone(old)}
	if r.data == nil {
		r.data = map[string][]byte{}
	}
	next := r.readAuthorities(now)
	if r.authorities.Due(now, notice) {
		ca, err := pki.NewCA(webhookAuthority, now)
		if err != nil {
			return renewal{}, err
		}
		keyPEM, err := ca.KeyPEM()
		if err != nil {
			return renewal{}, err
		}
		r.put(pki.AuthorityName(next)+".crt", ca.PEM())
		r.put(pki.AuthorityName(next)+".key", keyPEM)
		r.authorities = append(r.authorities, ca)
	}
	if r.hasCertificate(names, now) {
		return r, nil
	}
	leaf, err := r.authorities.Signing(now).Issue(pki.Server(names...), now)
	if err != nil {
		return renewal{}, err
	}
	r.put(corev1.TLSCertKey, leaf.CertPEM)
	r.put(corev1.TLSPrivateKeyKey, leaf.KeyPEM)
	return r, nil
}

func (r *renewal) put(key string, value []byte) {
	r.changed = true
	r.data[key] = value
}

// readAuthorities keeps those that can sign, and returns the number of the next.
func (r *renewal) readAuthorities(now time.Time) (next int) {
	var numbers []int
	for key := range r.data {
		if n := pki.AuthorityNumber(key); n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	next = 1
	for _, n := range numbers {
		cert, key := pki.AuthorityName(n)+".crt", pki.AuthorityName(n)+".key"
		ca, err := pki.ParseCA(r.data[cert], r.data[key])
		if err == nil && now.Before(ca.NotAfter()) {
			r.authorities, next = append(r.authorities, ca), n+1
			continue
		}
		if err != nil {
			r.faults = append(r.faults, fmt.Sprintf("%s: %v", cert, err))
		}
		r.changed = true
		delete(r.data, cert)
		delete(r.data, key)
	}
	return next
}

func (r *renewal) hasCertificate(names []string, now time.Time) bool {
	cert, key := r.data[corev1.TLSCertKey], r.data[corev1.TLSPrivateKeyKey]
	if len(bytes.TrimSpace(cert)) == 0 && len(bytes.TrimSpace(key)) == 0 {
		return false
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		r.faults = append(r.faults, "tls.crt and tls.key cannot be read or do not belong together")
		return false
	}
	return pki.Fits(pair.Leaf, names, now) && r.authorities.Signed(pair.Leaf, now)
}
