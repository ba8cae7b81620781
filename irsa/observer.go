package irsa

import (
	"context"
	"time"
)

// Outcome is how a review ended.
type Outcome string

// The outcomes.
const (
	Mutated   Outcome = "mutated"   // the pod gets credentials, or has got them already
	Untouched Outcome = "untouched" // nothing is granted to it
	Degraded  Outcome = "degraded"  // it should perhaps get credentials, and was admitted without
	Refused   Outcome = "refused"
	Failed    Outcome = "failed" // no decision: an HTTP error
)

// Reason says in one stable word why a review did not end well; it is fit to be
// a metric's label. It is "" where there is nothing to say.
type Reason string

// The reasons.
const (
	BadRequest Reason = "request"    // not an AdmissionReview
	NotFound   Reason = "not_found"  // the service account does not exist
	Lookup     Reason = "lookup"     // the service account could not be looked up
	Unusable   Reason = "unusable"   // what is granted cannot be given; see the warnings
	Unreadable Reason = "unreadable" // the pod could not be read
	Internal   Reason = "internal"   // a fault of this program
)

// Observer is told what happens, for metrics. Its method must be quick and may
// be called at once by many goroutines.
type Observer interface {
	// Reviewed tells of every request, when it has been answered. The context is
	// the request's.
	Reviewed(context.Context, Outcome, Reason, time.Duration)
}

type nobody struct{}

func (nobody) Reviewed(context.Context, Outcome, Reason, time.Duration) {}
