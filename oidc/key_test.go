package oidc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

// Computed by `openssl pkey -in KEY -pubout -outform DER | openssl dgst -sha256
// -binary | basenc --base64url`; kube-apiserver v1.37.2 gives the same.
const (
	rsaKeyID = "xPPZ0h-FDMpgZ-FTxd7cAWthZgBXthcff9mFCSGc00c"
	ecKeyID  = "v7AwFhgU5sz1KvICbNS86L6RSOcJgnRwLtwahhVw1hA"
)

func TestEveryFormatGivesTheSameKeyID(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"rsa.pem": rsaKeyID, "rsa-pkcs1.pem": rsaKeyID, "ec.pem": ecKeyID, "ec-sec1.pem": ecKeyID,
	} {
		if got := goldenKey(t, file).Public().ID(); got != want {
			t.Errorf("%s: kid %s, want %s", file, got, want)
		}
	}
	for _, file := range []string{"rsa.pub.pem", "ec.pub.pem", "rsa.pem"} {
		public, err := LoadPublicKey(golden(t, file))
		if err != nil {
			t.Fatal(err)
		}
		if id := public.ID(); id != rsaKeyID && id != ecKeyID {
			t.Errorf("%s: kid %s", file, id)
		}
	}
}

// openssl wrote the files; ours must be the same.
func TestPEMIsOpenSSLs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rsa", "ec"} {
		key := goldenKey(t, name+".pem")
		private, err := key.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(private, golden(t, name+".pem")) {
			t.Errorf("%s: another private PEM", name)
		}
		public, err := key.Public().PEM()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(public, golden(t, name+".pub.pem")) {
			t.Errorf("%s: another public PEM\n%s", name, public)
		}
	}
}

func TestGeneratedKeyCanBeLoaded(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"RS256", "ES256"} {
		key := generate(t, algorithm)
		data, err := key.PEM()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := LoadKey(data)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Public().ID() != key.Public().ID() || loaded.Public().Algorithm() != algorithm {
			t.Errorf("%s became %s", key, loaded)
		}
	}
	for _, algorithm := range []string{"", "none", "HS256", "ES384", "rs256"} {
		if key, err := GenerateKey(algorithm); err == nil {
			t.Errorf("%q: generated %s", algorithm, key)
		}
	}
}

func block(name string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der})
}

func pkcs8(tb testing.TB, key any, err error) []byte {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func TestLoadKeyRefuses(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	weakPEM := pkcs8(t, weak, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p224PEM := pkcs8(t, p224, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	edPEM := pkcs8(t, ed, err)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "no PEM block"},
		{"not PEM", []byte("secret-text"), "no PEM block"},
		{"public half", golden(t, "rsa.pub.pem"), "public half"},
		{"certificate", block("CERTIFICATE", []byte{1}), `"CERTIFICATE"`},
		{"two keys", append(golden(t, "rsa.pem"), golden(t, "ec.pem")...), "more than one"},
		{"encrypted PKCS #8", block("ENCRYPTED PRIVATE KEY", []byte{1}), "encrypted"},
		{"encrypted PKCS #1", encrypted, "encrypted"},
		{"OpenSSH", block("OPENSSH PRIVATE KEY", []byte{1}), "ssh-keygen -p -m PKCS8"},
		{"broken PKCS #8", block("PRIVATE KEY", []byte("secret-text")), "does not hold"},
		{"broken PKCS #1", block("RSA PRIVATE KEY", []byte("secret-text")), "does not hold"},
		{"broken SEC 1", block("EC PRIVATE KEY", []byte("secret-text")), "does not hold"},
		{"weak RSA", weakPEM, "1024 bits"},
		{"P-224", p224PEM, "P-224"},
		{"Ed25519", edPEM, "neither an RSA nor an ECDSA key"},
	} {
		key, err := LoadKey(tc.data)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: key %s, error %v; want %q", tc.name, key, err, tc.want)
		} else if strings.Contains(err.Error(), "secret-text") {
			t.Errorf("%s: the error quotes the file: %v", tc.name, err)
		}
		if tc.name == "public half" {
			continue
		}
		if key, err := LoadPublicKey(tc.data); err == nil {
			t.Errorf("%s: public key %s", tc.name, key.ID())
		}
	}
	for _, name := range []string{"PUBLIC KEY", "RSA PUBLIC KEY"} {
		if _, err := LoadPublicKey(block(name, []byte{1})); err == nil {
			t.Errorf("a broken %s was loaded", name)
		}
	}
}

