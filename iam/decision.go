package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Decision is what came of a request, and why. Keep it by value: it refers to
// the policies and the request, and works out reasons only when asked.
type Decision struct {
	Effect Effect
	// Via is, for an Allow of a trust policy, how the statement names the
	// caller: the most direct way if several statements do.
	Via Via

	policy  *Policy
	request Request
	parts   []Decision // of AnyOf and AllOf
}

// Allowed reports whether the request may go ahead.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// AnyOf puts together policies that add to each other, as all identity policies
// of a principal do: an explicit deny in any wins, then an allow in any.
//
// Source: "Policy evaluation logic".
func AnyOf(decisions ...Decision) Decision {
	d := Decision{parts: decisions}
	for _, part := range decisions {
		d.Effect = max(d.Effect, part.Effect)
		d.Via = max(d.Via, part.Via)
	}
	if d.Effect != Allow {
		d.Via = ViaNone
	}
	return d
}

// AllOf puts together policies that narrow each other, as session policies and
// permissions boundaries do: an explicit deny in any wins, and an allow takes
// all. No decisions allow nothing.
//
// Source: "Policy evaluation logic" (session policies, permissions boundaries).
func AllOf(decisions ...Decision) Decision {
	d := AnyOf(decisions...)
	for _, part := range decisions {
		if d.Effect == Allow && part.Effect != Allow {
			d.Effect, d.Via = NoMatch, ViaNone
		}
	}
	return d
}

// Reason is why one statement applies, or one element of it that does not
// match. All text is as in the policy and in the request; String makes it safe
// to log.
type Reason struct {
	Policy    string // the policy's name
	Statement int    // from 0
	Sid       string
	Effect    Effect // of the statement
	// Applies: all elements match, and there is nothing more to say.
	Applies bool
	Via     Via // if it applies
	// Element is the one that does not match, as written: NotAction, Condition.
	Element  string
	Operator string // of a condition
	Key      string // of a condition
	// Want is the policy's values, policy variables replaced where the request
	// has them; Negated if none of them may be found.
	Want    []string
	Negated bool
	// Found is what the request has; nothing if it lacks the condition key.
	Found []string
	Note  string // a hint, or ""
	Position
}

// Reasons says of each statement, in order, that it applies, or each element
// that does not match. The work is done again for each call.
func (d Decision) Reasons() []Reason {
	var reasons []Reason
	for _, part := range d.parts {
		reasons = append(reasons, part.Reasons()...)
	}
	if d.policy == nil {
		return reasons
	}
	action := foldASCII(d.request.Action)
	for i := range d.policy.Statements {
		reasons = append(reasons, d.policy.explain(&d.policy.Statements[i], action, &d.request)...)
	}
	return reasons
}

// String is the decision on one line: the statements that made it, or, of an
// implicit deny, what does not match in those that could have allowed.
func (d Decision) String() string {
	title := map[Effect]string{NoMatch: "implicitly denied", Allow: "allowed", Deny: "explicitly denied"}[d.Effect]
	var lines []string
	for _, r := range d.Reasons() {
		if r.Applies && r.Effect == d.Effect || d.Effect == NoMatch && !r.Applies && r.Effect == Allow {
			lines = append(lines, r.String())
		}
	}
	if len(lines) == 0 {
		return title + ": no statement allows anything"
	}
	return title + ": " + strings.Join(lines, "; ")
}

