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

// identify finds out who made a token, which has passed Check already. Reviews
// of one token that arrive at once ask STS once.
func (h *Handler) identify(ctx context.Context, raw string, req *token.Request) (v token.Verified, cached bool, err error) {
	hash := hashOf(raw)
	f, ok := h.cache.get(hash, h.config.Now())
	h.config.Observer.LookedUp(ok)
	if ok {
		return f.result(true)
	}
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
			return token.Verified{}, false, landed.Err
		}
		return landed.Val.(finding).result(false)
	case <-ctx.Done():
		return token.Verified{}, false, errCanceled
	}
}

func (f finding) result(cached bool) (token.Verified, bool, error) {
	if f.refused != nil {
		return token.Verified{}, cached, f.refused
	}
	return f.verified, cached, nil
}

// ask asks STS when it is this token's turn. A panic must not leave it:
// singleflight would end the process.
func (h *Handler) ask(ctx context.Context, req *token.Request) (f finding, err error) {
	defer catch(&err)
	host, key := h.config.Verifier.Asks(req), req.AccessKeyID
	ctx, cancel := context.WithTimeout(ctx, maxFlight)
	defer cancel()
	if !h.pauses.over(key, h.config.Now()) {
		return finding{}, errPaused
	}
	giveBack, err := h.turns.take(host, h.config.MaxWait)
	if err != nil {
		return finding{}, err
	}
	defer giveBack()

	start := h.config.Now()
	if !h.pauses.over(key, start) { // it began while this token waited
		return finding{}, errPaused
	}
	verified, err := h.config.Verifier.Prove(ctx, req)
	reason, end := reasonOf(err), h.config.Now()
	h.config.Observer.Asked(reason, end.Sub(start))
	h.turns.note(host, err)
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
