package awsauth

import (
	"fmt"

	"github.com/eksauth/eksauth/arn"
)

// How says by what an entry matched an identity.
type How uint8

// The ways to match.
const (
	ByARN      How = iota + 1 // the canonical ARN, as the entry gives it
	ByRoleName                // a role whose path, in the entry, sessions do not show
	BySession                 // the role of a session whose ARN the entry gives
	BySSO                     // a permission set's role
	ByPattern                 // an ARN with wildcards
	ByUserID                  // the user id alone; see Entry.ByUserID
	ByAccount                 // the account
)

func (h How) String() string {
	switch h {
	case ByARN:
		return "ARN"
	case ByRoleName:
		return "role ARN without its path"
	case BySession:
		return "role of the session ARN"
	case BySSO:
		return "SSO permission set"
	case ByPattern:
		return "ARN with wildcards"
	case ByUserID:
		return "user id alone"
	case ByAccount:
		return "account"
	}
	return "unknown"
}

// Mapping is the Kubernetes user that an identity becomes, and why.
type Mapping struct {
	Username string // never empty
	// Groups may be shared with the table and with other callers: read it,
	// append to it, but do not change its elements.
	Groups []string
	// SessionRewritten: the username has the session's name in it, with @ written as
	// -, so that another session may have the same.
	SessionRewritten bool
	Entry            Entry // the entry that matched
	How              How
}

// Reason is one line for a log: which entry matched, and by what.
func (m Mapping) Reason() string {
	return fmt.Sprintf("%s, by %s", m.Entry, m.How)
}

// NotMappedError is an identity that no entry is for.
type NotMappedError struct {
	Identity arn.Identity

	table *Table
}

func (e *NotMappedError) Error() string { return e.Identity.Canonical() + " is not mapped" }

// NotReadyError is an identity that cannot be decided on yet: no source that
// has been read maps it, and the one named has not been read once.
type NotReadyError struct{ Source string }

func (e *NotReadyError) Error() string {
	return "the mappings of " + e.Source + " have not been read yet"
}

// RenderError is an entry that matched and whose username or groups cannot be
// made for this identity.
type RenderError struct {
	Entry    Entry
	Template string // as written
	Message  string
	Err      error // of the NodeNames, if that is what failed
}

func (e *RenderError) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Entry, quote(e.Template), e.Message)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *RenderError) Unwrap() error { return e.Err }

// ReservedError is an entry that matched and gives a username that its source
// may not give.
type ReservedError struct {
	Entry            Entry
	Username, Prefix string
}

func (e *ReservedError) Error() string {
	return fmt.Sprintf("%s: username %s begins with %q, which is reserved there", e.Entry, quote(e.Username), e.Prefix)
}
