package tokenreview_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/token"
	"github.com/eksauth/eksauth/tokenreview"
)

func TestRemembersAVerifiedToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := r.mint(t, ada, cluster)
	steps := []struct {
		advance time.Duration
		asked   int64
		allowed bool
	}{
		{0, 1, true},
		{0, 1, true},
		{5*time.Minute - time.Second, 1, true},
		{time.Second, 2, true}, // five minutes are over
		{5*time.Minute - time.Second, 2, true},
		{time.Second, 3, true},                 // 10:00
		{5*time.Minute - time.Second, 3, true}, // 14:59
		{time.Second, 3, false},                // 15:00: its end, whatever the cache says
	}
	for i, s := range steps {
		r.clock.advance(s.advance)
		a := r.review(t, raw)
		if a.Status.Authenticated != s.allowed || r.sts.asked.Load() != s.asked {
			t.Errorf("step %d: asked %d times, want %d: %s", i, r.sts.asked.Load(), s.asked, a.Text)
		}
	}
	if r.observed.hits != 4 || r.observed.misses != 3 {
		t.Errorf("%d hits and %d misses, want 4 and 3", r.observed.hits, r.observed.misses)
	}
	if got := r.lines(t)[1]["cached"]; got != true {
		t.Errorf("logged cached %v", got)
	}
}

// The cache knows who somebody is, never who they are in Kubernetes.
func TestAnEditOfTheMappingsActsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := r.mint(t, ada, cluster)
	r.review(t, raw)
	r.update(t, map[string]string{"mapUsers": "- userarn: " + adaARN + "\n  username: countess\n"})
	if a := r.review(t, raw); a.Status.User.Username != "countess" {
		t.Errorf("after an edit: %s", a.Text)
	}
	r.update(t, map[string]string{"mapUsers": "[]"})
	if a := r.review(t, raw); a.Status.Authenticated {
		t.Errorf("after the mapping was removed: %s", a.Text)
	}
	r.update(t, map[string]string{"mapUsers": mappings})
	if a := r.review(t, raw); a.Status.User.Username != "ada.lovelace" {
		t.Errorf("after it was put back: %s", a.Text)
	}
	if got := r.sts.asked.Load(); got != 1 {
		t.Errorf("STS was asked %d times", got)
	}
}

func TestRemembersARefusalBriefly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := r.mint(t, deleted, cluster)
	for i, s := range []struct {
		advance time.Duration
		asked   int64
	}{{0, 1}, {0, 1}, {10*time.Second - 1, 1}, {1, 2}, {0, 2}} {
		r.clock.advance(s.advance)
		if a := r.review(t, raw); !strings.HasPrefix(a.Status.Error, "refused: credentials") || r.sts.asked.Load() != s.asked {
			t.Errorf("step %d: asked %d times, want %d: %s", i, r.sts.asked.Load(), s.asked, a.Text)
		}
	}
}

// What says nothing of the token is over as soon as STS is well again; what may
// have been the token's fault is remembered for a moment.
func TestDoesNotRememberWhatMayPass(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status   int
		code     string
		remember time.Duration
	}{{503, "ServiceUnavailable", 0}, {400, "SomethingNew", 2 * time.Second}} {
		r := newRig(t)
		raw := r.mint(t, ada, cluster)
		r.sts.answer(tc.status, tc.code)
		r.review(t, raw)
		r.sts.instead.Store(nil)
		if tc.remember > 0 {
			r.clock.advance(tc.remember - 1)
			if a := r.review(t, raw); !strings.HasPrefix(a.Status.Error, "refused: answer") || r.sts.asked.Load() != 1 {
				t.Errorf("%s, a moment later: asked %d times, %s", tc.code, r.sts.asked.Load(), a.Text)
			}
			r.clock.advance(1)
		}
		if a := r.review(t, raw); !a.Status.Authenticated {
			t.Errorf("%s, then all is well: %s", tc.code, a.Text)
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxTokens = 2 })
	var raw []string
	for range 3 {
		raw = append(raw, r.mint(t, ada, cluster))
		r.clock.advance(time.Second)
	}
	for _, tok := range raw {
		r.review(t, tok)
	}
	for i, want := range []int64{4, 5, 6} { // each one pushes out the one that is asked for next
		r.review(t, raw[i])
		if got := r.sts.asked.Load(); got != want {
			t.Errorf("token %d: STS was asked %d times in all, want %d", i, got, want)
		}
	}
	r.review(t, raw[2])
	if got := r.sts.asked.Load(); got != 6 {
		t.Errorf("the last token was not remembered: %d", got)
	}
}

// Anybody can make tokens that are refused, and any number of them.
func TestBadTokensDoNotPushOutGoodOnes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxTokens = 2 })
	good := r.mint(t, ada, cluster)
	r.review(t, good)
	for i := range 5 {
		r.review(t, r.mint(t, ada, fmt.Sprint("other", i)))
		r.review(t, fmt.Sprint("garbage", i))
	}
	if got := r.sts.asked.Load(); got != 6 {
		t.Fatalf("STS was asked %d times, want 6: garbage costs it nothing", got)
	}
	r.review(t, good)
	if got := r.sts.asked.Load(); got != 6 {
		t.Error("the good token was forgotten")
	}
}

