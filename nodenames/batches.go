package nodenames

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eksauth/eksauth/awsauth"
)

const (
	// window is how long a question waits for others to share its call.
	window = 50 * time.Millisecond
	// maxBatch is half of the 200 values that EC2 takes for a filter. Instances with
	// many addresses are described in 200 kB each.
	maxBatch = 100
	// maxPages bounds the answers to one batch. EC2 may put fewer instances on a page
	// than there is room for, or none.
	maxPages = 20

	// maxCall bounds one call, maxFlight all that are made for a batch.
	maxCall   = 5 * time.Second
	maxFlight = 10 * time.Second
)

// batches are the calls that are under way and what the next one will be about.
type batches struct {
	queue     []*question   // no call is about them yet
	calls     int           // goroutines that gather or ask
	gathering bool          // one of them waits for questions
	full      chan struct{} // has a value when that one need not wait any longer
}

// enqueue is called with n.mu held, as next is.
func (n *Names) enqueue(q *question) {
	n.queue = append(n.queue, q)
	n.next()
}

// next sees to it that somebody gathers what is in the queue, if there may be one
// more call. If not, a call that ends comes here again, and more questions share
// the next one.
func (n *Names) next() {
	if len(n.queue) == 0 {
		return
	}
	if !n.gathering && n.calls < n.config.MaxCalls {
		n.calls++
		n.gathering, n.full = true, make(chan struct{}, 1)
		go n.run(n.full)
	}
	if n.gathering && len(n.queue) >= maxBatch {
		select {
		case n.full <- struct{}{}:
		default:
		}
	}
}

// run is one batch, from the first question to the answers.
func (n *Names) run(full <-chan struct{}) {
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-full:
	}
	// Questions go on arriving while EC2 must not be asked. There is no deadline here:
	// a pause and the wait for a call's turn have an end of their own.
	err := n.wait(context.Background())
	batch := n.take()
	var found map[string]string
	if err == nil && len(batch) > 0 {
		found, err = n.describe(batch)
	}
	n.land(batch, found, err)
}

// take takes a batch out of the queue, without what nobody waits for any more.
func (n *Names) take() []*question {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gathering = false
	var batch []*question
	for len(n.queue) > 0 && len(batch) < maxBatch {
		q := n.queue[0]
		n.queue[0], n.queue = nil, n.queue[1:]
		if q.waiting == 0 {
			delete(n.pending, q.id)
			continue
		}
		batch = append(batch, q)
	}
	n.next()
	return batch
}

func (n *Names) land(batch []*question, found map[string]string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range batch {
		n.answer(q, found, err)
	}
	n.calls--
	n.next()
}

// describe asks about a batch, again after a pause if EC2 asks to slow down.
func (n *Names) describe(batch []*question) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxFlight)
	defer cancel()
	for {
		found, err := n.pages(ctx, batch)
		if !errors.Is(err, awsauth.ErrNamesThrottled) || n.wait(ctx) != nil {
			return found, err
		}
	}
}

// pages reads until everybody was found or there is no more. Whoever waited for the
// first call's turn is done with that.
func (n *Names) pages(ctx context.Context, batch []*question) (map[string]string, error) {
	ids := make([]string, len(batch))
	for i, q := range batch {
		ids[i] = q.id
	}
	found := make(map[string]string, len(ids))
	page := ""
	for range maxPages {
		instances, next, err := n.call(ctx, ids, page)
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			if name, ok := found[i.ID]; ok && name != i.PrivateDNSName {
				return nil, fmt.Errorf("%w: it gives %.40q two names", awsauth.ErrNamesUnavailable, i.ID)
			}
			found[i.ID] = i.PrivateDNSName
		}
		if page = next; page == "" || hasAll(found, ids) {
			return found, nil
		}
		if err := n.wait(ctx); err != nil {
			return nil, fmt.Errorf("%w: no answer in time", awsauth.ErrNamesUnavailable)
		}
	}
	return nil, fmt.Errorf("%w: its answer has more than %d pages", awsauth.ErrNamesUnavailable, maxPages)
}

func hasAll(found map[string]string, ids []string) bool {
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			return false
		}
	}
	return true
}

// call is one call of EC2. A panic must not leave it: it would end the process.
func (n *Names) call(ctx context.Context, ids []string, page string) (found []Instance, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxCall)
	defer cancel()
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
		if err != nil && !errors.Is(err, awsauth.ErrNamesThrottled) {
			err = fmt.Errorf("%w: %w", awsauth.ErrNamesUnavailable, err)
		}
		n.pause.note(err)
		n.config.Observer.Asked(outcomeOf(err), time.Since(start))
	}()
	return n.config.Instances.Describe(ctx, ids, page)
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, awsauth.ErrNamesThrottled):
		return Throttled
	}
	return Unavailable
}
