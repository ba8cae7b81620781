package tokenreview

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eksauth/eksauth/token"
)

// maxHosts bounds the hosts that are known to answer. AWS serves STS under some
// two hundred names in its largest partition.
const maxHosts = 256

// turns bound the questions to STS at any one time.
//
// Anybody can make tokens that name hosts shaped like STS's which this server
// cannot reach, and each of them holds a turn until the dial gives up. So all
// the hosts that have never answered share a few turns, and those that have
// leave the rest to one another.
type turns struct {
	proven, unproven chan struct{} // hold one value for each question under way

	mu       sync.Mutex
	answered map[string]bool
	news     chan struct{} // closed, and replaced, when a host has answered for the first time
}

func newTurns(proven, unproven int) *turns {
	return &turns{
		proven: make(chan struct{}, proven), unproven: make(chan struct{}, unproven),
		answered: map[string]bool{}, news: make(chan struct{}),
	}
}

// take waits for a turn to ask host, until patience ends. Whoever gets one gives
// it back.
func (t *turns) take(host string, patience time.Duration) (giveBack func(), err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		pool, news := t.poolOf(host)
		select {
		case pool <- struct{}{}:
			return func() { <-pool }, nil
		case <-news: // it may have been this host
		case <-timer.C:
			return nil, errBusy
		}
	}
}

// poolOf is where host's questions take their turns, and what tells that this
// may have changed.
func (t *turns) poolOf(host string) (pool, news chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answered[host] {
		return t.proven, nil
	}
	return t.unproven, t.news
}

// note learns from a question to host that ended with err.
func (t *turns) note(host string, err error) {
	if !isAnswer(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answered[host] || len(t.answered) >= maxHosts {
		return
	}
	t.answered[host] = true
	close(t.news)
	t.news = make(chan struct{})
}

// isAnswer reports whether STS said something. That it failed is not enough:
// a host that only ever does needs no more turns.
func isAnswer(err error) bool {
	var refused *token.Error
	if !errors.As(err, &refused) {
		return err == nil
	}
	switch refused.Reason {
	case token.Signature, token.Credentials, token.Throttled, token.Answer:
		return true
	}
	return false
}

// STS is not asked about an access key for a time between these two after it
// asked to slow down.
const (
	minPause = time.Second
	maxPause = 2 * time.Second

	// maxPauses bounds the access keys that are remembered.
	maxPauses = 1024
)

var errPaused = &token.Error{Reason: token.Throttled, Message: "STS asked to slow down a moment ago", Hint: "too many distinct tokens are being verified"}

// pauses keep kube-apiserver's retries from prolonging a throttling. They are
// for one access key each: STS counts by the caller's account, so that somebody
// who is throttled must not silence everybody.
type pauses struct{ until *lru.Cache[string, time.Time] }

func newPauses() pauses { return pauses{newLRU[string, time.Time](maxPauses)} }

func (p pauses) begin(key string, now time.Time) {
	p.until.Add(key, now.Add(minPause+rand.N(maxPause-minPause)))
}

// over is also true where the clock was set back.
func (p pauses) over(key string, now time.Time) bool {
	until, ok := p.until.Get(key)
	left := until.Sub(now)
	return !ok || left <= 0 || left > maxPause
}