// Whoever has an AWS account can make tokens that STS vouches for, and any number of
// them. Their own are remembered as well.
func TestStrangersDoNotPushOutTheMapped(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxTokens = 2 })
	good := r.mint(t, ada, cluster)
	r.review(t, good)
	var stranger string
	for range 5 {
		r.clock.advance(time.Second)
		stranger = r.mint(t, nobody, cluster)
		r.review(t, stranger)
	}
	for range 2 {
		if a := r.review(t, good); !a.Status.Authenticated {
			t.Fatal(a.Text)
		}
		if a := r.review(t, stranger); a.Status.Authenticated {
			t.Fatal(a.Text)
		}
	}
	if got := r.sts.asked.Load(); got != 6 {
		t.Errorf("STS was asked %d times, want 6: one was forgotten", got)
	}

	// Once they are mapped they are nobody's stranger.
	r.update(t, map[string]string{"mapAccounts": "- \"111122223333\"\n"})
	if a := r.review(t, stranger); !a.Status.Authenticated {
		t.Fatal(a.Text)
	}
	r.update(t, map[string]string{"mapUsers": mappings})
	for range 5 {
		r.clock.advance(time.Second)
		r.review(t, r.mint(t, nobody, cluster))
	}
	before := r.sts.asked.Load()
	r.review(t, stranger)
	if got := r.sts.asked.Load(); got != before {
		t.Error("who was mapped for a while was forgotten")
	}
}

func TestReviewsOfOneTokenAtOnceAskOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sts.arrived, r.sts.release = make(chan struct{}, 100), make(chan struct{})
	raw := r.mint(t, ada, cluster)

	// The first caller hangs up. The others, who wait for the same answer, get it.
	ctx, hangUp := context.WithCancel(context.Background())
	first := make(chan answered)
	go func() {
		req := httptest.NewRequest("POST", "/", strings.NewReader(body("authentication.k8s.io/v1", raw)))
		first <- r.do(t, req.WithContext(ctx))
	}()
	<-r.sts.arrived
	var wg sync.WaitGroup
	answers := make([]answered, 20)
	for i := range answers {
		wg.Go(func() { answers[i] = r.review(t, raw) })
	}
	for deadline := time.Now().Add(10 * time.Second); r.observed.lookups() < 1+len(answers); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the reviews did not begin")
		}
	}
	hangUp()
	if a := <-first; a.HTTP != 503 || a.Retry != "" {
		t.Errorf("who hung up: %d %s", a.HTTP, a.Text)
	}
	close(r.sts.release)
	wg.Wait()
	for i, a := range answers {
		if !a.Status.Authenticated {
			t.Errorf("%d: %d %s", i, a.HTTP, a.Text)
		}
	}
	if got := r.sts.asked.Load(); got != 1 {
		t.Errorf("STS was asked %d times, want once", got)
	}
}

func (o *observer) lookups() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hits + o.misses
}

func TestQuestionsToSTSAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxCalls, c.MaxWait = 1, 20*time.Millisecond })
	r.sts.arrived, r.sts.release = make(chan struct{}, 10), make(chan struct{})
	slow := make(chan answered)
	tokens := []string{r.mint(t, ada, cluster), r.mint(t, session, cluster)}
	go func() { slow <- r.review(t, tokens[0]) }()
	<-r.sts.arrived

	a := r.review(t, tokens[1])
	if a.HTTP != 429 || a.Retry == "" || r.lastLine(t)["reason"] != "busy" {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
	close(r.sts.release)
	if a := <-slow; !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
	if a := r.review(t, tokens[1]); !a.Status.Authenticated {
		t.Errorf("when there is room again: %d %s", a.HTTP, a.Text)
	}
	if got := r.sts.asked.Load(); got != 2 {
		t.Errorf("STS was asked %d times", got)
	}
}

// stuck is a verifier whose STS never answers; it notes how long it was given.
type stuck struct {
	token.Verifier
	given chan time.Duration
}

func (s *stuck) Prove(ctx context.Context, _ *token.Request) (token.Verified, error) {
	deadline, _ := ctx.Deadline()
	s.given <- time.Until(deadline)
	return token.Verified{}, &token.Error{Reason: token.Unavailable, Message: "no answer"}
}

func TestAQuestionHasADeadline(t *testing.T) {
	t.Parallel()
	s := &stuck{given: make(chan time.Duration, 1)}
	r := newRig(t, func(r *rig, c *tokenreview.Config) {
		s.Verifier = token.Verifier{ClusterID: cluster, Partition: "aws", Now: r.clock.now}
		c.Verifier = s
	})
	r.review(t, r.mint(t, ada, cluster))
	if got := <-s.given; got <= 0 || got > 15*time.Second {
		t.Errorf("STS is given %s, want up to 15 s although the caller gave no limit", got)
	}
}

func TestObserverIsToldOfQuestions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.review(t, r.mint(t, ada, cluster))
	r.review(t, r.mint(t, ada, "other"))
	r.sts.answer(400, "Throttling")
	r.review(t, r.mint(t, session, cluster))
	if got, want := strings.Join(r.observed.asked, ","), ",signature,throttled"; got != want {
		t.Errorf("told of %q, want %q", got, want)
	}
}
