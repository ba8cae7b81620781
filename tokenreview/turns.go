package tokenreview

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eksauth/eksauth/token"
)

// maxHosts bounds the hosts that are known to answer. AWS serves STS under some
// two hundred names in its largest partition.
const maxHosts = 256

// maxWaiting bounds the tokens that wait for a turn or have one, and maxQueue
// those of them with one access key. A token goes on waiting when its caller has
// gone, so that a bound on callers is none on these.
const (
	maxWaiting = 4096
	maxQueue   = 256
)

// turns bound the questions to STS at any one time.
//
// Anybody can make tokens that name hosts shaped like STS's which this server
// cannot reach, and each of them holds a turn until the dial gives up. So all
// the hosts that have never answered share a few turns, and those that have
// leave the rest to one another.
//
// Anybody can make up access keys, too. The keys that STS does not vouch for
// leave turns to those for which it has, and no key takes the turns of all others.
type turns struct {
	proven, strangers, unproven chan struct{} // hold one value for each question under way

	perKey int
	known  *lru.Cache[string, struct{}] // access keys for which STS has vouched

	mu       sync.Mutex
	answered map[string]bool
	news     chan struct{} // closed, and replaced, when a host has answered for the first time
	waiting  int
	queues   map[string]*queue
}

// queue is all tokens with one access key that wait or have a turn.
type queue struct {
	turns  chan struct{} // holds one value for each that does not wait for others of the key
	length int
}

func newTurns(c Config) *turns {
	return &turns{
		proven: make(chan struct{}, c.MaxCalls), strangers: make(chan struct{}, c.MaxStrangers), unproven: make(chan struct{}, c.MaxUnproven),
		perKey: c.MaxPerKey, known: newLRU[string, struct{}](c.MaxTokens),
		answered: map[string]bool{}, news: make(chan struct{}), queues: map[string]*queue{},
	}
}

// take waits for a turn to ask host about a token of an access key, until
// patience ends. Whoever gets one gives it back.
func (t *turns) take(host, key string, patience time.Duration) (giveBack func(), err error) {
	q, err := t.enter(key)
	if err != nil {
		return nil, err
	}
	var held []chan struct{}
	giveBack = func() {
		for _, c := range slices.Backward(held) {
			<-c
		}
		t.leave(key, q)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	over := false
	hold := func(c, news chan struct{}) bool {
		select {
		case c <- struct{}{}:
			held = append(held, c)
			return true
		case <-news:
		case <-timer.C:
			over = true
		}
		return false
	}
	mine := hold(q.turns, nil)
	for mine && !over {
		answered, news := t.standing(host)
		// Strangers count only where they could be in others' way: whoever waits for a
		// host that never answered must not keep new sessions from one that has.
		if answered && (t.known.Contains(key) || hold(t.strangers, nil)) && hold(t.proven, nil) ||
			!answered && hold(t.unproven, news) {
			return giveBack, nil
		}
	}
	giveBack()
	return nil, errBusy
}

func (t *turns) enter(key string) (*queue, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[key]
	if t.waiting >= maxWaiting || q != nil && q.length >= maxQueue {
		return nil, errBusy
	}
	if q == nil {
		q = &queue{turns: make(chan struct{}, t.perKey)}
		t.queues[key] = q
	}
	t.waiting++
	q.length++
	return q, nil
}

func (t *turns) leave(key string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting--
	if q.length--; q.length == 0 {
		delete(t.queues, key)
	}
}

// standing reports whether host has answered, and if not, what tells that this may
// have changed.
func (t *turns) standing(host string) (answered bool, news chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answered[host] {
		return true, nil
	}
	return false, t.news
}

// note learns from a question to host about a token of an access key, which ended
// with err.
func (t *turns) note(host, key string, err error) {
	if err == nil {
		t.known.Add(key, struct{}{})
	}
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
