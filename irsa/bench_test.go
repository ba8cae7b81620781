package irsa

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkReview is the whole of an admission but the network: hack/bench/admission
// measures it over TLS.
func BenchmarkReview(b *testing.B) {
	body := []byte(golden(b, "review.json"))
	h := New(Config{Accounts: lookup(annotated), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	w := &discard{http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/mutate", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
	}
}

func BenchmarkMutate(b *testing.B) {
	var sent struct {
		Request struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal([]byte(golden(b, "review.json")), &sent); err != nil {
		b.Fatal(err)
	}
	pod, err := ParsePod(sent.Request.Object)
	if err != nil {
		b.Fatal(err)
	}
	s := Settings{}.withDefaults()
	b.ReportAllocs()
	for b.Loop() {
		s.mutate(pod, Grant{ServiceAccount: ServiceAccount{RoleARN: role}})
	}
}
