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
	"math/big"
	"path/filepath"
	"time"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour

	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 30 * 24 * time.Hour

	// backdate lets machines whose clock is a little behind accept a new one.
	backdate = 5 * time.Minute
)

// CA is a certificate authority: an ECDSA P-256 key and the certificate that it
// signed itself (RFC 5280).
type CA struct {
	cert    *x509.Certificate
	certPEM []byte
	key     *ecdsa.PrivateKey
}

// NewCA makes an authority called commonName that is valid for ten years from now.
func NewCA(commonName string, now time.Time) (*CA, error) {
	if commonName == "" {
		return nil, fmt.Errorf("new certificate authority: it has no name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("new certificate authority: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, fmt.Errorf("new certificate authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs leaves, no further authorities
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("new certificate authority: %w", err)
	}
	return newCA(der, key)
}

func newCA(der []byte, key *ecdsa.PrivateKey) (*CA, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return &CA{cert: cert, certPEM: certificatePEM(der), key: key}, nil
}

// LoadOrCreateCA returns the authority that is kept in dir as ca.crt and ca.key.
// It makes one called commonName, and dir, where there is none, where a run that
// was to make one was cut short, and where it ends within thirty days. A file that
// is there and is not what it should be is a *FileError and left as it is: whoever
// trusts the authority would have to be told of another.
func LoadOrCreateCA(dir, commonName string, now time.Time) (*CA, error) {
	ca, err := loadCA(dir, "ca")
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	if ca != nil && now.Before(ca.cert.NotAfter.Add(-renewBefore)) {
		return ca, nil
	}
	return createCA(dir, "ca", commonName, now)
}

func createCA(dir, name, commonName string, now time.Time) (*CA, error) {
	ca, err := NewCA(commonName, now)
	if err != nil {
		return nil, err
	}
	if err := writePair(dir, name, ca.certPEM, ca.key); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return ca, nil
}

// loadCA returns nil where a new authority should be made.
func loadCA(dir, name string) (*CA, error) {
	files := filesOf(dir, name)
	hint := fmt.Sprintf("put both files back, or delete %s and %s: a new authority will be made, and all who trust this one must be told", files.cert, files.key)
	cert, err := readCertificate(files.cert, hint)
	if err != nil || cert == nil {
		// Without a certificate nobody can trust the key yet: the key is written
		// first, so that is what a run cut short leaves.
		return nil, err
	}
	key, err := readKey(files.key, hint)
	if err != nil {
		return nil, err
	}
	switch {
	case key == nil:
		return nil, &FileError{Path: files.key, Message: "is missing, and " + filepath.Base(files.cert) + " is of no use without it", Hint: hint}
	case !cert.IsCA:
		return nil, &FileError{Path: files.cert, Message: "is not the certificate of an authority", Hint: hint}
	case !key.PublicKey.Equal(cert.PublicKey):
		return nil, &FileError{Path: files.key, Message: "is not the key of " + filepath.Base(files.cert), Hint: hint}
	}
	return newCA(cert.Raw, key)
}

// ParseCA reads an authority from its certificate and its key, both PEM. Its
// errors hold nothing of either.
func ParseCA(certPEM, keyPEM []byte) (*CA, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, errors.New("certificate authority: its certificate and key cannot be read or do not belong together")
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, errors.New("certificate authority: it is not one with an ECDSA key")
	}
	return newCA(pair.Leaf.Raw, key)
}

// KeyPEM returns the private key, in PKCS #8.
func (ca *CA) KeyPEM() ([]byte, error) { return privateKeyPEM(ca.key) }

// NotAfter is when the authority ends.
func (ca *CA) NotAfter() time.Time { return ca.cert.NotAfter }

// PEM returns the authority's certificate, which is what others need to trust it.
func (ca *CA) PEM() []byte { return ca.certPEM }

// Pool returns a pool that trusts this authority and no other.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// serialNumber is random: RFC 5280 section 4.1.2.2 wants it unique and positive,
// in at most 20 octets.
func serialNumber() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return n.Add(n, big.NewInt(1)), nil
}
