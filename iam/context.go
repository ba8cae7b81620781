package iam

import (
	"slices"

	"github.com/eksauth/eksauth/arn"
)

// Context is what is known about a request: the values of its condition keys.
// Key names are case-insensitive in ASCII. The zero Context is empty and ready
// for use; copies share their values.
//
// Source: "IAM JSON policy elements: Condition" (condition key names are not
// case-sensitive).
type Context struct {
	values map[string][]string
}

// Set gives a key its values, in place of any it had. Without values the key is
// absent, which is what an empty list means to IAM. Dates are in ISO 8601 or
// epoch seconds, booleans "true" or "false", binary values are the bytes
// themselves.
func (c *Context) Set(key string, values ...string) {
	key = foldASCII(key)
	if len(values) == 0 {
		delete(c.values, key)
		return
	}
	if c.values == nil {
		c.values = make(map[string][]string)
	}
	c.values[key] = slices.Clone(values)
}

// Values returns a key's values; none when the request does not have the key.
// They must not be changed.
func (c Context) Values(key string) []string { return c.values[foldASCII(key)] }

// SetPrincipal sets the global keys that follow from an AWS principal alone:
// aws:PrincipalArn, aws:PrincipalAccount, aws:PrincipalType, aws:userid and
// aws:username. A key that this principal does not have becomes absent, all of
// them for a caller that is no AWS principal.
//
// For a role session aws:PrincipalArn is the ARN of the role, with its path
// where the caller knows it.
//
// Source: "AWS global condition context keys", and the table of principal key
// values in "IAM policy elements: Variables and tags".
func (c *Context) SetPrincipal(caller Caller) {
	for _, key := range []string{"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid", "aws:username"} {
		c.Set(key)
	}
	id := caller.Identity
	if id.Kind == 0 {
		return
	}
	c.Set("aws:PrincipalArn", id.Principal.String())
	c.Set("aws:PrincipalAccount", id.AccountID)
	userID := id.UserID
	switch id.Kind {
	case arn.Root:
		c.Set("aws:PrincipalType", "Account")
		userID = id.AccountID
	case arn.User:
		c.Set("aws:PrincipalType", "User")
		c.Set("aws:username", id.Name)
	case arn.FederatedUser:
		c.Set("aws:PrincipalType", "FederatedUser")
	case arn.AssumedRole:
		c.Set("aws:PrincipalType", "AssumedRole")
		c.Set("aws:PrincipalArn", caller.role().String())
		if userID != "" {
			userID += ":" + id.Session
		}
	}
	if userID != "" {
		c.Set("aws:userid", userID)
	}
}

// foldASCII is lower case in ASCII alone: Unicode would make some letters equal
// that AWS tells apart. It allocates only when there is something to change.
func foldASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
