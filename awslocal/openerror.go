package awslocal

import "errors"

// Why a store cannot be opened.
var (
	// ErrLocked: another process has it.
	ErrLocked = errors.New("in use")
	// ErrDamaged: its file is not what it was.
	ErrDamaged = errors.New("damaged")
	// ErrNewer: a later version of this program made it.
	ErrNewer = errors.New("made by a newer version")
)

// OpenError is a data directory whose store cannot be opened. It wraps
// ErrLocked, ErrDamaged or ErrNewer, or what the system said.
type OpenError struct {
	Dir     string
	Message string
	Hint    string // what to do about it; may be empty
	Err     error
}

func (e *OpenError) Error() string { return "data directory " + e.Dir + ": " + e.Message }
func (e *OpenError) Unwrap() error { return e.Err }
