package sigv4

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoSignature says that a request carries no signature at all, neither in
// its Authorization header nor in its query.
var ErrNoSignature = errors.New("request is not signed")

// ErrMismatch says that a signature is not the one that the secret key gives
// for the request: another key, or another request.
var ErrMismatch = errors.New("signature does not match the request")

// FormatError says what is wrong with a signature, or with a request that
// cannot be signed, before any key comes into it. It never repeats a signature,
// a session token or a secret.
type FormatError struct {
	Field   string // the header, query parameter or part of the request
	Message string // what is wrong with it
}

func (e *FormatError) Error() string { return e.Field + " " + e.Message }

// TimeError says that a signature is too old, or from the future. Times are in
// whole seconds, UTC.
type TimeError struct {
	Signed time.Time     // X-Amz-Date
	Now    time.Time     // the clock it was compared with
	Limit  time.Duration // by how much they may differ
	NotYet bool          // the signature is from the future
}

// Error is in the words of AWS, which users search for.
func (e *TimeError) Error() string {
	signed, now, minutes := e.Signed.Format(timeFormat), e.Now.Format(timeFormat), int(e.Limit/time.Minute)
	if e.NotYet {
		return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)",
			signed, e.Now.Add(e.Limit).Format(timeFormat), now, minutes)
	}
	return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)",
		signed, e.Now.Add(-e.Limit).Format(timeFormat), now, minutes)
}
