package sts

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// constraint is the shape of a string parameter: its length in characters, and
// which characters it may have. pattern is how AWS writes the latter down.
//
// Source: botocore's model of STS, 2011-06-15.
type constraint struct {
	min, max int
	allowed  func(rune) bool
	pattern  string
}

func arnShape() constraint {
	return constraint{20, 2048, isARNRune, `[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`}
}

// nameShape is of role session names and source identities.
func nameShape() constraint {
	return constraint{2, 64, wordOr("+=,.@-"), `[\w+=,.@-]*`}
}

func externalIDShape() constraint {
	return constraint{2, 1224, wordOr("+=,.@:/-"), `[\w+=,.@:\/-]*`}
}

func tagKeyShape() constraint {
	return constraint{1, 128, isTagRune, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`}
}

func tagValueShape() constraint {
	return constraint{0, 256, isTagRune, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`}
}

func serialNumberShape() constraint {
	return constraint{9, 256, wordOr("+=/:,.@-"), `[\w+=/:,.@-]*`}
}

func tokenCodeShape() constraint {
	return constraint{6, 6, func(r rune) bool { return '0' <= r && r <= '9' }, `[\d]*`}
}

func urlShape() constraint {
	return constraint{4, 2048, func(rune) bool { return true }, ""}
}

// The length of a web identity token in characters.
const (
	minToken = 4
	maxToken = 20000
)

// wordOr allows \w, which is ASCII in AWS's patterns, and the others given.
func wordOr(others string) func(rune) bool {
	return func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' ||
			strings.ContainsRune(others, r)
	}
}

func isTagRune(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
}

func isARNRune(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= '~' || r == 0x85 ||
		0xA0 <= r && r <= 0xFFFD || r >= 0x10000
}

// violations collects what is wrong with a request, so that the caller hears
// all of it at once.
type violations struct {
	found []string
}

// add records that the value of a field breaks a rule, in AWS's words.
func (v *violations) add(value, field, rule string) {
	v.found = append(v.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, field, rule))
}

func (v *violations) missing(field string) { v.add("null", field, "not be null") }

// text checks a value against its shape.
func (v *violations) text(field, value string, c constraint) {
	quoted := "'" + clip(value) + "'"
	outside := strings.ContainsFunc(value, func(r rune) bool { return !c.allowed(r) })
	if outside || value == "" && strings.HasSuffix(c.pattern, "+") {
		v.add(quoted, field, "satisfy regular expression pattern: "+c.pattern)
	}
	switch n := utf8.RuneCountInString(value); {
	case n < c.min:
		v.add(quoted, field, "have length greater than or equal to "+strconv.Itoa(c.min))
	case n > c.max:
		v.add(quoted, field, "have length less than or equal to "+strconv.Itoa(c.max))
	}
}

// required takes a parameter that must be there.
func (v *violations) required(p params, name string, c constraint) string {
	value, ok := p.take(name)
	if !ok {
		v.missing(fieldName(name))
		return ""
	}
	v.text(fieldName(name), value, c)
	return value
}

// optional takes a parameter that may be there; "" when it is not.
func (v *violations) optional(p params, name string, c constraint) string {
	value, ok := p.take(name)
	if ok {
		v.text(fieldName(name), value, c)
	}
	return value
}

// secret takes a parameter that must be there and is never said back. White
// space around it is no part of it: files end with a newline.
func (v *violations) secret(p params, name string, shortest, longest int) string {
	value, ok := p.take(name)
	value = strings.TrimSpace(value)
	const complaint = "Value at '%s' failed to satisfy constraint: Member must have length %s than or equal to %d"
	switch n := utf8.RuneCountInString(value); {
	case !ok:
		v.missing(fieldName(name))
	case n < shortest:
		v.found = append(v.found, fmt.Sprintf(complaint, fieldName(name), "greater", shortest))
	case n > longest:
		v.found = append(v.found, fmt.Sprintf(complaint, fieldName(name), "less", longest))
	}
	return value
}

// integer takes a number within [low, high]; otherwise when it is not there.
func (v *violations) integer(p params, name string, low, high, otherwise int) int {
	value, ok := p.take(name)
	if !ok {
		return otherwise
	}
	quoted := "'" + clip(value) + "'"
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		v.add(quoted, fieldName(name), "be a whole number")
	case n < low:
		v.add(quoted, fieldName(name), "have value greater than or equal to "+strconv.Itoa(low))
	case n > high:
		v.add(quoted, fieldName(name), "have value less than or equal to "+strconv.Itoa(high))
	}
	return n
}

// err is nil when nothing was found.
func (v *violations) err() error {
	switch len(v.found) {
	case 0:
		return nil
	case 1:
		return errValidation("1 validation error detected: %s", v.found[0])
	}
	return errValidation("%d validation errors detected: %s", len(v.found), strings.Join(v.found, "; "))
}

// fieldName is how AWS's validation writes a parameter's name: RoleArn, roleArn.
func fieldName(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// count checks the length of a list.
func (v *violations) count(field string, n, most int) {
	if n > most {
		v.add(fmt.Sprintf("of %d members", n), field, "have length less than or equal to "+strconv.Itoa(most))
	}
}
