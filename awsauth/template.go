package awsauth

import (
	"fmt"
	"strings"
)

// value is what a piece of a template stands for.
type value uint8

const (
	literal value = iota
	accountID
	sessionName    // with @ written as -
	sessionNameRaw // as it is
	accessKeyID
	privateDNSName
	canonicalARN // has no name in templates: it is the default username
)

// values are the names of templates, as aws-iam-authenticator has them.
var values = []struct {
	name  string
	value value
}{
	{"AccountID", accountID},
	{"SessionName", sessionName},
	{"SessionNameRaw", sessionNameRaw},
	{"AccessKeyID", accessKeyID},
	{"EC2PrivateDNSName", privateDNSName},
}

// template is a text cut at its {{…}}, once, so that what is inserted is never
// looked at again: a session name is text from a stranger.
type template []part

type part struct {
	value value
	text  string // of a literal
}

// defaultUsername names a principal whose entry gives no username.
var defaultUsername = template{{value: canonicalARN}}

// templateFault is what is wrong with a template that could never be rendered.
type templateFault struct{ message, hint string }

// parseTemplate cuts s. A {{…}} that is not known is an error: left standing,
// as aws-iam-authenticator does, it would become part of somebody's name.
func parseTemplate(s string) (template, *templateFault) {
	var t template
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			t = append(t, part{text: before})
		}
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return nil, &templateFault{fmt.Sprintf("%s has {{ without }}", quote(s)), "close the template, as in {{SessionName}}"}
		}
		v, ok := valueNamed(name)
		if !ok {
			return nil, &templateFault{fmt.Sprintf("{{%s}} is not a template", shorten(name)), didYouMean(strings.TrimSpace(name), valueNames())}
		}
		t = append(t, part{value: v})
		rest = tail
	}
	return t, nil
}

func valueNamed(name string) (value, bool) {
	for _, v := range values {
		if v.name == name {
			return v.value, true
		}
	}
	return literal, false
}

func valueNames() []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.name
	}
	return names
}

// static reports whether t is the same text for everybody.
func (t template) static() bool {
	return len(t) == 0 || len(t) == 1 && t[0].value == literal
}

func (t template) uses(vs ...value) bool {
	for _, p := range t {
		for _, v := range vs {
			if p.value == v {
				return true
			}
		}
	}
	return false
}

// quote shows text from a document in a message, shortened if it is long.
func quote(s string) string { return fmt.Sprintf("%q", shorten(s)) }

func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
