package oidc

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// LoadKey reads a signing key from a PEM file: RSA of 2048 to 8192 bits or ECDSA
// on P-256, P-384 or P-521, as PKCS #8 ("PRIVATE KEY"), PKCS #1 ("RSA PRIVATE
// KEY") or SEC 1 ("EC PRIVATE KEY"). Those are what kube-apiserver takes for
// --service-account-signing-key-file.
func LoadKey(data []byte) (Key, error) {
	block, err := firstKey(data)
	if err != nil {
		return Key{}, fmt.Errorf("not a signing key: %w", err)
	}
	private, err := parsePrivate(block)
	if err != nil {
		return Key{}, fmt.Errorf("not a signing key: %w", err)
	}
	key, err := newKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("not a signing key: %w", err)
	}
	return key, nil
}

// LoadPublicKey reads a verification key from a PEM file ("PUBLIC KEY" or "RSA
// PUBLIC KEY"), as kube-apiserver takes it for --service-account-key-file. Of a
// private key it takes the public half.
func LoadPublicKey(data []byte) (PublicKey, error) {
	block, err := firstKey(data)
	if err != nil {
		return PublicKey{}, fmt.Errorf("not a public key: %w", err)
	}
	public, err := parsePublic(block)
	if err != nil {
		return PublicKey{}, fmt.Errorf("not a public key: %w", err)
	}
	key, err := newPublicKey(public)
	if err != nil {
		return PublicKey{}, fmt.Errorf("not a public key: %w", err)
	}
	return key, nil
}

// PEM is the private key as PKCS #8. Whoever has it signs for the issuer.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PEM is the public key as PKIX.
func (k PublicKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// firstKey skips the parameters that `openssl ecparam -genkey` writes before the
// key. A second key is refused: which one was meant?
func firstKey(data []byte) (*pem.Block, error) {
	var found *pem.Block
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "EC PARAMETERS" {
			continue
		}
		if found != nil {
			return nil, errors.New("the file holds more than one PEM block")
		}
		found = block
	}
	if found == nil {
		return nil, errors.New("the file holds no PEM block")
	}
	return found, nil
}

func parsePrivate(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("it is encrypted; kube-apiserver could not read it either")
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("it is encrypted; kube-apiserver could not read it either")
	case "OPENSSH PRIVATE KEY":
		return nil, errors.New("it is in OpenSSH's own format; convert it with `ssh-keygen -p -m PKCS8 -f FILE`")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("it is the public half")
	default:
		return nil, fmt.Errorf("the PEM block is a %.40q", block.Type)
	}
	if err != nil {
		return nil, errors.New("the PEM block does not hold what its name says") // err might quote key material
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("neither an RSA nor an ECDSA key")
	}
	return signer, nil
}

func parsePublic(block *pem.Block) (crypto.PublicKey, error) {
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		private, err := parsePrivate(block)
		if err != nil {
			return nil, err
		}
		return private.Public(), nil
	}
	if err != nil {
		return nil, errors.New("the PEM block does not hold what its name says")
	}
	return key, nil
}
