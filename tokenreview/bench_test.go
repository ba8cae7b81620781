package tokenreview_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

// manyMappings is an aws-auth with n users, ada the last.
func manyMappings(n int) map[string]string {
	var b strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&b, "- userarn: arn:aws:iam::111122223333:user/u%06d\n  username: u%06d\n  groups: [g]\n", i, i)
	}
	return map[string]string{"mapUsers": b.String() + mappings}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// cachedReview returns a function that reviews one cached token.
func cachedReview(tb testing.TB, entries int) func() {
	r := newRig(tb, func(_ *rig, c *tokenreview.Config) {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		c.Observer = nil
	})
	r.update(tb, manyMappings(entries))
	if got := r.live.Table().Len(); got != entries {
		tb.Fatalf("%d mappings, want %d", got, entries)
	}
	raw := r.mint(tb, ada, cluster)
	if a := r.review(tb, raw); !a.Status.Authenticated {
		tb.Fatal(a.Text)
	}
	text := body("authentication.k8s.io/v1", raw)
	w := discard{http.Header{}}
	req, err := http.NewRequest("POST", "/authenticate", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = int64(len(text))
	return func() {
		req.Body = io.NopCloser(strings.NewReader(text))
		r.ServeHTTP(w, req)
	}
}

func BenchmarkReviewCached(b *testing.B) {
	for _, entries := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("mappings=%d", entries), func(b *testing.B) {
			review := cachedReview(b, entries)
			b.ReportAllocs()
			for b.Loop() {
				review()
			}
		})
	}
}

// What a review of a cached token allocates must not grow with the mappings.
func TestReviewOfACachedTokenAllocatesTheSameWithManyMappings(t *testing.T) {
	few := testing.AllocsPerRun(200, cachedReview(t, 10))
	many := testing.AllocsPerRun(200, cachedReview(t, 10_000))
	// Some slack: the entry's index and line, printed in the log, are numbers over
	// 255 there, and formatting those allocates; and the race detector has pools
	// forget at random. What grows with the mappings grows by thousands.
	if many > few+10 {
		t.Errorf("%.0f allocations with 10,000 mappings, %.0f with 10", many, few)
	}
}

// canned answers every question with one text.
type canned string

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

// BenchmarkReviewDistinct is a token that was never seen before, without the way to
// STS and back.
func BenchmarkReviewDistinct(b *testing.B) {
	sts := canned(`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"arn:aws:iam::111122223333:user/ada.lovelace","UserId":"AIDAADAADAADAADAADAA"},"ResponseMetadata":{"RequestId":"6f3b1f0e-9d57-4c1b-8a5c-1d2f3c4b5a69"}}}`)
	r := newRig(b, func(r *rig, c *tokenreview.Config) {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		c.Observer = nil
		c.MaxTokens = 1 // so that two tokens in turn are both new
		c.Verifier = &token.Verifier{ClusterID: cluster, Partition: "aws", Now: r.clock.now, Client: &http.Client{Transport: sts}}
	})
	texts := []string{body("authentication.k8s.io/v1", r.mint(b, ada, cluster)), body("authentication.k8s.io/v1", r.mint(b, nobody, cluster))}
	w := discard{http.Header{}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req, err := http.NewRequest("POST", "/authenticate", strings.NewReader(texts[i%2]))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		r.ServeHTTP(w, req)
	}
}
