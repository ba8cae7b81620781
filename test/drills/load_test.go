package drills

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
)

// askTimeout is how long anybody waits. kubectl would wait for longer.
const askTimeout = 20 * time.Second

// tally is what became of requests of one kind.
type tally struct {
	mu     sync.Mutex
	times  []time.Duration
	failed map[string]int // by what was said
	lost   int            // pods that were admitted without their role
}

func (c *tally) note(took time.Duration, failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, took)
	if failure != "" {
		if c.failed == nil {
			c.failed = map[string]int{}
		}
		c.failed[failure]++
	}
}

func (c *tally) failures() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.failed {
		n += of
	}
	return n
}

func (c *tally) String() string {
	n := c.failures()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.times)
	at := func(percent int) time.Duration {
		if len(c.times) == 0 {
			return 0
		}
		return c.times[(len(c.times)-1)*percent/100].Round(100 * time.Microsecond)
	}
	text := fmt.Sprintf("%d, failed %d, p50 %s, p99 %s, max %s", len(c.times), n, at(50), at(99), at(100))
	if c.lost > 0 {
		text += fmt.Sprintf(", LOST %d", c.lost)
	}
	for _, failure := range slices.Sorted(maps.Keys(c.failed)) {
		text += fmt.Sprintf("\n    %d: %s", c.failed[failure], failure)
	}
	return text
}

// load is people who sign in and pods that are created, from Start to end.
type load struct {
	signIns, admissions tally
	began               time.Time
	stop                context.CancelFunc
	workers             sync.WaitGroup
}

// start lets so many people and creators of pods loose.
func (r *rig) start(t *testing.T, people, creators int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &load{began: time.Now(), stop: stop}
	for i := range people {
		l.workers.Go(func() { r.signInAgainAndAgain(ctx, t, l, i) })
	}
	for range creators {
		l.workers.Go(func() {
			for ctx.Err() == nil {
				r.createPod(ctx, l)
			}
		})
	}
	t.Cleanup(func() {
		l.end()
		if t.Failed() {
			r.showRefusals(t)
		}
	})
	return l
}

// refusals are what kube-apiserver has said of tokens that it refused: people are only
// told Unauthorized.
func (r *rig) refusals(t *testing.T) (said []string) {
	t.Helper()
	text, err := os.ReadFile(r.path("plane", "logs", "kube-apiserver.log"))
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "Unable to authenticate the request") {
			said = append(said, line)
		}
	}
	return said
}

func (r *rig) showRefusals(t *testing.T) {
	t.Helper()
	said := r.refusals(t)
	t.Logf("kube-apiserver says\n%s", strings.Join(said[max(0, len(said)-6):], ""))
}

// end waits for the last answers and returns how long it went on.
func (l *load) end() time.Duration {
	l.stop()
	l.workers.Wait()
	return time.Since(l.began)
}

// report ends it and prints a line for each kind.
func (l *load) report(t *testing.T, what string) {
	t.Helper()
	took := l.end()
	t.Logf("%s (%s)\n  sign-ins   %s\n  admissions %s", what, took.Round(100*time.Millisecond), &l.signIns, &l.admissions)
}

// person is a client of its own, with its own connections.
func (r *rig) person() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.trust}, ForceAttemptHTTP2: true}}
}

// signInAgainAndAgain uses each token a few times, as kubectl does.
func (r *rig) signInAgainAndAgain(ctx context.Context, t *testing.T, l *load, worker int) {
	client := r.person()
	defer client.CloseIdleConnections()
	for n := worker; ctx.Err() == nil; n++ {
		u := r.users[n%lateUser]
		raw, _, err := token.New(u.credentials, token.Options{ClusterID: clusterID, Region: "us-east-1", Time: time.Now()})
		if err != nil {
			t.Error(err)
			return
		}
		for range 5 {
			if ctx.Err() != nil {
				return
			}
			began := time.Now()
			failure := r.whoAmI(client, raw, u.name)
			l.signIns.note(time.Since(began), failure)
			if failure != "" {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}

// whoAmI is kubectl auth whoami: the API server asks the authenticator, and nobody else.
func (r *rig) whoAmI(client *http.Client, raw, want string) (failure string) {
	var review struct {
		Status struct{ UserInfo struct{ Username string } }
	}
	status, body, err := r.post(client, raw, "/apis/authentication.k8s.io/v1/selfsubjectreviews",
		`{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`)
	switch {
	case err != nil:
		return brief(err.Error())
	case status != http.StatusCreated:
		return brief(fmt.Sprintf("%d %s", status, body))
	case json.Unmarshal(body, &review) != nil || review.Status.UserInfo.Username != want:
		return "SIGNED IN AS SOMEBODY ELSE"
	}
	return ""
}

const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"app-"},"spec":{"serviceAccountName":"app","containers":[{"name":"app","image":"app"}]}}`

func (r *rig) createPod(ctx context.Context, l *load) {
	began := time.Now()
	status, body, err := r.post(r.admin, "", "/api/v1/namespaces/apps/pods?dryRun=All", pod)
	failure := ""
	switch {
	case err != nil:
		failure = brief(err.Error())
	case status != http.StatusCreated:
		failure = brief(fmt.Sprintf("%d %s", status, body))
	case !bytes.Contains(body, []byte(roleARN)):
		failure = "ADMITTED WITHOUT ITS ROLE"
		l.admissions.mu.Lock()
		l.admissions.lost++
		l.admissions.mu.Unlock()
	}
	l.admissions.note(time.Since(began), failure)
	if failure != "" {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *rig) post(client *http.Client, bearer, path, body string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.plane.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer, err
}

// brief makes failures of one kind one, and keeps them readable.
func brief(text string) string {
	var status struct{ Message string }
	if at := strings.IndexByte(text, '{'); at >= 0 && json.Unmarshal([]byte(text[at:]), &status) == nil {
		text = text[:at] + status.Message
	}
	text = digits.ReplaceAllString(text, "N")
	return text[:min(len(text), 200)]
}
