package nodenames

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/eksauth/eksauth/awsauth"
)

// A pause is at first between half of minPause and all of it, and doubles until
// maxPause.
const (
	minPause = 250 * time.Millisecond
	maxPause = 4 * time.Second
)

// wait waits until EC2 may be asked. It fails if ctx ends before.
func (n *Names) wait(ctx context.Context) error {
	if err := n.pause.wait(ctx); err != nil {
		return err
	}
	return n.limiter.Wait(ctx)
}

// pause is the time in which EC2 is not asked, because it asked to slow down. It is
// for all calls: EC2 counts by account and region.
type pause struct {
	mu    sync.Mutex
	next  time.Duration // the longest that the next one may be
	until time.Time
}

// note learns from a call that ended with err. One that was made before the pause
// began does not prolong it.
func (p *pause) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.next = 0
	}
	if !errors.Is(err, awsauth.ErrNamesThrottled) || time.Until(p.until) > 0 {
		return
	}
	longest := max(p.next, minPause)
	p.until = time.Now().Add(longest/2 + rand.N(longest/2))
	p.next = min(2*longest, maxPause)
}

func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}

func (p *pause) wait(ctx context.Context) error {
	for left := p.left(); left > 0; left = p.left() {
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}
