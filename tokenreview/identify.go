package tokenreview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/eksauth/eksauth/token"
)

// maxFlight bounds one question to STS, the wait for its turn included. It does
// not end when the caller who began it goes away: others may be waiting for the
// same answer. kube-apiserver gives a webhook 30 s.
const maxFlight = 15 * time.Second

var (
	errBusy     = errors.New("too many tokens are being verified")
	errCanceled = errors.New("the caller went away")
)

// panicError is a panic, turned into an error that denies.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// catch is deferred; it turns a panic into err.
func catch(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v, stack: debug.Stack()}
	}
}

// found is who made a token, and how that is known.
type found struct {
	token.Verified
	hash   tokenHash
	cached bool
	// unconfirmed is why STS could not say so again: it did more than
	// rememberVerified ago. "" if it need not.
	unconfirmed Reason
}

// identify finds out who made a token, which has passed Check already. Reviews
// of one token that arrive at once ask STS once.
//
// What STS said of a token is asked for again after a while. If it cannot say
// then, what it said counts until the token ends: an outage of STS signs nobody
// out.
func (h *Handler) identify(ctx context.Context, raw string, req *token.Request) (found, error) {
	hash := hashOf(raw)
	f, cached := h.cache.get(hash, h.config.Now())
	h.config.Observer.LookedUp(cached)
	var err error
	if !cached {
		f, err = h.fly(ctx, hash, req)
	}
	if err == nil && f.refused != nil {
		err = f.refused
	}
	if err == nil {
		return found{Verified: f.verified, hash: hash, cached: cached}, nil
	}
	if passing(err) {
		if v, ok := h.cache.old(hash); ok {
			return found{Verified: v, hash: hash, cached: true, unconfirmed: reasonOf(err)}, nil
		}
	}
	return found{cached: cached}, err
}

// passing reports whether err says nothing about the token.
func passing(err error) bool {
	var refused *token.Error
	return errors.Is(err, errBusy) || errors.As(err, &refused) && refused.Transient()
}

// fly asks STS, or waits for the answer with those who asked before.
func (h *Handler) fly(ctx context.Context, hash tokenHash, req *token.Request) (finding, error) {
	landing := h.flights.DoChan(string(hash[:]), func() (any, error) {
		// A flight for this token may have landed since the look-up above.
		if f, ok := h.cache.get(hash, h.config.Now()); ok {
			return f, nil
		}
		f, err := h.ask(context.WithoutCancel(ctx), req)
		if err != nil {
			return nil, err
		}
		h.cache.put(hash, f, h.config.Now())
		return f, nil
	})
	select {
	case landed := <-landing:
		if landed.Err != nil {
			return finding{}, landed.Err
		}
		return landed.Val.(finding), nil
	case <-ctx.Done():
		return finding{}, errCanceled
	}
}

// ask asks STS when it is this token's turn. A panic must not leave it:
// singleflight would end the process.
func (h *Handler) ask(ctx context.Context, req *token.Request) (f finding, err error) {
	defer catch(&err)
	host, key := h.config.Verifier.Asks(req), req.AccessKeyID
	ctx, cancel := context.WithTimeout(ctx, maxFlight)
	defer cancel()
	if err := h.silence(host, key); err != nil {
		return finding{}, err
	}
	giveBack, err := h.turns.take(host, key, h.config.MaxWait)
	if err != nil {
		return finding{}, err
	}
	defer giveBack()

	start := h.config.Now()
	if !h.pauses.over(key, start) { // it began while this token waited
		return finding{}, errPaused
	}
	verified, err := h.prove(ctx, host, req)
	if errors.Is(err, errDown) {
		return finding{}, err
	}
	reason, end := reasonOf(err), h.config.Now()
	h.config.Observer.Asked(reason, end.Sub(start))
	h.turns.note(host, key, err)
	if reason == Reason(token.Throttled) {
		h.pauses.begin(key, end)
	}
	if err == nil {
		return finding{verified: verified}, nil
	}
	var refused *token.Error
	if errors.As(err, &refused) {
		return finding{refused: refused}, nil
	}
	return finding{}, err
}

// prove asks host, unless it is down.
func (h *Handler) prove(ctx context.Context, host string, req *token.Request) (v token.Verified, err error) {
	ended, err := h.outages.begin(host, h.config.Now())
	if err != nil {
		return v, err
	}
	defer func() { ended(err, h.config.Now()) }()
	err = errCanceled // where a panic ends it
	v, err = h.config.Verifier.Prove(ctx, req)
	if answered, _ := h.turns.standing(host); answered && reasonOf(err) == Reason(token.Host) {
		// It exists, whatever a resolver says that has lost the world.
		err = &token.Error{Reason: token.Unavailable, Message: "STS was not found, though it has answered before", Hint: "does this server's DNS know AWS?", Err: err}
	}
	return v, err
}

// silence is why nobody need wait for a turn to ask host.
func (h *Handler) silence(host, key string) error {
	now := h.config.Now()
	if !h.pauses.over(key, now) {
		return errPaused
	}
	if h.outages.last(host, now) {
		return errDown
	}
	return nil
}

// reasonOf names an error of identify; "" for none.
func reasonOf(err error) Reason {
	var refused *token.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return cmp.Or(Reason(refused.Reason), Internal)
	case errors.Is(err, errBusy):
		return Busy
	case errors.Is(err, errCanceled):
		return Canceled
	}
	return Internal
}
