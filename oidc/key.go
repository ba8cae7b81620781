package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The sizes of RSA keys that are used, in bits. Less can be broken (NIST SP
// 800-131A); more makes each verification slow.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// PublicKey verifies tokens. It is what an issuer publishes.
type PublicKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
}

// ID is the key's id (kid), as kube-apiserver derives it: the SHA-256 of the DER
// SubjectPublicKeyInfo, in base64url without padding.
func (k PublicKey) ID() string { return k.id }

// Algorithm is what the key's owner signs with: RS256, ES256, ES384 or ES512.
// kube-apiserver uses RS256 for RSA keys of any size.
func (k PublicKey) Algorithm() string { return string(k.algorithm) }

func newPublicKey(key crypto.PublicKey) (PublicKey, error) {
	algorithm, err := algorithmOf(key)
	if err != nil {
		return PublicKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	sum := sha256.Sum256(der)
	return PublicKey{id: base64.RawURLEncoding.EncodeToString(sum[:]), algorithm: algorithm, key: key}, nil
}

func algorithmOf(key crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return jose.RS256, checkRSA(k)
	case *ecdsa.PublicKey:
		return curveAlgorithm(k)
	}
	return "", errors.New("neither an RSA nor an ECDSA key")
}

func checkRSA(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("an RSA key of %d bits; it needs %d to %d", bits, minRSABits, maxRSABits)
	}
	return nil
}

// curveAlgorithm is the one algorithm that RFC 7518 section 3.4 has for a curve.
func curveAlgorithm(k *ecdsa.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k.Curve {
	case elliptic.P256():
		return jose.ES256, nil
	case elliptic.P384():
		return jose.ES384, nil
	case elliptic.P521():
		return jose.ES512, nil
	}
	return "", fmt.Errorf("an ECDSA key on the curve %s; it needs P-256, P-384 or P-521", k.Params().Name)
}

// Key signs tokens. Its private half leaves it through [Key.PEM] only. The zero
// Key signs nothing.
type Key struct {
	private crypto.Signer
	public  PublicKey
	signer  jose.Signer
}

// Public is the half to publish.
func (k Key) Public() PublicKey { return k.public }

// String names the key and tells no secret.
func (k Key) String() string { return fmt.Sprintf("%s key %s", k.public.algorithm, k.public.id) }

// GenerateKey makes a signing key: RSA of 2048 bits for "RS256", ECDSA on P-256
// for "ES256".
func GenerateKey(algorithm string) (Key, error) {
	var private crypto.Signer
	var err error
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return Key{}, fmt.Errorf("cannot make a key for the algorithm %.20q; use RS256 or ES256", algorithm)
	}
	if err != nil {
		return Key{}, err
	}
	return newKey(private)
}

func newKey(private crypto.Signer) (Key, error) {
	public, err := newPublicKey(private.Public())
	if err != nil {
		return Key{}, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: public.algorithm,
		Key:       jose.JSONWebKey{Key: private, KeyID: public.id},
	}, nil)
	if err != nil {
		return Key{}, err
	}
	return Key{private: private, public: public, signer: signer}, nil
}
