package tokenreview

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/token"
)

// maxNaming bounds the question for a node's name, which may come after one to STS:
// kube-apiserver gives a webhook 30 s.
const maxNaming = 10 * time.Second

// decision is how one request ends, and all that its log line tells.
type decision struct {
	id         string // correlation id: in the answer and in the log
	apiVersion string // as asked; "" if the request was no review

	allowed bool   // nothing else lets anybody in
	reason  Reason // why not
	status  int    // of HTTP; 0 means 200 with a TokenReview
	message string // of an HTTP error; about the request, never about a token
	err     error  // the true cause, for the log only

	request  *token.Request // what the token claims; nil until it was read
	proven   bool           // identity is
	identity arn.Identity
	found
	mapping   awsauth.Mapping
	audiences []string
}

func (d *decision) outcome() Outcome {
	switch {
	case d.status != 0:
		return Failed
	case d.allowed:
		return Allowed
	}
	return Refused
}

// decide is the whole of the decision. A panic in it denies.
func (h *Handler) decide(ctx context.Context, rv review) (d decision) {
	var panicked error
	defer func() {
		if panicked != nil {
			d = decision{reason: Internal, err: panicked}
		}
	}()
	defer catch(&panicked)

	if len(h.config.Audiences) > 0 && len(rv.Spec.Audiences) > 0 {
		if d.audiences = intersect(rv.Spec.Audiences, h.config.Audiences); len(d.audiences) == 0 {
			return decision{reason: Audience}
		}
	}
	var err error
	if d.request, err = h.config.Verifier.Check(rv.Spec.Token); err != nil {
		return d.deny(reasonOf(err), err)
	}
	if d.found, err = h.identify(ctx, rv.Spec.Token, d.request); err != nil {
		return d.deny(reasonOf(err), err)
	}
	d.identity, d.proven = d.Identity, true
	if d.mapping, err = h.config.Mappings.Table().MapWith(ctx, d.identity, h.config.Names); err != nil {
		return d.deny(mappingReason(err), err)
	}
	h.cache.welcome(d.hash)
	d.allowed = true
	return d
}

// bounded gives each question for a node's name maxNaming. Reviews that ask for none,
// which are nearly all, need no timer.
type bounded struct{ awsauth.NodeNames }

func (b bounded) PrivateDNSName(ctx context.Context, instanceID string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, maxNaming)
	defer cancel()
	return b.NodeNames.PrivateDNSName(ctx, instanceID)
}

func mappingReason(err error) Reason {
	var unmapped *awsauth.NotMappedError
	var notReady *awsauth.NotReadyError
	var template *awsauth.RenderError
	var reserved *awsauth.ReservedError
	switch {
	case errors.As(err, &unmapped):
		return Unmapped
	case errors.As(err, &notReady):
		return NotReady
	case errors.Is(err, awsauth.ErrNamesThrottled):
		return NamesThrottled
	case errors.Is(err, awsauth.ErrNamesUnavailable), errors.Is(err, context.DeadlineExceeded):
		return NamesUnavailable
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.As(err, &template):
		return Template
	case errors.As(err, &reserved):
		return Reserved
	}
	return Internal
}

// deny refuses, or fails where the same review may go well in a moment.
//
// What kube-apiserver 1.37 does with an HTTP error (measured with
// k8s.io/apiserver v0.37.2; see its pkg/util/webhook and client-go's
// rest/with_retry.go): with a Retry-After it asks again as often as fits into
// 30 s; without one it asks five times within about five seconds if the status
// is 429, 500 or 504, and once if it is another, 503 included. So:
//
//   - STS throttles or did a moment ago, or too many tokens wait for it: 429
//     with Retry-After. People wait instead of being turned away.
//   - The mappings have not been read yet: 503 with Retry-After. That is over
//     soon after a start.
//   - STS could not be asked: 504. A hiccup is bridged, and an outage does not
//     leave every request of everybody hanging for half a minute.
//   - EC2, where a node's name is needed, throttles or could not be asked: as STS.
//   - STS answered what makes no sense: refused like a bad token. A stranger may
//     be able to provoke it, and should not get fifteen questions for one.
func (d decision) deny(reason Reason, err error) decision {
	d.reason, d.err = reason, err
	switch reason {
	case Reason(token.Throttled), Busy:
		d.status, d.message = http.StatusTooManyRequests, "STS must not be asked more often now"
	case NotReady:
		d.status, d.message = http.StatusServiceUnavailable, "the mappings have not been read yet"
	case Reason(token.Unavailable):
		d.status, d.message = http.StatusGatewayTimeout, "STS could not be asked"
	case NamesThrottled:
		d.status, d.message = http.StatusTooManyRequests, awsauth.ErrNamesThrottled.Error()
	case NamesUnavailable:
		d.status, d.message = http.StatusGatewayTimeout, awsauth.ErrNamesUnavailable.Error()
	case Canceled:
		d.status, d.message = http.StatusServiceUnavailable, "canceled"
	}
	return d
}

// intersect returns those of want that are also in have, in want's order.
func intersect(want, have []string) []string {
	var both []string
	for _, a := range want {
		if slices.Contains(have, a) && !slices.Contains(both, a) {
			both = append(both, a)
		}
	}
	return both
}
