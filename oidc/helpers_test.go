package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512" // for the algorithms that tests sign with
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// golden reads what a real kube-apiserver made; see testdata's README.
func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "kube-apiserver-v1.37.2", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func goldenKey(tb testing.TB, name string) Key {
	tb.Helper()
	key, err := LoadKey(golden(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func keySet(tb testing.TB, signing Key, others ...PublicKey) KeySet {
	tb.Helper()
	set, err := NewKeySet(signing, others...)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func generate(tb testing.TB, algorithm string) Key {
	tb.Helper()
	key, err := GenerateKey(algorithm)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func curveKey(tb testing.TB, curve elliptic.Curve) Key {
	tb.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := newKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// noon is within the life of the golden tokens.
var noon = time.Unix(1795468000, 0).UTC()

func atNoon() time.Time { return noon }

// site is an issuer behind TLS that can be made to misbehave.
type site struct {
	*Issuer
	server   *httptest.Server
	asked    atomic.Int64
	instead  atomic.Pointer[http.HandlerFunc]
	verifier *Verifier
}

func newSite(tb testing.TB, signing Key, others ...PublicKey) *site {
	tb.Helper()
	s := &site{}
	s.server = quietTLS(tb, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if h := s.instead.Load(); h != nil {
			(*h)(w, r)
			return
		}
		s.Handler().ServeHTTP(w, r)
	}))
	var err error
	if s.Issuer, err = NewIssuer(s.server.URL+"/id/1", keySet(tb, signing, others...)); err != nil {
		tb.Fatal(err)
	}
	s.Now = atNoon
	s.verifier = &Verifier{Client: s.server.Client(), Now: atNoon}
	return s
}

// quietTLS does not log that clients distrust it, which is often the test.
func quietTLS(tb testing.TB, h http.Handler) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	tb.Cleanup(server.Close)
	return server
}

// answer replaces what the site answers.
func (s *site) answer(h http.HandlerFunc) { s.instead.Store(&h) }

func (s *site) mint(tb testing.TB) string {
	tb.Helper()
	raw, err := s.Mint(request())
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// request is what the golden token on RS256 was requested with.
func request() TokenRequest {
	return TokenRequest{
		ServiceAccount: ServiceAccount{Namespace: "payments", Object: Object{Name: "api", UID: "04645d5f-37be-488f-ad9c-9d2a33691dff"}},
		Audiences:      []string{"sts.amazonaws.com", "two"},
		Lifetime:       time.Hour,
		Pod:            &Object{Name: "api-0", UID: "7794df1d-085d-4f62-a67b-276a4d856823"},
		Node:           &Object{Name: "node-1", UID: "c9e4c1e3-fca9-46fb-b5fa-1f79913e5b3b"},
	}
}

type object map[string]any

// with replaces members; nil removes one.
func (o object) with(changes object) object {
	o = maps.Clone(o)
	for k, v := range changes {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
	return o
}

func (s *site) claims() object {
	return object{"iss": s.URL(), "sub": "system:serviceaccount:payments:api", "aud": []string{"sts.amazonaws.com"},
		"iat": noon.Unix(), "nbf": noon.Unix(), "exp": noon.Unix() + 3600}
}

// forge signs by the standard library alone, so that go-jose does not check
// itself, whatever the header says.
func forge(tb testing.TB, key Key, hash crypto.Hash, header, claims any) string {
	tb.Helper()
	input := segment(tb, header) + "." + segment(tb, claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(tb, key, hash, input))
}

func signature(tb testing.TB, key Key, hash crypto.Hash, input string) []byte {
	tb.Helper()
	h := hash.New()
	h.Write([]byte(input))
	switch private := key.private.(type) {
	case *rsa.PrivateKey:
		sig, err := rsa.SignPKCS1v15(nil, private, hash, h.Sum(nil))
		if err != nil {
			tb.Fatal(err)
		}
		return sig
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, h.Sum(nil))
		if err != nil {
			tb.Fatal(err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	tb.Fatal("no such key")
	return nil
}

// segment encodes text as it is, anything else as JSON.
func segment(tb testing.TB, v any) string {
	tb.Helper()
	data, ok := v.(string)
	if !ok {
		encoded, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		data = string(encoded)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(data))
}

// wantRefusal checks the reason, the words and that no token is in them.
func wantRefusal(t *testing.T, err error, reason Reason, text, raw string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want one with the reason %s", err, reason)
	}
	if e.Reason != reason || !strings.Contains(e.Error(), text) {
		t.Errorf("refused for %s: %s; want %s, with %q", e.Reason, e, reason, text)
	}
	for part := range strings.SplitSeq(raw, ".") {
		if len(part) > 20 && strings.Contains(e.Error(), part) {
			t.Errorf("part of the token is in the error: %s", e)
		}
	}
}
