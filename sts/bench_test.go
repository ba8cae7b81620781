package sts

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/eksauth/eksauth/sigv4"
)

func benchmarkIdentity(b *testing.B, credentials func(*world) sigv4.Credentials) {
	w := newWorld(b)
	c := credentials(w)
	w.handler.Log = slog.New(slog.DiscardHandler)
	r := presign(b, get(whoAmI), c, region, w.now())
	b.ReportAllocs()
	for b.Loop() {
		recorder := httptest.NewRecorder()
		w.handler.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Body)
		}
	}
}

// BenchmarkGetCallerIdentity is the whole handler, verification included,
// without the network.
func BenchmarkGetCallerIdentity(b *testing.B) {
	b.Run("user", func(b *testing.B) { benchmarkIdentity(b, func(*world) sigv4.Credentials { return ada() }) })
	b.Run("session", func(b *testing.B) {
		benchmarkIdentity(b, func(w *world) sigv4.Credentials { return w.session(b, ada(), roleARN) })
	})
}
