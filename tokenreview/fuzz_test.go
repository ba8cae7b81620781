package tokenreview_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

// FuzzReview: whatever is posted, nothing panics, and nobody gets in without a
// good token in what was posted.
func FuzzReview(f *testing.F) {
	r := newRig(f, func(r *rig, c *tokenreview.Config) {
		c.Log, c.Observer = nil, nil
		c.Verifier = &token.Verifier{ClusterID: cluster, Partition: "aws", Now: r.clock.now, Client: &http.Client{Transport: inProcess{r.sts}}}
	})
	good := r.mint(f, ada, cluster)
	foreign := r.mint(f, ada, "other")
	v1, v1beta1 := "authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"
	for _, seed := range []string{
		"", "null", "{}", "[]",
		body(v1, good), body(v1beta1, good, "https://kubernetes.default.svc"), body(v1, foreign), body("v2", good),
		body(v1, good) + body(v1, good),
		strings.Replace(body(v1, good), `"token"`, `"Token"`, 1),
		strings.Replace(body(v1, ""), `"spec"`, `"status":{"authenticated":true,"user":{"username":"system:admin"}},"spec"`, 1),
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + good + `","token":"x"}}`,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"\u006b` + good[1:] + `"}}`,
		`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"eyJhbGciOiJub25lIn0.e30."}}`,
		strings.Repeat(`{"spec":`, 100),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := r.post(t, body)
		if a.HTTP != 200 && (a.HTTP < 400 || a.HTTP > 499) {
			t.Errorf("HTTP %d: %s", a.HTTP, a.Text)
		}
		if a.Status.Authenticated && !hasText(body, good) {
			t.Errorf("authenticated: %s", a.Text)
		}
		if a.HTTP == 200 && !a.Status.Authenticated && !refusal.MatchString(a.Status.Error) {
			t.Errorf("refused without an error: %s", a.Text)
		}
		if a.HTTP != 200 && strings.Contains(a.Text, good) {
			t.Error("the answer repeats the token")
		}
	})
}

// inProcess asks a handler without a network, whose timing the fuzzer would take
// for new paths through the code.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// hasText reports whether one of the texts in a JSON document is want.
func hasText(document, want string) bool {
	for dec := json.NewDecoder(strings.NewReader(document)); ; {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		if tok == want {
			return true
		}
	}
}
