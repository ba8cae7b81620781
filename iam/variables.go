package iam

import (
	"errors"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// verdict is what comes of comparing a value of a request with one of a policy.
type verdict uint8

const (
	mismatch verdict = iota
	match
	// unresolved: the policy's value names a variable that the request does
	// not have. A statement with such a value never applies, negated or not.
	unresolved
)

// template is text of a policy, prepared: with its variables found, and with
// wildcards where the element or operator has them.
//
// Source: "IAM policy elements: Variables and tags".
type template struct {
	text  string // as written
	parts []part // nil when text has no variable and stands for itself
}

// part is a run of text or a variable.
type part struct {
	text     string // the run; of a variable its default value
	literal  bool   // '*' and '?' in text are themselves: ${*}, ${?}, ${$}, defaults
	key      string // of a variable, in lower case; "" for a run of text
	fallback bool   // the variable has a default value
}

var errVariable = errors.New(`a policy variable is ${key}, ${key, 'default'}, ${*}, ${?} or ${$}`)

// newTemplate prepares text. Without variables, as in version 2008-10-17, "${"
// is plain text.
func newTemplate(text string, variables bool) (template, error) {
	t := template{text: text}
	if !variables || !strings.Contains(text, "${") {
		return t, nil
	}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			break
		}
		variable, remaining, ok := parseVariable(after)
		if !ok {
			return template{}, errVariable
		}
		t.parts = append(t.parts, variable)
		rest = remaining
	}
	return t, nil
}

// parseVariable reads a variable from just behind its "${" and returns what
// follows it.
func parseVariable(s string) (v part, rest string, ok bool) {
	if len(s) >= 2 && strings.IndexByte("*?$", s[0]) >= 0 && s[1] == '}' {
		return part{text: s[:1], literal: true}, s[2:], true
	}
	end := strings.IndexAny(s, ",}{$'")
	if end <= 0 {
		return part{}, "", false
	}
	v = part{key: foldASCII(s[:end]), literal: true}
	if strings.TrimSpace(v.key) != v.key {
		return part{}, "", false
	}
	if s[end] == '}' {
		return v, s[end+1:], true
	}
	quoted, found := strings.CutPrefix(strings.TrimLeft(s[end+1:], " "), "'")
	if s[end] != ',' || !found {
		return part{}, "", false
	}
	v.text, rest, found = strings.Cut(quoted, "'")
	if !found || !strings.HasPrefix(rest, "}") {
		return part{}, "", false
	}
	v.fallback = true
	return v, rest[1:], true
}

// resolve is the text of a part in this request. A key with several values
// cannot be used as a variable ("Single-valued vs. multivalued context keys").
func (p part) resolve(ctx Context) (string, bool) {
	if p.key == "" {
		return p.text, true
	}
	switch values := ctx.values[p.key]; len(values) {
	case 0:
		return p.text, p.fallback
	case 1:
		return values[0], true
	}
	return "", false
}

// expand is the text with its variables replaced, for comparisons that know no
// wildcards.
func (t template) expand(ctx Context) (string, bool) {
	return t.build(ctx, func(s string) string { return s })
}

// like matches s as arn.Match does. What a variable stands for is literal: a
// tag's value "*" must not become a wildcard.
func (t template) like(s string, ctx Context) verdict {
	pattern := t.text
	if t.parts != nil {
		var ok bool
		if pattern, ok = t.build(ctx, maskWildcards); !ok {
			return unresolved
		}
		s = maskWildcards(s)
	}
	return verdictOf(arn.Match(pattern, s))
}

func (t template) build(ctx Context, literal func(string) string) (string, bool) {
	if t.parts == nil {
		return t.text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		text, ok := p.resolve(ctx)
		if !ok {
			return "", false
		}
		if p.literal {
			text = literal(text)
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// maskWildcards replaces wildcard characters by bytes that no UTF-8 text has,
// in a literal and in the string it is matched against alike: arn.Match has no
// way to escape.
func maskWildcards(s string) string {
	var masked []byte
	for i := range len(s) {
		c := s[i]
		switch c {
		case '*':
			c = 0xff
		case '?':
			c = 0xfe
		case 0xfe, 0xff:
			c = 0xfd
		default:
			continue
		}
		if masked == nil {
			masked = []byte(s)
		}
		masked[i] = c
	}
	if masked == nil {
		return s
	}
	return string(masked)
}

// splitFields cuts text at its first colons into at most most fields. Colons
// inside a variable do not count.
func splitFields(text string, variables bool, most int) []string {
	var fields []string
	start := 0
	for i := 0; i < len(text) && len(fields) < most-1; i++ {
		if variables && strings.HasPrefix(text[i:], "${") {
			if _, rest, ok := parseVariable(text[i+2:]); ok {
				i = len(text) - len(rest) - 1
			}
			continue
		}
		if text[i] == ':' {
			fields = append(fields, text[start:i])
			start = i + 1
		}
	}
	return append(fields, text[start:])
}

func verdictOf(matched bool) verdict {
	if matched {
		return match
	}
	return mismatch
}
