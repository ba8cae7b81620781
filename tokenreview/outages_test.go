package tokenreview_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/tokenreview"
)

// failFive has STS fail until it is taken for down.
func failFive(t *testing.T, r *rig) {
	t.Helper()
	r.sts.answer(503, "ServiceUnavailable")
	asked := r.sts.asked.Load()
	for i := range 5 {
		if a := r.review(t, r.mint(t, ada, fmt.Sprint("down", i))); a.HTTP != 504 {
			t.Fatalf("question %d: %d %s", i, a.HTTP, a.Text)
		}
	}
	if got := r.sts.asked.Load() - asked; got != 5 {
		t.Fatalf("STS was asked %d times, want 5", got)
	}
}

// Nobody waits for an STS that does not answer; it is tried now and then.
func TestAnOutageHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	failFive(t, r)
	asked := r.sts.asked.Load()
	for i := range 20 {
		a := r.review(t, r.mint(t, ada, fmt.Sprint("meanwhile", i)))
		if a.HTTP != 504 || r.lastLine(t)["reason"] != "unavailable" {
			t.Errorf("%d %s", a.HTTP, a.Text)
		}
	}
	if got := r.sts.asked.Load() - asked; got != 0 {
		t.Errorf("STS was asked %d times during the pause", got)
	}
	// Pauses double up to eight seconds, and each ends with one question.
	for i, pause := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		r.clock.advance(pause/2 - 1)
		r.review(t, r.mint(t, ada, fmt.Sprint("early", i)))
		if got := r.sts.asked.Load() - asked; got != int64(i) {
			t.Fatalf("STS was asked %d times before the half of pause %d was over", got-int64(i), i)
		}
		r.clock.advance(pause/2 + 1)
		for j := range 3 {
			r.review(t, r.mint(t, ada, fmt.Sprint("late", i, "-", j)))
		}
		if got := r.sts.asked.Load() - asked; got != int64(i+1) {
			t.Fatalf("after pause %d STS was asked %d times in all, want once for each", i, got)
		}
	}
	r.sts.instead.Store(nil)
	r.clock.advance(8 * time.Second)
	for range 2 {
		if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
			t.Errorf("STS is back: %d %s", a.HTTP, a.Text)
		}
		r.clock.advance(time.Second)
	}
}

func TestOneFindsOutWhetherSTSIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	failFive(t, r)
	r.sts.instead.Store(nil)
	r.sts.arrived, r.sts.release = make(chan struct{}, 10), make(chan struct{})
	r.clock.advance(time.Second)
	first := make(chan answered)
	raw, other := r.mint(t, ada, cluster), r.mint(t, session, cluster)
	go func() { first <- r.review(t, raw) }()
	<-r.sts.arrived
	if a := r.review(t, other); a.HTTP != 504 {
		t.Errorf("another token while STS is tried: %d %s", a.HTTP, a.Text)
	}
	close(r.sts.release)
	if a := <-first; !a.Status.Authenticated {
		t.Errorf("the one who tried: %d %s", a.HTTP, a.Text)
	}
	if a := r.review(t, other); !a.Status.Authenticated {
		t.Errorf("the other afterwards: %d %s", a.HTTP, a.Text)
	}
}

func TestAnOutageEndsThoughTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	failFive(t, r)
	r.sts.instead.Store(nil)
	r.clock.advance(-time.Hour)
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
}

// What STS answers, however unwelcome, is an answer.
func TestRefusalsAreNoOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, code := range []string{"SignatureDoesNotMatch", "ExpiredToken", "SomethingNew"} {
		r.sts.answer(403, code)
		for i := range 6 {
			r.review(t, r.mint(t, ada, fmt.Sprint(code, i)))
		}
	}
	r.sts.instead.Store(nil)
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
}

// An outage of STS signs nobody out whose token is still good.
func TestAnOutageSignsNobodyOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		begin  func(*rig)
		reason string
	}{
		{"it fails", func(r *rig) { r.sts.answer(500, "InternalFailure") }, "unavailable"},
		{"it is not there", func(r *rig) { r.sts.Close() }, "unavailable"},
		{"it throttles", func(r *rig) { r.sts.answer(400, "Throttling") }, "throttled"},
		{"it answers nonsense", func(r *rig) { r.sts.answer(302, "") }, "answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			raw := r.mint(t, ada, cluster)
			r.review(t, raw)
			tc.begin(r)
			for _, at := range []time.Duration{5*time.Minute - 1, 5 * time.Minute, 10 * time.Minute, 15*time.Minute - 1} {
				r.clock.offset.Store(int64(at))
				if a := r.review(t, raw); !a.Status.Authenticated || a.Status.User.Username != "ada.lovelace" {
					t.Errorf("after %s: %d %s", at, a.HTTP, a.Text)
				}
				want := any(tc.reason)
				if at < 5*time.Minute {
					want = nil
				}
				if line := r.lastLine(t); line["unconfirmed"] != want || line["cached"] != true {
					t.Errorf("after %s, logged %v", at, line)
				}
			}
			r.clock.offset.Store(int64(15 * time.Minute))
			if a := r.review(t, raw); a.Status.Authenticated || !strings.Contains(a.Status.Error, "expired") {
				t.Errorf("after its end: %s", a.Text)
			}
			if a := r.review(t, r.mint(t, session, cluster)); a.Status.Authenticated {
				t.Errorf("a token that was never verified: %s", a.Text)
			}
		})
	}
}

