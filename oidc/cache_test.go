package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// remote is an issuer that answers after latency.
type remote struct {
	mu      sync.Mutex
	keys    publishedKeys
	err     error
	latency time.Duration
	fetches int
}

func (r *remote) fetch(ctx context.Context, _ string) (publishedKeys, error) {
	r.mu.Lock()
	r.fetches++
	keys, err, latency := r.keys, r.err, r.latency
	r.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return keys, err
}

func (r *remote) set(err error, ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.err = publishedKeys{}, err
	for _, id := range ids {
		r.keys[id] = publishedKey{key: id}
	}
}

func (r *remote) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetches
}

// inBubble runs a test on synctest's clock, with a cache of an issuer that
// publishes a key "old" and takes a second to answer.
func inBubble(t *testing.T, test func(t *testing.T, c *keyCache, r *remote)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &remote{latency: time.Second}
		r.set(nil, "old")
		test(t, &keyCache{issuer: goldenIssuer, now: time.Now, fetch: r.fetch}, r)
		synctest.Wait()
	})
}

func wantKey(t *testing.T, c *keyCache, id string) {
	t.Helper()
	if key, err := c.key(t.Context(), id); err != nil || key.key != id {
		t.Errorf("key %s: %v, error %v", id, key.key, err)
	}
}

func wantNoKey(t *testing.T, c *keyCache, id string, reason Reason) {
	t.Helper()
	_, err := c.key(t.Context(), id)
	wantRefusal(t, err, reason, "", "")
}

var errDown = refuse(Unreachable, "down")

func TestOneFetchServesManyTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { wantKey(t, c, "old") })
		}
		all.Wait()
		for range 100 {
			wantKey(t, c, "old")
			time.Sleep(5 * time.Second) // 500 s: less than ten minutes
		}
		if n := r.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestUnknownKeysAreAskedForAtABoundedRate(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		wantKey(t, c, "old")
		for i := range 600 { // a minute of a flood
			var all sync.WaitGroup
			for j := range 10 {
				all.Go(func() { wantNoKey(t, c, fmt.Sprint("made up ", i, j), NoKey) })
			}
			all.Wait()
			time.Sleep(100 * time.Millisecond)
			wantKey(t, c, "old")
		}
		if n := r.count(); n < 3 || n > 8 {
			t.Errorf("%d fetches in a minute", n)
		}
	})
}

func TestNewKeyIsNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		wantKey(t, c, "old")
		r.set(nil, "new", "old")
		time.Sleep(retryEvery - time.Millisecond)
		wantNoKey(t, c, "new", NoKey)
		time.Sleep(time.Millisecond)
		wantKey(t, c, "new")
		wantKey(t, c, "old")
	})
}

func TestWithdrawnKeyIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		wantKey(t, c, "old")
		r.set(nil, "new")
		time.Sleep(freshFor - time.Millisecond)
		wantKey(t, c, "old")
		time.Sleep(time.Millisecond)
		wantNoKey(t, c, "old", NoKey)
	})
}

func TestLastGoodKeysServeThroughAnOutageOfAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		wantKey(t, c, "old")
		fetched := time.Now()
		r.set(errDown)
		time.Sleep(freshFor)
		wantKey(t, c, "old") // waits for the fetch that fails
		for time.Since(fetched) < keepFor-time.Minute {
			before := time.Now()
			wantKey(t, c, "old")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("waited %s for an issuer that was down", waited)
			}
			time.Sleep(time.Second)
		}
		if n := r.count(); n > int(keepFor/retryEvery) {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(keepFor - time.Since(fetched))
		wantNoKey(t, c, "old", Unreachable)
		r.set(nil, "old")
		time.Sleep(retryEvery + 2*time.Second)
		wantKey(t, c, "old")
	})
}

func TestKeysUnknownInAnOutageAreNotCalledUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		wantKey(t, c, "old")
		r.set(errDown)
		time.Sleep(retryEvery)
		wantNoKey(t, c, "new", Unreachable)
		wantKey(t, c, "old")
	})
}

func TestFailureIsRememberedForTenSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		r.set(errDown)
		for range 5 {
			wantNoKey(t, c, "old", Unreachable)
		}
		if n := r.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		r.set(nil, "old")
		time.Sleep(retryEvery)
		wantKey(t, c, "old")
	})
}

func TestCallerThatGivesUpLeavesTheFetchToOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.key(ctx, "old")
		wantRefusal(t, err, Unreachable, "gave up", "")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v does not say why", err)
		}
		wantKey(t, c, "old")
		if n := r.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestOutagesAreLogged(t *testing.T) {
	inBubble(t, func(t *testing.T, c *keyCache, r *remote) {
		var log bytes.Buffer
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		wantKey(t, c, "old")
		if log.Len() != 0 {
			t.Errorf("logged %s", &log)
		}
		r.set(errDown)
		time.Sleep(freshFor)
		wantKey(t, c, "old")
		if got := log.String(); !strings.Contains(got, goldenIssuer) || !strings.Contains(got, "error=down") || !strings.Contains(got, "keysKept=1") {
			t.Errorf("logged %q", got)
		}
	})
}

func TestVerifierForgetsTheIssuerUnusedForLongest(t *testing.T) {
	t.Parallel()
	now := noon
	v := &Verifier{Now: func() time.Time { now = now.Add(time.Second); return now }}
	url := func(i int) string { return fmt.Sprintf("https://oidc.example/%d", i) }
	for i := range maxIssuers {
		v.issuer(url(i))
	}
	first := v.issuer(url(0)) // used again, so the second is the oldest
	v.issuer(url(maxIssuers))
	if len(v.issuers) != maxIssuers {
		t.Errorf("%d issuers", len(v.issuers))
	}
	if _, kept := v.issuers[url(1)]; kept {
		t.Error("the oldest is still there")
	}
	if v.issuer(url(0)) != first {
		t.Error("one that was used was forgotten")
	}
}

// The whole way: keys change hands while tokens are verified.
func TestRotationWithOverlap(t *testing.T) {
	t.Parallel()
	old, next := generate(t, "ES256"), generate(t, "RS256")
	s := newSite(t, old)
	now := noon
	s.Now = func() time.Time { return now }
	s.verifier.Now = s.Now
	verify := func(raw string) error {
		_, err := s.verifier.Verify(t.Context(), s.URL(), raw)
		return err
	}
	setKeys := func(keys KeySet, err error) {
		t.Helper()
		if err == nil {
			err = s.SetKeys(keys)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	byOld := s.mint(t)
	if err := verify(byOld); err != nil {
		t.Fatal(err)
	}
	setKeys(s.Keys().Announce(next.Public()), nil)
	now = now.Add(freshFor)
	if err := verify(byOld); err != nil { // learns the announced key
		t.Fatal(err)
	}
	asked := s.asked.Load()
	setKeys(s.Keys().Sign(next))
	byNext := s.mint(t)
	if err := verify(byNext); err != nil {
		t.Errorf("by the new key: %v", err)
	}
	if err := verify(byOld); err != nil {
		t.Errorf("by the old key: %v", err)
	}
	if s.asked.Load() != asked {
		t.Error("an announced key had to be asked for")
	}
	setKeys(s.Keys().Retire(old.Public().ID()))
	now = now.Add(freshFor)
	if err := verify(byNext); err != nil {
		t.Errorf("by the new key alone: %v", err)
	}
	wantRefusal(t, verify(byOld), NoKey, old.Public().ID(), byOld)
}
