package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunCutShort leaves what a run leaves that ends between the two files.
func TestRunCutShort(t *testing.T) {
	t.Parallel()
	foreign, err := privateKeyPEM(newTestCA(t).key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		cut  func(dir string) error
	}{
		{"authority: key without certificate", func(dir string) error { return os.Remove(filepath.Join(dir, "ca.crt")) }},
		{"leaf: key without certificate", func(dir string) error { return os.Remove(filepath.Join(dir, "leaf.crt")) }},
		{"leaf: certificate without key", func(dir string) error { return os.Remove(filepath.Join(dir, "leaf.key")) }},
		{"leaf: new key, old certificate", func(dir string) error { return os.WriteFile(filepath.Join(dir, "leaf.key"), foreign, 0o600) }},
		{"signing key: no public key", func(dir string) error { return os.Remove(filepath.Join(dir, "sa.pub")) }},
		{"signing key: half a public key", func(dir string) error { return os.Truncate(filepath.Join(dir, "sa.pub"), 20) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			load := func() (*CA, Pair) {
				ca, err := LoadOrCreateCA(dir, "test authority", now)
				if err != nil {
					t.Fatal(err)
				}
				p, err := ca.LoadOrIssue(dir, "leaf", Server("localhost"), now)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := LoadOrCreateSigningKey(dir, "sa"); err != nil {
					t.Fatal(err)
				}
				return ca, p
			}
			load()
			if err := tc.cut(dir); err != nil {
				t.Fatal(err)
			}
			ca, p := load()
			if _, err := handshake(configs(ca, p, issue(t, ca, Client("ada")), "localhost", now)); err != nil {
				t.Error(err)
			}
			if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "leaf.crt"), filepath.Join(dir, "leaf.key")); err != nil {
				t.Error(err)
			}
			checkPublicKey(t, dir)
		})
	}
}

func checkPublicKey(t *testing.T, dir string) {
	t.Helper()
	k, err := LoadOrCreateSigningKey(dir, "sa")
	if err != nil {
		t.Fatal(err)
	}
	der, err := readPEM(k.PublicFile, "PUBLIC KEY", "")
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil || !k.Key.PublicKey.Equal(public) {
		t.Errorf("public key does not belong to the private one, or %v", err)
	}
}

func TestDamagedFilesAreNamedAndKept(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, err := privateKeyPEM(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	ca := newTestCA(t)
	leaf := issue(t, ca, Server("localhost"))
	const emptyCert = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
	for _, tc := range []struct {
		name, file, content, want string
	}{
		{"empty", "ca.crt", "", "is empty"},
		{"not PEM", "ca.crt", "\x00\x01", "not in PEM format"},
		{"too long", "ca.crt", string(ca.PEM()) + strings.Repeat("\n", maxFile), "is longer than 65536 bytes"},
		{"PEM of nothing", "ca.crt", emptyCert, "is damaged"},
		{"of another kind", "ca.crt", string(leaf.KeyPEM), `holds a PEM block "PRIVATE KEY", not "CERTIFICATE"`},
		{"a leaf", "ca.crt", string(leaf.CertPEM), "is not the certificate of an authority"},
		{"of another authority", "ca.crt", string(ca.PEM()), "is not the key of ca.crt"},
		{"not PEM", "ca.key", "secret words", "not in PEM format"},
		{"not a key", "ca.key", strings.ReplaceAll(string(leaf.CertPEM), "CERTIFICATE", "PRIVATE KEY"), "not a private key"},
		{"of another algorithm", "ca.key", string(rsaPEM), "is not an ECDSA key"},
		{"of another authority", "ca.key", string(leaf.KeyPEM), "is not the key of ca.crt"},
		{"not PEM", "leaf.crt", "hello", "not in PEM format"},
		{"not PEM", "leaf.key", "hello", "not in PEM format"},
		{"of another algorithm", "leaf.key", string(rsaPEM), "is not an ECDSA key"},
		{"not PEM", "sa.key", "hello", "not in PEM format"},
		{"of another algorithm", "sa.key", string(leaf.KeyPEM), "is not an RSA key"},
	} {
		t.Run(tc.file+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := loadAll(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tc.file)
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := loadAll(dir)
			var file *FileError
			if !errors.As(err, &file) {
				t.Fatalf("error %v, want a *FileError", err)
			}
			if !strings.Contains(err.Error(), tc.want) || filepath.Dir(file.Path) != dir {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
			if !strings.Contains(file.Hint, "delete "+dir) {
				t.Errorf("hint %q does not say which files to delete", file.Hint)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tc.content {
				t.Errorf("the file was changed, or %v", err)
			}
		})
	}
}

func TestAuthorityWithoutItsKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := loadAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	var file *FileError
	if err := loadAll(dir); !errors.As(err, &file) || !strings.Contains(err.Error(), "ca.key is missing") {
		t.Errorf("error %v", err)
	}
}

func TestErrorsKeepKeysToThemselves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
	if err := os.WriteFile(filepath.Join(dir, "sa.key"), []byte("-----BEGIN PRIVATE KEY-----\n"+secret+"\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadOrCreateSigningKey(dir, "sa")
	if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "secret-secret") {
		t.Errorf("error %v", err)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := loadAll(filepath.Join(file, "sub")); err == nil {
		t.Error("no error")
	}
}

func loadAll(dir string) error {
	ca, err := LoadOrCreateCA(dir, "test authority", now)
	if err != nil {
		return err
	}
	if _, err := ca.LoadOrIssue(dir, "leaf", Server("localhost"), now); err != nil {
		return err
	}
	_, err = LoadOrCreateSigningKey(dir, "sa")
	return err
}