func TestPKCS1PublicKeyIsLoaded(t *testing.T) {
	t.Parallel()
	public := goldenKey(t, "rsa.pem").public.key.(*rsa.PublicKey)
	got, err := LoadPublicKey(block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(public)))
	if err != nil || got.ID() != rsaKeyID {
		t.Errorf("kid %s, error %v", got.ID(), err)
	}
}

func TestPrintedKeysTellNoSecret(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"rsa.pem", "ec.pem"} {
		key := goldenKey(t, file)
		var secret string
		switch private := key.private.(type) {
		case *rsa.PrivateKey:
			secret = private.D.String()
		case *ecdsa.PrivateKey:
			d, err := private.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			secret = hex.EncodeToString(d)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			for _, v := range []any{key, &key, keySet(t, key), []Key{key}} {
				if out := fmt.Sprintf(verb, v); strings.Contains(out, secret) || strings.Contains(out, secret[:40]) {
					t.Errorf("%s of %T holds the private key", verb, v)
				}
			}
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old, next := generate(t, "RS256"), generate(t, "ES256")
	ids := func(s KeySet) string {
		var all []string
		for _, k := range s.Public() {
			all = append(all, k.ID())
		}
		return strings.Join(all, " ")
	}
	set := keySet(t, old, old.Public())
	announced := set.Announce(next.Public())
	signing, err := announced.Sign(next)
	if err != nil {
		t.Fatal(err)
	}
	retired, err := signing.Retire(old.Public().ID())
	if err != nil {
		t.Fatal(err)
	}
	a, b := old.Public().ID(), next.Public().ID()
	for i, step := range []struct{ got, want string }{
		{ids(set), a}, {ids(announced), a + " " + b}, {ids(announced.Announce(next.Public())), a + " " + b},
		{ids(signing), b + " " + a}, {ids(retired), b},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %s, want %s", i, step.got, step.want)
		}
	}
	if announced.Signing().Public().ID() != a || signing.Signing().Public().ID() != b {
		t.Error("the wrong key signs")
	}
	if _, err := signing.Retire(b); err == nil {
		t.Error("the key that signs was retired")
	}
	if _, err := retired.Retire(a); err == nil {
		t.Error("a key was retired twice")
	}
	if _, err := NewKeySet(Key{}); err == nil {
		t.Error("a set without a signing key was made")
	}
	if _, err := set.Sign(Key{}); err == nil {
		t.Error("no key signs")
	}
}

// Two sets made from one must not share what the other added.
func TestKeySetsAreIndependent(t *testing.T) {
	t.Parallel()
	set := keySet(t, generate(t, "ES256"))
	for range 3 {
		set = set.Announce(generate(t, "ES256").Public())
	}
	x, y := generate(t, "ES256").Public(), generate(t, "ES256").Public()
	withX, withY := set.Announce(x), set.Announce(y)
	if got := withX.Public()[4].ID(); got != x.ID() {
		t.Errorf("the first set has %s; %s of the second is %v", got, y.ID(), withY.Public()[4].ID())
	}
	if _, err := withX.Retire(set.Public()[1].ID()); err != nil {
		t.Fatal(err)
	}
	if len(withX.Public()) != 5 || withX.Public()[1].ID() != set.Public()[1].ID() {
		t.Error("Retire changed the set that it was asked of")
	}
}
