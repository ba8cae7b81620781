package oidc

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func write(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, "secret of the server")
	}
}

// endless writes until the client has enough, and counts.
func endless(written *atomic.Int64, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for {
			n, err := io.WriteString(w, text)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}
}

func TestIssuersThatAnswerWrongly(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := quietTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	const html = "<!doctype html><title>Sign in</title>"
	for _, tc := range []struct {
		name            string
		discovery, jwks func(*site) http.HandlerFunc // nil: as it should be
		reason          Reason
		text            string
	}{
		{"names another issuer", func(*site) http.HandlerFunc { return write(`{"issuer":"https://oidc.example"}`) }, nil, Document, "names another issuer"},
		{"names itself with a slash", func(s *site) http.HandlerFunc { return write(fmt.Sprintf(`{"issuer":%q}`, s.URL()+"/")) }, nil, Document, "names another issuer"},
		{"names no issuer", func(s *site) http.HandlerFunc { return write(fmt.Sprintf(`{"jwks_uri":%q}`, s.JWKSURL())) }, nil, Document, "names another issuer"},
		{"keys over plain http", jwksURI("http://127.0.0.1/jwks"), nil, Document, "jwks_uri"},
		{"keys in a file", jwksURI("file:///etc/jwks"), nil, Document, "jwks_uri"},
		{"keys nowhere", jwksURI(""), nil, Document, "jwks_uri"},
		{"keys with a user", jwksURI("https://me@127.0.0.1/jwks"), nil, Document, "jwks_uri"},
		{"keys at no URL", jwksURI("https://%zz"), nil, Document, "jwks_uri"},
		{"discovery 404", func(*site) http.HandlerFunc { return status(404) }, nil, Document, "HTTP 404"},
		{"discovery 403", func(*site) http.HandlerFunc { return status(403) }, nil, Document, "HTTP 403"},
		{"discovery 204", func(*site) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }
		}, nil, Document, "HTTP 204"},
		{"discovery 500", func(*site) http.HandlerFunc { return status(500) }, nil, Unreachable, "HTTP 500"},
		{"discovery 429", func(*site) http.HandlerFunc { return status(429) }, nil, Unreachable, "HTTP 429"},
		{"discovery HTML", func(*site) http.HandlerFunc { return write(html) }, nil, Document, "not JSON"},
		{"discovery empty", func(*site) http.HandlerFunc { return write("") }, nil, Document, "not JSON"},
		{"discovery a list", func(*site) http.HandlerFunc { return write("[]") }, nil, Document, "not JSON"},
		{"discovery redirects", func(*site) http.HandlerFunc { return http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP }, nil, Document, "redirect"},
		{"discovery redirects to itself", func(s *site) http.HandlerFunc {
			return http.RedirectHandler(s.URL()+DiscoveryPath, http.StatusTemporaryRedirect).ServeHTTP
		}, nil, Document, "redirect"},
		{"keys 404", nil, func(*site) http.HandlerFunc { return status(404) }, Document, "HTTP 404"},
		{"keys 503", nil, func(*site) http.HandlerFunc { return status(503) }, Unreachable, "HTTP 503"},
		{"keys HTML", nil, func(*site) http.HandlerFunc { return write(html) }, Document, "not JSON"},
		{"keys redirect", nil, func(*site) http.HandlerFunc {
			return http.RedirectHandler(other.URL, http.StatusPermanentRedirect).ServeHTTP
		}, Document, "redirect"},
		{"keys missing", nil, func(*site) http.HandlerFunc { return write(`{}`) }, Document, `no "keys"`},
		{"keys null", nil, func(*site) http.HandlerFunc { return write(`{"keys":null}`) }, Document, `no "keys"`},
		{"keys an object", nil, func(*site) http.HandlerFunc { return write(`{"keys":{}}`) }, Document, "not JSON"},
		{"too many keys", nil, func(*site) http.HandlerFunc { return write(`{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`) }, Document, "at most 200"},
		{"very deep", nil, func(*site) http.HandlerFunc { return write(`{"keys":` + strings.Repeat("[", 200_000)) }, Document, "not JSON"},
		{"no keys", nil, func(*site) http.HandlerFunc { return write(`{"keys":[]}`) }, NoKey, "publishes no key"},
		{"answer cut short", nil, func(*site) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				io.WriteString(w, `{"keys":[]}`)
			}
		}, Unreachable, "unexpected EOF"},
		{"connection dropped", func(*site) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, nil, Unreachable, "could not be asked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, goldenKey(t, "ec.pem"))
			s.answer(func(w http.ResponseWriter, r *http.Request) {
				handler := tc.discovery
				if strings.HasSuffix(r.URL.Path, JWKSPath) {
					handler = tc.jwks
				}
				if handler == nil {
					s.Handler().ServeHTTP(w, r)
					return
				}
				handler(s)(w, r)
			})
			raw := s.mint(t)
			_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
			wantRefusal(t, err, tc.reason, tc.text, raw)
			if strings.Contains(err.Error(), "secret of the server") {
				t.Errorf("the answer is in the error: %v", err)
			}
			if err.(*Error).Transient() != (tc.reason == Unreachable) {
				t.Errorf("transient: %v", err.(*Error).Transient())
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.Load(); n != 0 {
			t.Errorf("the other host was asked %d times", n)
		}
	})
}

