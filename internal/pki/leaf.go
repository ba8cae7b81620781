package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// Request is what a certificate is to say; Server and Client make one.
type Request struct {
	subject pkix.Name
	dns     []string
	ips     []net.IP
	usage   x509.ExtKeyUsage
}

// Server asks for a serving certificate. Each name is a DNS name or an IP
// address under which clients reach the server; there must be at least one.
func Server(names ...string) Request {
	r := Request{usage: x509.ExtKeyUsageServerAuth}
	if len(names) > 0 {
		r.subject.CommonName = names[0]
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			r.ips = append(r.ips, ip)
		} else {
			r.dns = append(r.dns, name)
		}
	}
	return r
}

// Client asks for a client certificate. Kubernetes takes the common name for the
// user's name and the organizations for the user's groups.
func Client(user string, groups ...string) Request {
	return Request{
		subject: pkix.Name{CommonName: user, Organization: groups},
		usage:   x509.ExtKeyUsageClientAuth,
	}
}

func (r Request) check() error {
	switch {
	case r.subject.CommonName == "":
		return errors.New("it has no name")
	case r.usage == x509.ExtKeyUsageServerAuth && slices.Contains(r.dns, ""):
		return errors.New("one of its names is empty")
	}
	return nil
}

// Pair is a certificate and its private key, both PEM (the key in PKCS #8).
type Pair struct {
	CertPEM, KeyPEM []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// TLS returns the pair as crypto/tls wants it.
func (p Pair) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}
}

// Issue signs a new certificate with a new key. It is valid for a year from now,
// but not longer than the authority.
func (ca *CA) Issue(r Request, now time.Time) (Pair, error) {
	fail := func(err error) (Pair, error) { return Pair{}, fmt.Errorf("issue certificate: %w", err) }
	if err := r.check(); err != nil {
		return fail(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	serial, err := serialNumber()
	if err != nil {
		return fail(err)
	}
	end := now.Add(leafLifetime)
	if ca.cert.NotAfter.Before(end) {
		end = ca.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber:          serial,
		Subject:               r.subject,
		DNSNames:              r.dns,
		IPAddresses:           r.ips,
		NotBefore:             now.Add(-backdate),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{r.usage},
		BasicConstraintsValid: true,
	}, ca.cert, key.Public(), ca.key)
	if err != nil {
		return fail(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(err)
	}
	keyPEM, err := privateKeyPEM(key)
	if err != nil {
		return fail(err)
	}
	return Pair{CertPEM: certificatePEM(der), KeyPEM: keyPEM, cert: cert, key: key}, nil
}

// LoadOrIssue returns the certificate that is kept in dir as name.crt and
// name.key. It issues one, and makes dir, where there is none, where a run that
// was to make one was cut short, where it ends within thirty days, where the
// request now asks for something else, and where it was signed by another
// authority. A file that cannot be read is a *FileError and left as it is.
func (ca *CA) LoadOrIssue(dir, name string, r Request, now time.Time) (Pair, error) {
	p, err := ca.loadLeaf(dir, name, r, now)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	if p != nil {
		return *p, nil
	}
	issued, err := ca.Issue(r, now)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	if err := writePair(dir, name, issued.CertPEM, issued.key); err != nil {
		return Pair{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	return issued, nil
}

// loadLeaf returns nil where a new certificate should be issued.
func (ca *CA) loadLeaf(dir, name string, r Request, now time.Time) (*Pair, error) {
	files := filesOf(dir, name)
	hint := fmt.Sprintf("delete %s and %s: a new pair will be made", files.cert, files.key)
	cert, err := readCertificate(files.cert, hint)
	if err != nil {
		return nil, err
	}
	key, err := readKey(files.key, hint)
	if err != nil {
		return nil, err
	}
	// Key and certificate are two files and written one after the other, so a run
	// cut short may leave one of them, or two that do not belong together.
	if cert == nil || key == nil || !key.PublicKey.Equal(cert.PublicKey) || !ca.fits(cert, r, now) {
		return nil, nil
	}
	keyPEM, err := privateKeyPEM(key)
	if err != nil {
		return nil, err
	}
	return &Pair{CertPEM: certificatePEM(cert.Raw), KeyPEM: keyPEM, cert: cert, key: key}, nil
}

// fits reports whether cert says what r asks for, is this authority's, and will
// do so for some time.
func (ca *CA) fits(cert *x509.Certificate, r Request, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter.Add(-renewBefore)) &&
		cert.Subject.CommonName == r.subject.CommonName &&
		sameSet(cert.Subject.Organization, r.subject.Organization) &&
		slices.Equal(cert.DNSNames, r.dns) &&
		slices.EqualFunc(cert.IPAddresses, r.ips, net.IP.Equal) &&
		slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{r.usage}) &&
		cert.CheckSignatureFrom(ca.cert) == nil
}

// sameSet compares without order: in a certificate the organizations are an ASN.1
// SET, which DER sorts in its own way.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
