package token

import "fmt"

// Reason says in one stable word why a token was not accepted; it is fit to be
// a metric's label.
type Reason string

// The reasons. The first five lie in the token, the others with STS.
const (
	Malformed   Reason = "malformed"   // not a token, or one that no client writes
	Expired     Reason = "expired"     // older than Lifetime
	Future      Reason = "future"      // dated later than now, beyond the clock skew allowed
	Host        Reason = "host"        // would be sent to a host that is not this partition's STS
	Signature   Reason = "signature"   // not signed for this cluster, or altered
	Credentials Reason = "credentials" // STS does not know the access key, or its session is over
	Throttled   Reason = "throttled"   // STS asks to slow down: says nothing about the token
	Unavailable Reason = "unavailable" // STS could not be asked: says nothing about the token
	Answer      Reason = "answer"      // STS answered what GetCallerIdentity does not
)

// Error is why a token was not accepted. Its text never holds any part of the
// token that is secret.
type Error struct {
	Reason  Reason
	Message string
	Hint    string // what to do about it; may be empty
	Err     error  // the cause beneath, if there is one
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Transient reports whether the same token may be accepted when asked again:
// the fault is not the token's.
func (e *Error) Transient() bool {
	return e.Reason == Throttled || e.Reason == Unavailable || e.Reason == Answer
}

func refuse(reason Reason, hint, format string, args ...any) *Error {
	return &Error{Reason: reason, Hint: hint, Message: fmt.Sprintf(format, args...)}
}