func jwksURI(uri string) func(*site) http.HandlerFunc {
	return func(s *site) http.HandlerFunc {
		return write(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, s.URL(), uri))
	}
}

func TestGigabytesAreNotRead(t *testing.T) {
	t.Parallel()
	block := strings.Repeat(" ", 64<<10)
	for _, path := range []string{DiscoveryPath, JWKSPath} {
		s := newSite(t, goldenKey(t, "ec.pem"))
		var written atomic.Int64
		s.answer(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, path) {
				endless(&written, block)(w, r)
				return
			}
			s.Handler().ServeHTTP(w, r)
		})
		raw := s.mint(t)
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		wantRefusal(t, err, Document, "larger than", raw)
		s.server.Close() // waits for the handler
		if n := written.Load(); n > 64<<20 {
			t.Errorf("%s: %d bytes were taken", path, n)
		}
	}
}

func TestCompressedGigabytesAreNotRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	s.answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		for range 64 {
			io.WriteString(z, strings.Repeat(" ", 1<<20))
		}
	})
	raw := s.mint(t)
	_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Document, "larger than", raw)
}

func TestIssuerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	release := make(chan struct{})
	s.answer(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	s.verifier.Client.Timeout = 50 * time.Millisecond
	raw := s.mint(t)
	_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Unreachable, "could not be asked", raw)
}

func TestTLSMustBeTrusted(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	raw := s.mint(t)
	v := &Verifier{Now: atNoon} // trusts the system's authorities only
	_, err := v.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Untrusted, "certificate", raw)

	s.server.Client().Transport.(*http.Transport).TLSClientConfig.ServerName = "oidc.example"
	_, err = s.verifier.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Untrusted, "oidc.example", raw)
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestNobodyListensOrSpeaksTLS(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "ec.pem")
	plain := httptest.NewServer(write("{}"))
	defer plain.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, address := range map[string]string{
		"plain http": plain.Listener.Addr().String(), "nobody listens": closed.Listener.Addr().String(),
	} {
		issuer, err := NewIssuer("https://"+address, keySet(t, key))
		if err != nil {
			t.Fatal(err)
		}
		issuer.Now = atNoon
		raw, err := issuer.Mint(request())
		if err != nil {
			t.Fatal(err)
		}
		v := &Verifier{Now: atNoon}
		_, err = v.Verify(t.Context(), issuer.URL(), raw)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantRefusal(t, err, Unreachable, "could not be asked", raw)
	}
}

// A client's own habits must not weaken the fetch.
func TestClientsRedirectsAndCookiesAreNotUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t, goldenKey(t, "ec.pem"))
	followed := false
	s.verifier.Client.CheckRedirect = func(*http.Request, []*http.Request) error { followed = true; return nil }
	s.answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	raw := s.mint(t)
	_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
	wantRefusal(t, err, Document, "redirect", raw)
	if followed || s.asked.Load() != 1 {
		t.Errorf("%d requests", s.asked.Load())
	}
}
