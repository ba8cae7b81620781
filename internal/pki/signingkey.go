package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// signingKeyBits is what Kubernetes' own tools make, and RS256 is what every
// relying party of its tokens understands, AWS STS among them.
const signingKeyBits = 2048

// SigningKey is a key pair on disk for service-account tokens, as
// kube-apiserver's --service-account-signing-key-file and
// --service-account-key-file want it.
type SigningKey struct {
	Key         *rsa.PrivateKey
	PrivateFile string // PKCS #8, mode 0600
	PublicFile  string // PKIX
}

// LoadOrCreateSigningKey returns the key pair that is kept in dir as name.key
// and name.pub. It makes one, and dir, where there is no name.key; name.pub
// follows from it. A name.key that cannot be read is a *FileError and left as it
// is: every token that it signed would no longer verify.
func LoadOrCreateSigningKey(dir, name string) (SigningKey, error) {
	k := SigningKey{PrivateFile: filepath.Join(dir, name+".key"), PublicFile: filepath.Join(dir, name+".pub")}
	fail := func(err error) (SigningKey, error) { return SigningKey{}, fmt.Errorf("signing key %s: %w", name, err) }

	hint := fmt.Sprintf("put the key back, or delete %s: a new one will be made, and tokens signed before will be refused", k.PrivateFile)
	found, err := readPrivateKey(k.PrivateFile, hint)
	if err != nil {
		return fail(err)
	}
	if found == nil {
		if k.Key, err = createSigningKey(k.PrivateFile); err != nil {
			return fail(err)
		}
	} else if rsaKey, ok := found.(*rsa.PrivateKey); ok {
		k.Key = rsaKey
	} else {
		return fail(&FileError{Path: k.PrivateFile, Message: "is not an RSA key", Hint: hint})
	}

	der, err := x509.MarshalPKIXPublicKey(k.Key.Public())
	if err != nil {
		return fail(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if old, err := os.ReadFile(k.PublicFile); err == nil && string(old) == string(public) {
		return k, nil
	}
	if err := atomicfile.Write(k.PublicFile, public, 0o644); err != nil {
		return fail(err)
	}
	return k, nil
}

func createSigningKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return nil, err
	}
	data, err := privateKeyPEM(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return key, atomicfile.Write(path, data, 0o600)
}
