package arn

import (
	"fmt"
	"strings"
)

// maxLength is the longest ARN that AWS accepts in the APIs used here (the
// arnType shape of STS and IAM: 20 to 2,048 characters).
const maxLength = 2048

// ARN is an Amazon Resource Name,
// arn:partition:service:region:account-id:resource, in its parts as written.
type ARN struct {
	Partition string
	Service   string
	Region    string
	AccountID string
	Resource  string
}

// Parse splits s into its parts. The resource keeps its own colons and slashes.
// A *SyntaxError says what is wrong; whether the partition exists, or the
// resource is one that IAM knows, is not looked at.
func Parse(s string) (ARN, error) {
	if len(s) > maxLength {
		return ARN{}, &SyntaxError{ARN: s[:64] + "…", Message: fmt.Sprintf("longer than %d characters", maxLength)}
	}
	parts := strings.SplitN(s, ":", 6)
	if parts[0] != "arn" {
		return ARN{}, &SyntaxError{ARN: s, Message: `does not begin with "arn:"`}
	}
	if len(parts) < 6 {
		return ARN{}, &SyntaxError{ARN: s, Message: fmt.Sprintf("has %d parts of the six in arn:partition:service:region:account:resource", len(parts))}
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], AccountID: parts[4], Resource: parts[5]}
	switch {
	case a.Partition == "":
		return ARN{}, &SyntaxError{ARN: s, Message: "has no partition"}
	case a.Service == "":
		return ARN{}, &SyntaxError{ARN: s, Message: "has no service"}
	case a.Resource == "":
		return ARN{}, &SyntaxError{ARN: s, Message: "has no resource"}
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return ARN{}, &SyntaxError{ARN: s, Message: "contains white space or a control character"}
	}
	return a, nil
}

// String puts the parts together again; it is the inverse of Parse.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.AccountID + ":" + a.Resource
}

// SyntaxError is text that is not the ARN it should be.
type SyntaxError struct {
	ARN     string // as given, shortened if it is very long
	Message string // what is wrong with it, as the end of a sentence
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("ARN %q %s", e.ARN, e.Message) }

// IsAccountID reports whether s is an AWS account id: twelve digits.
func IsAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
