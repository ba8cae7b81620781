package tokenreview

import (
	"context"
	"time"
)

// Outcome is how a review ended.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed"
	Refused Outcome = "refused" // authenticated: false
	Failed  Outcome = "failed"  // no decision: an HTTP error
)

// Reason says in one stable word why a review did not end well; it is fit to be
// a metric's label. Those that lie in a token are token.Reasons: malformed,
// expired, future, host, signature, credentials, throttled, unavailable, answer.
// It is "" for who was allowed in.
type Reason string

// The reasons beside those of package token.
const (
	BadRequest Reason = "request"   // not a TokenReview; failed
	Audience   Reason = "audience"  // for none of the audiences of this cluster
	Busy       Reason = "busy"      // too many questions to STS are under way; failed
	Canceled   Reason = "canceled"  // the caller went away; failed
	Unmapped   Reason = "unmapped"  // a proven identity that no mapping is for
	Template   Reason = "template"  // a mapping whose username or groups cannot be made
	Reserved   Reason = "reserved"  // a username that its source may not give
	NotReady   Reason = "not_ready" // the mappings have not been read yet; failed

	NamesThrottled   Reason = "ec2_throttled"   // EC2 must not be asked for a node's name now; failed
	NamesUnavailable Reason = "ec2_unavailable" // EC2 could not be asked for a node's name; failed

	Internal Reason = "internal" // a fault of this program
)

// Observer is told what happens, for metrics. Its methods must be quick and may
// be called at once by many goroutines.
type Observer interface {
	// Reviewed tells of every request, when it has been answered. The context is
	// the request's.
	Reviewed(context.Context, Outcome, Reason, time.Duration)
	// Asked tells of every question to STS. The reason is "" if it said who.
	Asked(Reason, time.Duration)
	// LookedUp tells of every token that had to be identified: whether the
	// cache knew it.
	LookedUp(hit bool)
}

type nobody struct{}

func (nobody) Reviewed(context.Context, Outcome, Reason, time.Duration) {}
func (nobody) Asked(Reason, time.Duration)                              {}
func (nobody) LookedUp(bool)                                            {}
