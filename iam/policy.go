package iam

// Kind says what a policy is attached to, which decides the elements it must
// and may not have.
type Kind uint8

const (
	// TrustPolicy is a role's AssumeRolePolicyDocument: Principal or
	// NotPrincipal is required, Resource is prohibited, and all actions are
	// STS's.
	TrustPolicy Kind = iota + 1
	// IdentityPolicy is attached to a user, a group or a role, or narrows a
	// session: Resource or NotResource is required, Principal is prohibited.
	IdentityPolicy
)

func (k Kind) String() string {
	switch k {
	case TrustPolicy:
		return "trust policy"
	case IdentityPolicy:
		return "identity policy"
	}
	return "unknown kind of policy"
}

// Effect is what a statement says when it applies, and what a decision is.
type Effect uint8

const (
	// NoMatch is the implicit deny: no statement applied.
	NoMatch Effect = iota
	// Allow is an allow that no Deny overrides.
	Allow
	// Deny is an explicit deny, which overrides every allow.
	Deny
)

func (e Effect) String() string {
	switch e {
	case Allow:
		return "Allow"
	case Deny:
		return "Deny"
	}
	return "NoMatch"
}

// The versions of the policy language. Policy variables exist only in the later
// one; a document without a version has the earlier one.
//
// Source: "IAM JSON policy elements: Version".
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Position is a place in a policy document. Line and column count from 1, the
// column in bytes.
type Position struct {
	Line   int
	Column int
}

// Policy is a parsed document. It is made by Parse and never changes after
// that, so any number of goroutines may evaluate it. Its fields are for reading:
// evaluation uses what Parse prepared from them.
type Policy struct {
	// Name tells policies apart in reasons; "" prints nothing. It may be set
	// before the policy is shared.
	Name       string
	Kind       Kind
	Version    string // Version2008 or Version2012
	ID         string // the element Id, which means nothing to IAM
	Statements []Statement

	parsed bool // one put together by hand is not prepared, and allows nothing
}

// Statement is one statement of a policy, with the elements as written.
type Statement struct {
	Index      int // from 0
	Sid        string
	Effect     Effect     // Allow or Deny
	Principals Principals // empty in identity policies
	Actions    Actions
	Resources  Resources   // empty in trust policies
	Conditions []Condition // all must hold
	Position   Position
}

// Actions is an Action element, or NotAction.
type Actions struct {
	Not      bool
	Values   []string
	Position Position

	folded []string // Values in lower case: actions are case-insensitive
}

// Resources is a Resource element, or NotResource.
type Resources struct {
	Not      bool
	Values   []string
	Position Position

	patterns []template
}

// Principals is a Principal element, or NotPrincipal.
type Principals struct {
	Not      bool
	Values   []Principal
	Position Position
}
