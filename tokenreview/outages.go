package tokenreview

import (
	"math/rand/v2"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eksauth/eksauth/token"
)

const (
	// downAfter questions in a row without an answer, a host is down.
	downAfter = 5

	// A host that is down is tried after a time between half of these and all
	// of it, which doubles from the one to the other.
	minRetry = 500 * time.Millisecond
	maxRetry = 8 * time.Second
)

var errDown = &token.Error{Reason: token.Unavailable, Message: "STS did not answer a moment ago", Hint: "can this server reach the STS endpoint?"}

// outages keep tokens from waiting for a host that does not answer: each
// question to it may take as long as the deadline, and the API server holds the
// caller meanwhile. One question at a time finds out whether it answers again.
type outages struct {
	mu    *sync.Mutex
	hosts *lru.Cache[string, *outage]
}

// outage is that of one host, or what may become one.
type outage struct {
	failures int           // in a row, up to downAfter
	pause    time.Duration // the one under way; 0 before the host is down
	until    time.Time     // the host is left alone
	trying   bool          // a question to the host, which is down, is under way
}

func newOutages() outages { return outages{&sync.Mutex{}, newLRU[string, *outage](maxHosts)} }

// last reports whether host is down, and not due to be tried.
func (o outages) last(host string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	h, ok := o.hosts.Get(host)
	return ok && h.lasts(now)
}

func (h *outage) lasts(now time.Time) bool {
	left := h.until.Sub(now)
	return h.pause > 0 && (h.trying || left > 0 && left <= maxRetry) // more than that: the clock was set back
}

// begin is called before each question to host; it fails if the host is down.
// ended must be called with the question's end.
func (o outages) begin(host string, now time.Time) (ended func(err error, now time.Time), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h, ok := o.hosts.Get(host)
	if !ok {
		h = &outage{}
		o.hosts.Add(host, h)
	}
	if h.lasts(now) {
		return nil, errDown
	}
	try := h.pause > 0
	h.trying = try
	return func(err error, now time.Time) {
		o.mu.Lock()
		defer o.mu.Unlock()
		h.ended(try, err, now)
	}, nil
}

func (h *outage) ended(try bool, err error, now time.Time) {
	if try {
		h.trying = false
	}
	switch {
	case isAnswer(err):
		*h = outage{}
		return
	case Reason(token.Unavailable) != reasonOf(err):
		return // it tells nothing
	}
	h.failures = min(h.failures+1, downAfter)
	switch {
	case h.failures < downAfter:
		return
	case h.pause == 0:
		h.pause = minRetry
	case try:
		h.pause = min(2*h.pause, maxRetry)
	default:
		return // one of those that were under way when the host went down
	}
	h.until = now.Add(h.pause/2 + rand.N(h.pause/2))
}
