package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

// Whatever STS does, who was verified before goes on being let in, nobody new is,
// and nothing needs a restart when it is over.
func TestWhateverSTSDoes(t *testing.T) {
	t.Parallel()
	// elsewhere is a server that must not be asked.
	var strays atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strays.Add(1) }))
	t.Cleanup(elsewhere.Close)
	const adaSays = `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"` + adaARN + `","UserId":"AIDAADA"}}}`
	var sent atomic.Int64 // of what has no end
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for name, fault := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"hangs up": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
		"throttling":            answer(http.StatusBadRequest, "application/json", `{"Error":{"Code":"Throttling","Message":"Rate exceeded"}}`),
		"throttling with 429":   answer(http.StatusTooManyRequests, "text/plain", "slow down"),
		"failing":               answer(http.StatusInternalServerError, "application/json", `{"Error":{"Code":"InternalFailure"}}`),
		"unavailable":           answer(http.StatusServiceUnavailable, "text/html", "<html>"),
		"a captive portal":      answer(http.StatusOK, "text/html", adaSays),
		"JSON that is none":     answer(http.StatusOK, "application/json", `{"GetCallerIdentityResponse":`),
		"JSON of somebody else": answer(http.StatusOK, "application/json", `{"user":"ada"}`),
		"another account":       answer(http.StatusOK, "application/json", strings.Replace(adaSays, `"Account":"111122223333"`, `"Account":"444455556666"`, 1)),
		"another partition":     answer(http.StatusOK, "application/json", strings.ReplaceAll(adaSays, "arn:aws:", "arn:aws-cn:")),
		"redirecting":           func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"redirecting for good": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		},
		"gigabytes": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			chunk := []byte(strings.Repeat(" ", 64<<10))
			for n, err := 0, error(nil); err == nil && sent.Load() < 1<<30; sent.Add(int64(n)) {
				n, err = w.Write(chunk)
			}
		},
		"a header without end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
			io.WriteString(w, adaSays)
		},
		"a drop at a time": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			real, err := url.Parse(newSTS(t))
			if err != nil {
				t.Fatal(err)
			}
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(real)
				r.Out.Host = r.In.Host
			}}
			var broken atomic.Bool
			sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if broken.Load() {
					fault(w, r)
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			t.Cleanup(func() { sts.CloseClientConnections(); sts.Close() })
			d := start(t, adaOfDev, "--sts-endpoint", sts.URL)
			tokens := make([]string, 3)
			for i := range tokens {
				if tokens[i], _, err = token.New(ada, token.Options{ClusterID: "dev", Region: "us-east-1", Time: time.Now().Add(-time.Duration(i+1) * time.Second)}); err != nil {
					t.Fatal(err)
				}
			}
			if _, r := d.review(t, tokens[0]); r.Status.User.Username != "ada" {
				t.Fatalf("before: %+v", r.Status)
			}
			broken.Store(true)
			if code, r := d.review(t, tokens[1]); code == http.StatusOK && r.Status.Authenticated {
				t.Errorf("somebody new is let in: %+v", r.Status)
			}
			if _, r := d.review(t, tokens[0]); r.Status.User.Username != "ada" {
				t.Errorf("who was verified before is not let in: %+v", r.Status)
			}
			if code, text := d.get(t, "/readyz"); code != http.StatusOK {
				t.Errorf("/readyz %d %q: it can answer for those it knows", code, text)
			}
			broken.Store(false)
			eventually(t, "somebody new is let in again", func() bool {
				_, r := d.review(t, tokens[2])
				return r.Status.User.Username == "ada"
			})
			if log := d.stderr.String(); strings.Contains(log, "panic") {
				t.Errorf("%s", log)
			}
		})
	}
	t.Cleanup(func() {
		if n := strays.Load(); n > 0 {
			t.Errorf("%d redirects were followed", n)
		}
		if n := sent.Load(); n > 16<<20 {
			t.Errorf("%d bytes of an answer without end were taken", n)
		}
	})
}
