package oidc

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The documents of a folder are those of an issuer with the private keys.
func TestPublisherPublishesAsAnIssuerDoes(t *testing.T) {
	t.Parallel()
	r := made(t)
	r.rotate(t, Rotation{})
	state := r.load(t)
	signing, err := r.readKey(r.SigningKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := NewIssuer(ringURL, keySet(t, signing, state.Keys[1].PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := NewPublisher(state)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{"/dev" + DiscoveryPath: issuer.Discovery(), "/dev" + JWKSPath: issuer.JWKS()} {
		answer := httptest.NewRecorder()
		publisher.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != 200 || answer.Body.String() != string(want) {
			t.Errorf("%s: %d %s\nwant %s", path, answer.Code, answer.Body, want)
		}
	}
	out := t.TempDir()
	if err := publisher.WriteFiles(out); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(out, JWKSPath)); err != nil || string(data) != string(issuer.JWKS()) {
		t.Errorf("%v %s", err, data)
	}
	if publisher.Path() != "/dev" || publisher.JWKSURL() != issuer.JWKSURL() {
		t.Errorf("%s %s", publisher.Path(), publisher.JWKSURL())
	}
	if _, err := NewPublisher(State{Settings: Settings{Issuer: "http://x"}, Keys: state.Keys}); err == nil {
		t.Error("an issuer without TLS")
	}
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	key, other := generate(t, "ES256"), generate(t, "ES256").Public()
	s := newSite(t, key, other)
	ids, err := PublishedKeys(t.Context(), s.server.Client(), s.URL())
	want := []string{key.Public().ID(), other.ID()}
	slices.Sort(want)
	if err != nil || !slices.Equal(ids, want) {
		t.Errorf("%q, %v; want %q", ids, err, want)
	}
	s.answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	if _, err := PublishedKeys(t.Context(), s.server.Client(), s.URL()); err == nil {
		t.Error("it followed a redirect")
	}
	if _, err := PublishedKeys(t.Context(), nil, "http://oidc.example.com"); err == nil {
		t.Error("it asked without TLS")
	}
}
