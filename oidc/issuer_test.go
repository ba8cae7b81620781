package oidc

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goldenIssuer = "https://oidc.example/id/1"

func goldenIssuerOf(tb testing.TB, signing, other string) *Issuer {
	tb.Helper()
	issuer, err := NewIssuer(goldenIssuer, keySet(tb, goldenKey(tb, signing), goldenKey(tb, other).Public()))
	if err != nil {
		tb.Fatal(err)
	}
	issuer.Now = atNoon
	return issuer
}

func TestDocumentsAreKubeAPIServers(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "rsa.pem", "ec.pem")
	if diff := cmp.Diff(string(golden(t, "openid-configuration.json")), string(issuer.Discovery())); diff != "" {
		t.Errorf("discovery document (-kube-apiserver +ours)\n%s", diff)
	}
	if diff := cmp.Diff(string(golden(t, "jwks.json")), string(issuer.JWKS())); diff != "" {
		t.Errorf("key set (-kube-apiserver +ours)\n%s", diff)
	}
}

func TestHandlerServesTheDocumentsAndNothingElse(t *testing.T) {
	t.Parallel()
	issuer := goldenIssuerOf(t, "rsa.pem", "ec.pem")
	for _, tc := range []struct {
		method, path string
		status       int
		contentType  string // as kube-apiserver's
		body         string
	}{
		{"GET", "/id/1/.well-known/openid-configuration", 200, "application/json", string(issuer.Discovery())},
		{"GET", "/id/1/openid/v1/jwks", 200, "application/jwk-set+json", string(issuer.JWKS())},
		{"HEAD", "/id/1/openid/v1/jwks", 200, "application/jwk-set+json", string(issuer.JWKS())},
		{"GET", "/.well-known/openid-configuration", 404, "", ""},
		{"GET", "/id/1/openid/v1/jwks/", 404, "", ""},
		{"GET", "/id/1", 404, "", ""},
		{"POST", "/id/1/openid/v1/jwks", 405, "", ""},
	} {
		w := httptest.NewRecorder()
		issuer.Handler().ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.status {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.status)
		}
		if tc.status != http.StatusOK {
			if strings.Contains(w.Body.String(), "kid") {
				t.Errorf("%s %s: answered with a document", tc.method, tc.path)
			}
			continue
		}
		if w.Header().Get("Content-Type") != tc.contentType || w.Header().Get("Cache-Control") != "public, max-age=3600" {
			t.Errorf("%s %s: headers %v", tc.method, tc.path, w.Header())
		}
		if w.Body.String() != tc.body {
			t.Errorf("%s %s: body %s", tc.method, tc.path, w.Body)
		}
	}
}

func TestIssuerWithSlashAtItsEnd(t *testing.T) {
	t.Parallel()
	issuer, err := NewIssuer("https://oidc.example/", keySet(t, goldenKey(t, "ec.pem")))
	if err != nil {
		t.Fatal(err)
	}
	if got := issuer.JWKSURL(); got != "https://oidc.example/openid/v1/jwks" {
		t.Errorf("keys at %s", got)
	}
	if !strings.Contains(string(issuer.Discovery()), `"issuer":"https://oidc.example/"`) {
		t.Errorf("the document does not name the issuer exactly: %s", issuer.Discovery())
	}
	w := httptest.NewRecorder()
	issuer.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/openid/v1/jwks", nil))
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}

// badIssuers are refused by both sides.
func badIssuers() map[string]string {
	return map[string]string{
		"empty":        "",
		"plain http":   "http://127.0.0.1/id/1",
		"no scheme":    "oidc.example/id/1",
		"no host":      "https:///id/1",
		"only a port":  "https://:443/id/1",
		"user":         "https://me@oidc.example/",
		"query":        "https://oidc.example/?a=b",
		"empty query":  "https://oidc.example/?",
		"fragment":     "https://oidc.example/#",
		"control char": "https://oidc.example/\x00",
		"too long":     "https://oidc.example/" + strings.Repeat("a", 235),
	}
}

func TestNewIssuerRefuses(t *testing.T) {
	t.Parallel()
	keys := keySet(t, goldenKey(t, "ec.pem"))
	for name, url := range badIssuers() {
		if _, err := NewIssuer(url, keys); err == nil {
			t.Errorf("%s: %q accepted", name, url)
		}
	}
	if _, err := NewIssuer(goldenIssuer, KeySet{}); err == nil {
		t.Error("an issuer without keys was accepted")
	}
}

func TestWriteFilesReplacesBothDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, issuer := range []*Issuer{goldenIssuerOf(t, "ec.pem", "rsa.pem"), goldenIssuerOf(t, "rsa.pem", "ec.pem")} {
		if err := issuer.WriteFiles(dir); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		".well-known/openid-configuration": "openid-configuration.json",
		"openid/v1/jwks":                   "jwks.json",
	} {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(golden(t, want)), string(got)); diff != "" {
			t.Errorf("%s (-kube-apiserver +ours)\n%s", path, diff)
		}
	}
	occupied := filepath.Join(dir, "occupied")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := goldenIssuerOf(t, "ec.pem", "rsa.pem").WriteFiles(occupied); err == nil {
		t.Error("a file was taken for a folder")
	}
}