// What STS refuses is refused, though it was good before.
func TestARefusalEndsWhatWasVerified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw := r.mint(t, ada, cluster)
	r.review(t, raw)
	r.clock.advance(5 * time.Minute)
	r.sts.answer(403, "InvalidClientTokenId") // the key was deleted
	if a := r.review(t, raw); a.Status.Authenticated {
		t.Error(a.Text)
	}
	r.sts.answer(500, "InternalFailure")
	r.clock.advance(time.Minute)
	if a := r.review(t, raw); a.Status.Authenticated {
		t.Errorf("an outage brought it back: %s", a.Text)
	}
}

// Anybody can make up access keys, and sign with them.
func TestKeysThatNobodyKnowsLeaveTurnsToOthers(t *testing.T) {
	t.Parallel()
	const calls = 6
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxCalls, c.MaxWait = calls, 50*time.Millisecond })
	if a := r.review(t, r.mint(t, ada, cluster)); !a.Status.Authenticated {
		t.Fatal(a.Text)
	}
	r.clock.advance(time.Second)
	r.sts.arrived, r.sts.release = make(chan struct{}, 100), make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 * calls {
		raw := r.mint(t, key(fmt.Sprintf("AKIAMADEUPMADEUP%04d", i)), cluster)
		wg.Go(func() { r.review(t, raw) })
	}
	for range calls / 2 {
		<-r.sts.arrived
	}
	eventually(t, "turned away", func() bool { return strings.Count(r.log.String(), `"reason":"busy"`) == 3*calls-calls/2 })
	known := make(chan answered)
	raw := r.mint(t, ada, cluster)
	go func() { known <- r.review(t, raw) }()
	<-r.sts.arrived // it is asked about, meanwhile
	close(r.sts.release)
	if a := <-known; !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
	wg.Wait()
	if got := r.sts.asked.Load(); got != 1+calls/2+1 {
		t.Errorf("STS was asked %d times, want %d", got, 1+calls/2+1)
	}
}

// Nobody takes the turns of all others, known or not.
func TestOneKeyLeavesTurnsToOthers(t *testing.T) {
	t.Parallel()
	const calls = 6
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.MaxCalls, c.MaxWait = calls, 50*time.Millisecond })
	r.review(t, r.mint(t, ada, cluster))
	r.review(t, r.mint(t, session, cluster))
	r.clock.advance(time.Second)
	r.sts.arrived, r.sts.release = make(chan struct{}, 100), make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 * calls {
		raw := r.mint(t, ada, fmt.Sprint("cluster", i))
		wg.Go(func() { r.review(t, raw) })
	}
	for range calls / 2 {
		<-r.sts.arrived
	}
	eventually(t, "turned away", func() bool { return strings.Count(r.log.String(), `"reason":"busy"`) == 3*calls-calls/2 })
	other := make(chan answered)
	raw := r.mint(t, session, cluster)
	go func() { other <- r.review(t, raw) }()
	<-r.sts.arrived
	close(r.sts.release)
	if a := <-other; !a.Status.Authenticated {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
	wg.Wait()
}

// Garbage costs STS nothing, in whatever form.
func TestAFloodOfGarbageCostsSTSNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.clock.advance(-time.Hour)
	old := r.mint(t, ada, cluster)
	r.clock.advance(2 * time.Hour)
	future := r.mint(t, ada, cluster)
	r.clock.advance(-time.Hour)
	good := r.mint(t, ada, cluster)
	flood := []string{"", "garbage", "k8s-aws-v1.", "k8s-aws-v1.!!!", old, future, good[:len(good)-40], good + "A", "x" + good, strings.Repeat("k", 20_000)}
	for i := range 10_000 {
		if a := r.review(t, flood[i%len(flood)]); a.Status.Authenticated || a.HTTP != 200 {
			t.Fatalf("%d: %d %s", i%len(flood), a.HTTP, a.Text)
		}
	}
	if got := r.sts.asked.Load(); got != 0 {
		t.Errorf("STS was asked %d times", got)
	}
}
