package iam

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// test compares one value that a request has with the one value of a policy
// that it was made from. A value that is not of the operator's type matches
// nothing.
type test func(found string, ctx Context) verdict

// operator is a family of comparisons with its sign. Its name is case-sensitive
// and stands without ForAllValues:, ForAnyValue: and IfExists.
type operator struct {
	name    string
	negated bool
	// prepare makes the test for one value of a policy; its error ends a
	// sentence that begins with the value. It is nil for Null.
	prepare func(value string, variables bool) (test, error)
}

// operators is all of them.
//
// Source: "IAM JSON policy elements: Condition operators".
func operators() []operator {
	return []operator{
		{"StringEquals", false, stringEquals},
		{"StringNotEquals", true, stringEquals},
		{"StringEqualsIgnoreCase", false, stringEqualsIgnoreCase},
		{"StringNotEqualsIgnoreCase", true, stringEqualsIgnoreCase},
		{"StringLike", false, stringLike},
		{"StringNotLike", true, stringLike},
		{"NumericEquals", false, numeric(func(n int) bool { return n == 0 })},
		{"NumericNotEquals", true, numeric(func(n int) bool { return n == 0 })},
		{"NumericLessThan", false, numeric(func(n int) bool { return n < 0 })},
		{"NumericLessThanEquals", false, numeric(func(n int) bool { return n <= 0 })},
		{"NumericGreaterThan", false, numeric(func(n int) bool { return n > 0 })},
		{"NumericGreaterThanEquals", false, numeric(func(n int) bool { return n >= 0 })},
		{"DateEquals", false, date(func(n int) bool { return n == 0 })},
		{"DateNotEquals", true, date(func(n int) bool { return n == 0 })},
		{"DateLessThan", false, date(func(n int) bool { return n < 0 })},
		{"DateLessThanEquals", false, date(func(n int) bool { return n <= 0 })},
		{"DateGreaterThan", false, date(func(n int) bool { return n > 0 })},
		{"DateGreaterThanEquals", false, date(func(n int) bool { return n >= 0 })},
		{"Bool", false, boolean},
		{"BinaryEquals", false, binaryEquals},
		{"IpAddress", false, ipAddress},
		{"NotIpAddress", true, ipAddress},
		{"ArnEquals", false, arnLike}, // identical to ArnLike
		{"ArnLike", false, arnLike},
		{"ArnNotEquals", true, arnLike},
		{"ArnNotLike", true, arnLike},
		{"Null", false, nil},
	}
}

// comparing makes a test that compares with a value in which only variables are
// special.
func comparing(equal func(found, want string) bool) func(string, bool) (test, error) {
	return func(value string, variables bool) (test, error) {
		t, err := newTemplate(value, variables)
		if err != nil {
			return nil, err
		}
		return func(found string, ctx Context) verdict {
			want, ok := t.expand(ctx)
			if !ok {
				return unresolved
			}
			return verdictOf(equal(found, want))
		}, nil
	}
}

func stringEquals(value string, variables bool) (test, error) {
	return comparing(func(found, want string) bool { return found == want })(value, variables)
}

func stringEqualsIgnoreCase(value string, variables bool) (test, error) {
	return comparing(strings.EqualFold)(value, variables)
}

func stringLike(value string, variables bool) (test, error) {
	t, err := newTemplate(value, variables)
	if err != nil {
		return nil, err
	}
	return t.like, nil
}

func numeric(holds func(order int) bool) func(string, bool) (test, error) {
	return func(value string, _ bool) (test, error) {
		want, ok := parseDecimal(value)
		if !ok {
			return nil, errors.New("is not an integer or decimal number")
		}
		return func(found string, _ Context) verdict {
			n, ok := parseDecimal(found)
			return verdictOf(ok && holds(n.compare(want)))
		}, nil
	}
}

func date(holds func(order int) bool) func(string, bool) (test, error) {
	return func(value string, _ bool) (test, error) {
		want, ok := parseDate(value)
		if !ok {
			return nil, errors.New("is not a date as 2026-01-31T12:00:00Z, nor epoch seconds")
		}
		return func(found string, _ Context) verdict {
			t, ok := parseDate(found)
			return verdictOf(ok && holds(t.Compare(want)))
		}, nil
	}
}

// boolean takes variables: the page on operators says that Bool does, the page
// on variables that it does not.
func boolean(value string, variables bool) (test, error) {
	if _, ok := parseBool(value); !ok && !(variables && strings.Contains(value, "${")) {
		return nil, errors.New("is neither true nor false")
	}
	return comparing(func(found, want string) bool {
		f, ok := parseBool(found)
		w, ok2 := parseBool(want)
		return ok && ok2 && f == w
	})(value, variables)
}

func binaryEquals(value string, _ bool) (test, error) {
	want, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") {
		return nil, errors.New("is not base64")
	}
	return func(found string, _ Context) verdict { return verdictOf(found == string(want)) }, nil
}

func ipAddress(value string, _ bool) (test, error) {
	network, ok := parseNetwork(value)
	if !ok {
		return nil, errors.New("is neither an IP address nor a range in CIDR notation")
	}
	return func(found string, _ Context) verdict {
		a, ok := parseAddress(found)
		return verdictOf(ok && network.Contains(a))
	}, nil
}

// arnLike compares the six fields of an ARN one by one, so that a wildcard does
// not reach across a colon, but in the last field, which may have colons of its
// own. "*" alone is any ARN.
func arnLike(value string, variables bool) (test, error) {
	if value == "*" {
		value = "*:*:*:*:*:*"
	}
	fields := splitFields(value, variables, 6)
	if len(fields) < 6 {
		whole, err := newTemplate(value, variables)
		if err != nil {
			return nil, err
		}
		if whole.parts == nil {
			return nil, errors.New("is not an ARN, arn:partition:service:region:account:resource")
		}
		// A variable may stand for the ARN, or for several of its fields.
		return func(found string, ctx Context) verdict { return matchWholeARN(whole, found, ctx) }, nil
	}
	var want [6]template
	for i, f := range fields {
		t, err := newTemplate(f, variables)
		if err != nil {
			return nil, err
		}
		want[i] = t
	}
	return func(found string, ctx Context) verdict {
		result, ok := match, true
		for i, t := range want {
			field := found
			if i < 5 {
				if field, found, ok = strings.Cut(found, ":"); !ok {
					return mismatch
				}
			}
			switch t.like(field, ctx) {
			case unresolved:
				return unresolved
			case mismatch:
				result = mismatch
			}
		}
		return result
	}, nil
}

func matchWholeARN(t template, found string, ctx Context) verdict {
	pattern, ok := t.build(ctx, maskWildcards)
	if !ok {
		return unresolved
	}
	found = maskWildcards(found)
	for i := range 6 {
		p, f := pattern, found
		if i < 5 {
			var ok, ok2 bool
			p, pattern, ok = strings.Cut(pattern, ":")
			f, found, ok2 = strings.Cut(found, ":")
			if !ok || !ok2 {
				return mismatch
			}
		}
		if !arn.Match(p, f) {
			return mismatch
		}
	}
	return match
}
