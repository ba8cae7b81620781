package oidc

import (
	"errors"
	"fmt"
	"time"
)

// Reason says in one stable word why a token was not accepted; it is fit to be
// a metric's label.
type Reason string

// The reasons: what is wrong with the token, then what is wrong with its issuer.
const (
	Malformed    Reason = "malformed" // not a signed JWT, or one that could be read in two ways
	Algorithm    Reason = "algorithm" // signed with nothing, a shared secret or something else not accepted
	WrongIssuer  Reason = "issuer"    // of another issuer than the one asked about
	MissingClaim Reason = "claim"     // lacks a claim; see Error.Claim
	Signature    Reason = "signature" // not signed by the key that it names, or altered
	Expired      Reason = "expired"   // see Error.Expiry and Error.Now
	Future       Reason = "future"    // issued, or valid, later than now
	NoKey        Reason = "key"       // names a key that the issuer does not publish, or that cannot be used

	Provider    Reason = "provider"    // its URL is none that can be asked
	Unreachable Reason = "unreachable" // it could not be asked: says nothing about the token
	Untrusted   Reason = "untrusted"   // its TLS certificate is not trusted
	Document    Reason = "document"    // it publishes what cannot be used
)

// Error is why a token was not accepted. Its text holds no part of the token but
// its issuer, its algorithm and its key's id, and those quoted and cut short.
type Error struct {
	Reason  Reason
	Message string
	Claim   string    // for MissingClaim: which
	Expiry  time.Time // for Expired: when the token expired
	Now     time.Time // for Expired: by which clock
	Err     error     // the cause beneath, if there is one
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Transient reports whether the same token may be accepted when asked again:
// the issuer could not be asked.
func (e *Error) Transient() bool { return e.Reason == Unreachable }

// refuse keeps what format wraps with %w.
func refuse(reason Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Reason: reason, Message: err.Error(), Err: errors.Unwrap(err)}
}
