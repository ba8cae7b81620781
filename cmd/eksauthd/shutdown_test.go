package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/eksauth/eksauth/token"
)

const adaOfDev = "clusterID: dev\nserver:\n  mapUsers:\n  - {userARN: " + adaARN + ", username: ada, groups: [devs]}\n"

// behind is an STS that answers when it may: each request waits for a value.
func behind(t *testing.T, sts string, arrived chan<- struct{}, may <-chan struct{}) string {
	t.Helper()
	to, err := url.Parse(sts)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-may
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// The end of the program is told to load balancers first; who comes meanwhile is
// answered, and so is whoever still waits when the doors close.
func TestFinishesWhatItTook(t *testing.T) {
	t.Parallel()
	arrived, may := make(chan struct{}, 2), make(chan struct{}, 2)
	d := start(t, adaOfDev, "--sts-endpoint", behind(t, newSTS(t), arrived, may), "--shutdown-delay-duration", "5s")
	type answer struct {
		code   int
		review authenticationv1.TokenReview
	}
	ask := func(minted time.Time) <-chan answer {
		answers := make(chan answer, 1)
		raw, _, err := token.New(ada, token.Options{ClusterID: "dev", Region: "us-east-1", Time: minted})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			code, review := d.review(t, raw)
			answers <- answer{code, review}
		}()
		<-arrived
		return answers
	}
	before := ask(time.Now())
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- d.stop() }()
	for {
		code, text := d.get(t, "/readyz")
		if code == http.StatusServiceUnavailable && strings.Contains(text, "shutting down") {
			break
		}
		if time.Since(began) > 4*time.Second {
			t.Fatalf("/readyz says %d %q on the way out", code, text)
		}
	}
	if code, _ := d.get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz says %d on the way out: it would be killed", code)
	}
	during := ask(began.Add(-5 * time.Second))                 // the same token would wait with the other
	time.Sleep(time.Until(began.Add(5500 * time.Millisecond))) // the doors are closed
	select {
	case err := <-ended:
		t.Fatalf("it ended (%v) with two unanswered", err)
	default:
	}
	may <- struct{}{}
	may <- struct{}{}
	for name, answers := range map[string]<-chan answer{"before SIGTERM": before, "after it": during} {
		if a := <-answers; a.code != http.StatusOK || !a.review.Status.Authenticated {
			t.Errorf("who came %s got %d %+v", name, a.code, a.review.Status)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Half of all that may be under way is the most that one address gets, and the
// rest is told to come again; a burst of what STS must not be asked for at all is
// over in no time, and does not come near it.
func TestOneClientGetsHalf(t *testing.T) {
	t.Parallel()
	arrived, may := make(chan struct{}, maxReviews), make(chan struct{})
	d := start(t, adaOfDev, "--sts-endpoint", behind(t, newSTS(t), arrived, may))
	const connections = 6
	clients, where := d.connections(t, connections)
	codes := make(chan int)
	const asked = maxReviews/2 + 10
	body := `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"` + mint(t, ada, "dev") + `"}}`
	for i := range asked {
		go func() {
			resp, err := clients[i%connections].Post(where, "application/json", strings.NewReader(body))
			if err != nil {
				codes <- 0
				return
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
				codes <- -1
				return
			}
			codes <- resp.StatusCode
		}()
	}
	<-arrived // they all wait for one and the same answer of STS
	for range 10 {
		if code := <-codes; code != http.StatusTooManyRequests {
			t.Errorf("one over the bound got %d", code)
		}
	}
	close(may)
	for range asked - 10 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("one within the bound got %d", code)
		}
	}
	if _, text := d.get(t, "/metrics"); !strings.Contains(text, `eksauth_server_refusals_total{limit="requests"} 10`+"\n") {
		t.Errorf("metrics say\n%s", grep(text, "^eksauth_server_"))
	}
}