// explain asks the functions that Statement.applies asks, but all of them.
func (p *Policy) explain(s *Statement, action string, r *Request) []Reason {
	base := Reason{Policy: p.Name, Statement: s.Index, Sid: s.Sid, Effect: s.Effect, Position: s.Position}
	var reasons []Reason
	add := func(element string, not bool, at Position, want, found []string, note string) {
		e := base
		e.Element, e.Negated, e.Position, e.Want, e.Found, e.Note = element, not, at, slices.Clone(want), slices.Clone(found), note
		if not {
			e.Element = "Not" + element
		}
		reasons = append(reasons, e)
	}
	via := ViaNone
	if p.Kind == TrustPolicy {
		if via = s.Principals.match(r.Caller, s.Effect); via == ViaNone {
			add("Principal", s.Principals.Not, s.Principals.Position, s.Principals.texts(), []string{r.Caller.String()}, "")
		}
	}
	if !s.Actions.match(action) {
		add("Action", s.Actions.Not, s.Actions.Position, s.Actions.Values, []string{r.Action}, "")
	}
	if p.Kind == IdentityPolicy {
		if v := s.Resources.match(r.Resource, r.Context); v != match {
			add("Resource", s.Resources.Not, s.Resources.Position, p.resolve(s.Resources.Values, r.Context), []string{r.Resource}, noteUnresolved(v == unresolved))
		}
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if o := c.evaluate(r.Context); o != holds {
			add("Condition", false, c.Position, p.resolve(c.Values, r.Context), r.Context.values[c.key], c.note(o))
			e := &reasons[len(reasons)-1]
			e.Operator, e.Key, e.Negated = c.Operator, c.Key, c.negated
		}
	}
	if reasons == nil {
		base.Applies, base.Via = true, via
		return []Reason{base}
	}
	return reasons
}

func (ps *Principals) texts() []string {
	texts := make([]string, len(ps.Values))
	for i, p := range ps.Values {
		texts[i] = p.String()
	}
	return texts
}

// resolve replaces variables for show; a value whose variables are not known
// stays as written.
func (p *Policy) resolve(values []string, ctx Context) []string {
	shown := make([]string, len(values))
	for i, value := range values {
		shown[i] = value
		if t, err := newTemplate(value, p.Version == Version2012); err == nil {
			if text, ok := t.expand(ctx); ok {
				shown[i] = text
			}
		}
	}
	return shown
}

func noteUnresolved(is bool) string {
	if is {
		return "a policy variable has no value in this request"
	}
	return ""
}

func (c *Condition) note(o outcome) string {
	switch {
	case o == failsSeveral:
		return "a key with several values needs ForAnyValue: or ForAllValues:"
	case c.tests == nil:
		return "true means that the request lacks the key"
	}
	return noteUnresolved(o == failsUnresolved)
}

// String is one line, such as
//
//	Statement[0] (Sid "x"): Condition StringEquals "aws:username": want "ada", found "bob"
func (r Reason) String() string {
	var b strings.Builder
	if r.Policy != "" {
		b.WriteString("policy " + quote(r.Policy) + ": ")
	}
	fmt.Fprintf(&b, "Statement[%d]", r.Statement)
	if r.Sid != "" {
		fmt.Fprintf(&b, " (Sid %s)", quote(r.Sid))
	}
	if r.Applies {
		fmt.Fprintf(&b, ": %s applies", r.Effect)
		if r.Via != ViaNone {
			fmt.Fprintf(&b, ", it names %s", r.Via)
		}
		return b.String()
	}
	b.WriteString(": " + r.Element)
	if r.Key != "" {
		b.WriteString(" " + r.Operator + " " + quote(r.Key))
	}
	b.WriteString(": want ")
	if r.Negated {
		b.WriteString("anything but ")
	}
	b.WriteString(list(r.Want, " or ") + ", found " + list(r.Found, ", "))
	if r.Note != "" {
		b.WriteString(" (" + r.Note + ")")
	}
	return b.String()
}

// list quotes values, and not too many of them.
func list(values []string, separator string) string {
	const most = 10
	if len(values) == 0 {
		return "nothing"
	}
	var quoted []string
	for _, v := range values[:min(len(values), most)] {
		quoted = append(quoted, quote(v))
	}
	text := strings.Join(quoted, separator)
	if more := len(values) - most; more > 0 {
		text += fmt.Sprintf("%sone of %d more", separator, more)
	}
	return text
}
