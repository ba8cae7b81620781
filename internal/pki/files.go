package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// maxFile bounds what is read of a PEM file; one of ours has less than 4 KiB.
const maxFile = 64 << 10

// FileError is a file that is not what it should be. Its text holds nothing of
// the file's content.
type FileError struct {
	Path    string
	Message string // what is wrong with it, as the end of a sentence
	Hint    string // what to do about it
	Err     error  // the cause beneath, if there is one
}

func (e *FileError) Error() string {
	if e.Err != nil {
		return e.Path + " " + e.Message + ": " + e.Err.Error()
	}
	return e.Path + " " + e.Message
}

func (e *FileError) Unwrap() error { return e.Err }

type pairFiles struct{ cert, key string }

func filesOf(dir, name string) pairFiles {
	return pairFiles{cert: filepath.Join(dir, name+".crt"), key: filepath.Join(dir, name+".key")}
}

// writePair writes the key first: a certificate that is there has had its key.
func writePair(dir, name string, certPEM []byte, key crypto.PrivateKey) error {
	keyPEM, err := privateKeyPEM(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := filesOf(dir, name)
	if err := atomicfile.Write(files.key, keyPEM, 0o600); err != nil {
		return err
	}
	return atomicfile.Write(files.cert, certPEM, 0o644)
}

// readCertificate returns nil if there is no such file.
func readCertificate(path, hint string) (*x509.Certificate, error) {
	der, err := readPEM(path, "CERTIFICATE", hint)
	if der == nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &FileError{Path: path, Message: "is damaged", Hint: hint, Err: err}
	}
	return cert, nil
}

// readKey returns nil if there is no such file.
func readKey(path, hint string) (*ecdsa.PrivateKey, error) {
	key, err := readPrivateKey(path, hint)
	if key == nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, &FileError{Path: path, Message: "is not an ECDSA key", Hint: hint}
	}
	return ec, nil
}

// readPrivateKey returns nil if there is no such file. The parser's own error
// stays out of the text, so that no part of a key can be in it.
func readPrivateKey(path, hint string) (any, error) {
	der, err := readPEM(path, "PRIVATE KEY", hint)
	if der == nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, &FileError{Path: path, Message: "is damaged: not a private key in PKCS #8", Hint: hint}
	}
	return key, nil
}

// readPEM returns the content of the one block that the file at path must hold,
// or nil if there is no such file.
func readPEM(path, blockType, hint string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, &FileError{Path: path, Message: fmt.Sprintf("is longer than %d bytes", maxFile), Hint: hint}
	}
	block, _ := pem.Decode(data)
	switch {
	case len(data) == 0:
		return nil, &FileError{Path: path, Message: "is empty", Hint: hint}
	case block == nil:
		return nil, &FileError{Path: path, Message: "is damaged: not in PEM format", Hint: hint}
	case block.Type != blockType:
		return nil, &FileError{Path: path, Message: fmt.Sprintf("holds a PEM block %q, not %q", block.Type, blockType), Hint: hint}
	}
	return block.Bytes, nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func privateKeyPEM(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
