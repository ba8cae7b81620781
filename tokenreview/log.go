package tokenreview

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
)

// log writes the one line that tells of a decision. It never holds a token, and
// nothing that names a principal of a scrubbed account.
func (h *Handler) log(ctx context.Context, d *decision, latency time.Duration) {
	attrs := make([]slog.Attr, 0, 12)
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("id", d.id)
	add("outcome", string(d.outcome()))
	add("reason", string(d.reason))
	if d.proven {
		h.addIdentity(add, d)
	} else {
		h.addClaim(add, d)
	}
	if reason := d.mapping.Reason(); d.mapping.Username != "" && !(h.scrubbed(d.identity.AccountID) && strings.Contains(reason, d.identity.AccountID)) {
		add("entry", reason) // that of an access entry has its ARN
	}
	add("unconfirmed", string(d.unconfirmed))
	attrs = append(attrs, slog.Bool("cached", d.cached), slog.Float64("latency_ms", float64(latency.Microseconds())/1000))

	level := slog.LevelInfo
	switch {
	case d.reason == Internal:
		level = slog.LevelError
		var p *panicError
		if errors.As(d.err, &p) {
			add("stack", string(p.stack))
		}
	case !d.allowed, slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == alsoSession }):
		level = slog.LevelWarn
	}
	h.config.Log.LogAttrs(ctx, level, "token review", attrs...)
}

// alsoSession is another session that is the same user; see rewrites.
const alsoSession = "username_also_of_session"

// addIdentity tells who it was.
func (h *Handler) addIdentity(add func(key, value string), d *decision) {
	id := d.identity
	if h.scrubbed(id.AccountID) {
		if !strings.Contains(d.mapping.Username, id.AccountID) {
			add("username", d.mapping.Username)
		}
		return
	}
	add("arn", id.Canonical())
	add("session", id.Session)
	add("access_key_id", id.AccessKeyID)
	add("user_id", id.UserID)
	add("username", d.mapping.Username)
	if d.allowed {
		add(alsoSession, h.note(d.mapping, id.Session))
	}
	if d.err == nil {
		return
	}
	add("error", d.err.Error())
	var unmapped *awsauth.NotMappedError
	if errors.As(d.err, &unmapped) && h.hints.allow(h.config.Now()) {
		// An entry that comes near may be of an account that must not be named.
		hints := slices.DeleteFunc(unmapped.Hints(), h.namesScrubbed)
		add("hint", strings.Join(hints, "; "))
	}
}

func (h *Handler) namesScrubbed(text string) bool {
	return slices.ContainsFunc(h.config.ScrubbedAccounts, func(account string) bool { return account != "" && strings.Contains(text, account) })
}

// addClaim tells what is known of a token that proved nothing, or of a request
// without one. Whose it is may be a secret where accounts are scrubbed: an
// access key id gives its account away, and an answer of STS that was not
// believed may hold an ARN.
func (h *Handler) addClaim(add func(key, value string), d *decision) {
	scrubs := len(h.config.ScrubbedAccounts) > 0
	if d.request != nil && !scrubs {
		add("access_key_id", d.request.AccessKeyID)
	}
	if d.err == nil {
		add("error", d.message)
		return
	}
	if d.reason != Reason(token.Answer) || !scrubs {
		add("error", d.err.Error())
	}
	var refused *token.Error
	if errors.As(d.err, &refused) {
		add("hint", refused.Hint)
	}
}

// gate lets one through in every second. The hints for somebody who is not
// mapped cost a walk through the whole table, and whoever has an AWS account
// can be such a somebody as often as they like.
type gate struct{ last atomic.Int64 }

func (g *gate) allow(now time.Time) bool {
	last, at := g.last.Load(), now.UnixNano()
	if at >= last && at-last < int64(time.Second) {
		return false
	}
	return g.last.CompareAndSwap(last, at)
}
