package iam

import (
	"errors"
	"strings"
)

// Condition is one key of one operator of a Condition element: it holds or not.
//
// Source: "IAM JSON policy elements: Condition", "… Condition operators",
// "Single-valued vs. multivalued context keys".
type Condition struct {
	Operator string   // as written, such as ForAnyValue:StringLikeIfExists
	Key      string   // as written
	Values   []string // as written; numbers and booleans as their text
	Position Position // of the key

	key      string // in lower case
	set      setOperator
	ifExists bool
	negated  bool
	tests    []test // one for each value; nil for Null
	absent   []bool // of Null: for each value, whether the key must be absent
}

// setOperator says how several values of a request count.
type setOperator uint8

const (
	noSet setOperator = iota
	forAllValues
	forAnyValue
)

// outcome is what came of a condition.
type outcome uint8

const (
	holds outcome = iota
	fails
	failsUnresolved // a policy variable has no value in the request
	failsSeveral    // several values and no set operator
)

func (p *parser) conditions(n node) ([]Condition, error) {
	if n.kind != objectNode {
		return nil, p.malformed(n.at, n.offset, "must be an object of operators, not %s", n.kind)
	}
	var all []Condition
	for _, f := range n.fields {
		c, op, message := newCondition(f.name)
		if message != "" {
			return nil, p.malformed(f.value.at, f.offset, "%s", message)
		}
		if f.value.kind != objectNode {
			return nil, p.malformed(f.value.at, f.value.offset, "must be an object of condition keys, not %s", f.value.kind)
		}
		keys := make(map[string]bool)
		for _, entry := range f.value.fields {
			key := foldASCII(entry.name)
			if keys[key] {
				return nil, p.malformed(entry.value.at, entry.offset, "condition key %s appears more than once with different capitalization", quote(entry.name))
			}
			keys[key] = true
			one, err := p.condition(c, op, entry)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func (p *parser) condition(c Condition, op operator, f field) (Condition, error) {
	c.Key, c.key, c.Position = f.name, foldASCII(f.name), p.position(f.offset)
	nodes, err := p.list(f.value, "a string, a number or a boolean", textNode, numberNode, booleanNode)
	if err != nil {
		return c, err
	}
	for _, n := range nodes {
		if err := c.add(op, n.text, p.variables); errors.Is(err, errVariable) {
			return c, p.malformed(n.at, n.offset, "%s: %v", quote(n.text), err)
		} else if err != nil {
			return c, p.malformed(n.at, n.offset, "%s %v", quote(n.text), err)
		}
	}
	return c, nil
}

// newCondition prepares an operator without its values; message says what is
// wrong with the name, "" if nothing is.
func newCondition(name string) (c Condition, op operator, message string) {
	c.Operator = name
	base := name
	if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		c.set, base = forAllValues, rest
	} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		c.set, base = forAnyValue, rest
	}
	base, c.ifExists = strings.CutSuffix(base, "IfExists")
	hint := ""
	for _, op := range operators() {
		if op.name == base {
			if op.prepare == nil && name != base {
				return c, op, "the operator Null takes no set operator and no IfExists"
			}
			c.negated = op.negated
			return c, op, ""
		}
		if strings.EqualFold(op.name, base) {
			hint = "; operators are case-sensitive: " + op.name
		}
	}
	return c, operator{}, "unknown condition operator " + quote(name) + hint
}

// add prepares one more value; the error ends a sentence that begins with it.
func (c *Condition) add(op operator, value string, variables bool) error {
	c.Values = append(c.Values, value)
	if op.prepare == nil {
		absent, ok := parseBool(value)
		if !ok {
			return errors.New("is neither true nor false")
		}
		c.absent = append(c.absent, absent)
		return nil
	}
	t, err := op.prepare(value, variables)
	c.tests = append(c.tests, t)
	return err
}

// evaluate decides the condition.
//
// A key that the request does not have fails a condition, unless the operator
// is negated or …IfExists. Of the set operators, ForAllValues holds then and
// ForAnyValue fails, negated or …IfExists as they may be: there is no value that
// could be the one.
//
// A key with several values needs a set operator. Without one, a negated
// condition holds if no value matches, and any other fails: AWS documents only
// that the set operator is required.
func (c *Condition) evaluate(ctx Context) outcome {
	found := ctx.values[c.key]
	if c.tests == nil {
		return c.evaluateNull(len(found) == 0)
	}
	switch {
	case len(found) == 0 && c.set == forAllValues:
		return holds
	case len(found) == 0 && c.set == forAnyValue:
		return fails
	case len(found) == 0 && (c.negated || c.ifExists):
		return holds
	case len(found) == 0:
		return fails
	case len(found) > 1 && c.set == noSet && !c.negated:
		return failsSeveral
	}
	result := fails
	for _, value := range found {
		o := c.evaluateValue(value, ctx)
		switch {
		case c.set == forAnyValue && o == holds:
			return holds
		case c.set != forAnyValue && o != holds:
			return o
		}
		result = max(result, o)
	}
	if c.set == forAnyValue {
		return result
	}
	return holds
}

func (c *Condition) evaluateNull(absent bool) outcome {
	for _, want := range c.absent {
		if want == absent {
			return holds
		}
	}
	return fails
}

// evaluateValue compares one value of the request with those of the policy: it
// must match one of them, or none if the operator is negated.
func (c *Condition) evaluateValue(found string, ctx Context) outcome {
	best := mismatch
	for _, t := range c.tests {
		switch t(found, ctx) {
		case match:
			if c.negated {
				return fails
			}
			return holds
		case unresolved:
			best = unresolved
		}
	}
	switch {
	case best == unresolved:
		return failsUnresolved
	case c.negated:
		return holds
	}
	return fails
}
