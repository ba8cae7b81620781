package awsquery

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Shape is what a string parameter may be: its length in characters, and which
// characters it may have.
type Shape struct {
	Min, Max int
	Allowed  func(rune) bool
	Pattern  string // as AWS writes down which characters are allowed
}

// Violations collects what is wrong with a request, so that the caller hears
// all of it at once.
type Violations struct {
	found []string
}

// Add records that the value of a field breaks a rule, in AWS's words.
func (v *Violations) Add(value, field, rule string) {
	v.found = append(v.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, field, rule))
}

// Missing records that a parameter is not there that must be.
func (v *Violations) Missing(field string) { v.Add("null", field, "not be null") }

// Text checks a value against its shape.
func (v *Violations) Text(field, value string, c Shape) {
	quoted := "'" + Clip(value) + "'"
	outside := strings.ContainsFunc(value, func(r rune) bool { return !c.Allowed(r) })
	if outside || value == "" && strings.HasSuffix(c.Pattern, "+") {
		v.Add(quoted, field, "satisfy regular expression pattern: "+c.Pattern)
	}
	switch n := utf8.RuneCountInString(value); {
	case n < c.Min:
		v.Add(quoted, field, "have length greater than or equal to "+strconv.Itoa(c.Min))
	case n > c.Max:
		v.Add(quoted, field, "have length less than or equal to "+strconv.Itoa(c.Max))
	}
}

// Required takes a parameter that must be there.
func (v *Violations) Required(p Params, name string, c Shape) string {
	value, ok := p.Take(name)
	if !ok {
		v.Missing(fieldName(name))
		return ""
	}
	v.Text(fieldName(name), value, c)
	return value
}

// Optional takes a parameter that may be there; "" when it is not.
func (v *Violations) Optional(p Params, name string, c Shape) string {
	value, ok := p.Take(name)
	if ok {
		v.Text(fieldName(name), value, c)
	}
	return value
}

// Secret takes a parameter that must be there and is never said back. White
// space around it is no part of it: files end with a newline.
func (v *Violations) Secret(p Params, name string, shortest, longest int) string {
	value, ok := p.Take(name)
	value = strings.TrimSpace(value)
	const complaint = "Value at '%s' failed to satisfy constraint: Member must have length %s than or equal to %d"
	switch n := utf8.RuneCountInString(value); {
	case !ok:
		v.Missing(fieldName(name))
	case n < shortest:
		v.found = append(v.found, fmt.Sprintf(complaint, fieldName(name), "greater", shortest))
	case n > longest:
		v.found = append(v.found, fmt.Sprintf(complaint, fieldName(name), "less", longest))
	}
	return value
}

// Integer takes a number within [low, high]; otherwise when it is not there.
func (v *Violations) Integer(p Params, name string, low, high, otherwise int) int {
	value, ok := p.Take(name)
	if !ok {
		return otherwise
	}
	quoted := "'" + Clip(value) + "'"
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		v.Add(quoted, fieldName(name), "be a whole number")
	case n < low:
		v.Add(quoted, fieldName(name), "have value greater than or equal to "+strconv.Itoa(low))
	case n > high:
		v.Add(quoted, fieldName(name), "have value less than or equal to "+strconv.Itoa(high))
	}
	return n
}

// Err is nil when nothing was found.
func (v *Violations) Err() error {
	switch len(v.found) {
	case 0:
		return nil
	case 1:
		return Validation("1 validation error detected: %s", v.found[0])
	}
	return Validation("%d validation errors detected: %s", len(v.found), strings.Join(v.found, "; "))
}

// fieldName is how AWS's validation writes a parameter's name: RoleArn, roleArn.
func fieldName(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// Count checks the length of a list.
func (v *Violations) Count(field string, n, most int) {
	if n > most {
		v.Add(fmt.Sprintf("of %d members", n), field, "have length less than or equal to "+strconv.Itoa(most))
	}
}

// WordOr allows \w, which is ASCII in AWS's patterns, and the others given.
func WordOr(others string) func(rune) bool {
	return func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' ||
			strings.ContainsRune(others, r)
	}
}
