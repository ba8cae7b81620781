package oidc

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// freshFor is how long fetched keys are used without asking again: how long
	// a key that the issuer withdrew is still believed.
	freshFor = 10 * time.Minute

	// keepFor is how long they are used when the issuer cannot be asked.
	keepFor = time.Hour

	// retryEvery bounds how often an issuer is asked, whatever tokens say.
	retryEvery = 10 * time.Second
)

// keyCache holds one issuer's keys between tokens. At most one fetch is under
// way.
type keyCache struct {
	issuer string
	fetch  func(ctx context.Context, issuer string) (publishedKeys, error)
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	keys    publishedKeys // of the last fetch that succeeded
	good    time.Time     // when that was
	tried   time.Time     // when the last fetch ended
	err     error         // how it ended
	pending chan struct{} // closed when the fetch under way ends; nil when none is
}

// key finds a key by id, and asks the issuer first if that is due.
func (c *keyCache) key(ctx context.Context, id string) (publishedKey, error) {
	if pending := c.refresh(ctx, id); pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
			return publishedKey{}, refuse(Unreachable, "gave up waiting for the keys of %q: %w", c.issuer, ctx.Err())
		}
	}
	return c.lookUp(id)
}

// refresh starts a fetch if one is due, and returns what must be waited for.
func (c *keyCache) refresh(ctx context.Context, id string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	_, known := c.keys[id]
	if known && now.Sub(c.good) < freshFor {
		return nil
	}
	if c.pending == nil && now.Sub(c.tried) >= retryEvery {
		c.pending = make(chan struct{})
		// Others wait for it too, so it outlives the request that began it.
		go c.run(context.WithoutCancel(ctx))
	}
	if known && c.err != nil && now.Sub(c.good) < keepFor {
		return nil // an outage: nobody waits for an issuer that did not answer last time
	}
	return c.pending
}

func (c *keyCache) run(ctx context.Context) {
	keys, err := c.fetch(ctx, c.issuer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried, c.err = c.now(), err
	if err == nil {
		c.keys, c.good = keys, c.tried
	} else if c.log != nil {
		c.log.Warn("cannot fetch the keys of an issuer", "issuer", c.issuer, "error", err, "keysKept", len(c.keys), "keysFrom", c.good)
	}
	close(c.pending)
	c.pending = nil
}

func (c *keyCache) lookUp(id string) (publishedKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[id]
	switch {
	case c.err != nil && (!ok || c.now().Sub(c.good) >= keepFor):
		return publishedKey{}, c.err
	case !ok:
		return publishedKey{}, refuse(NoKey, "the issuer %q publishes no key %.80q; after a rotation it takes up to %s until a new one is noticed", c.issuer, id, retryEvery)
	}
	return key, nil
}
