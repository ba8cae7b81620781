package iam

import (
	"fmt"
	"strings"
)

// Parse reads a policy document of the given kind. An error is a
// *MalformedError that says where and what: JSON that is none, duplicate names,
// unknown or prohibited elements (element names are case-sensitive), missing
// ones, and values that could never be right. What is merely unwise passes.
//
// Source: "Grammar of the IAM JSON policy language". An Id is taken in identity
// policies too, where the grammar does not want it, because it means nothing.
func Parse(doc []byte, kind Kind) (*Policy, error) {
	if kind != TrustPolicy && kind != IdentityPolicy {
		return nil, fmt.Errorf("iam: parse a policy: %v", kind)
	}
	if len(doc) > MaxDocumentSize {
		return nil, &MalformedError{Position: Position{1, 1}, Message: fmt.Sprintf("longer than %d bytes", MaxDocumentSize)}
	}
	d := newDocument(doc)
	root, err := d.read()
	if err != nil {
		return nil, err
	}
	p := &parser{document: d, kind: kind}
	return p.policy(root)
}

type parser struct {
	*document
	kind      Kind
	variables bool // the document's version has policy variables
}

func (p *parser) policy(root node) (*Policy, error) {
	if root.kind != objectNode {
		return nil, p.malformed(nil, root.offset, "a policy is an object, not %s", root.kind)
	}
	policy := &Policy{Kind: p.kind, Version: Version2008, parsed: true}
	var statements *node
	for i, f := range root.fields {
		var err error
		switch f.name {
		case "Version":
			policy.Version, err = p.oneOf(f.value, Version2008, Version2012)
		case "Id":
			policy.ID, err = p.text(f.value)
		case "Statement":
			statements = &root.fields[i].value
		default:
			err = p.unknown(f, "Version", "Id", "Statement")
		}
		if err != nil {
			return nil, err
		}
	}
	if statements == nil {
		return nil, p.malformed(nil, root.offset, "missing required field Statement")
	}
	p.variables = policy.Version == Version2012
	var err error
	if policy.Statements, err = p.statements(*statements); err != nil {
		return nil, err
	}
	return policy, nil
}

func (p *parser) statements(n node) ([]Statement, error) {
	items := n.items
	if n.kind == objectNode {
		items = []node{n}
	} else if n.kind != arrayNode || len(items) == 0 {
		return nil, p.malformed(n.at, n.offset, "must be a statement, or an array of at least one")
	}
	statements := make([]Statement, 0, len(items))
	sids := make(map[string]bool)
	for i, item := range items {
		s, err := p.statement(item)
		if err != nil {
			return nil, err
		}
		if s.Sid != "" && sids[s.Sid] {
			return nil, p.malformed(item.at, item.offset, "statement IDs (SID) in a single policy must be unique: %s is there twice", quote(s.Sid))
		}
		sids[s.Sid] = true
		s.Index = i
		statements = append(statements, s)
	}
	return statements, nil
}

func (p *parser) statement(n node) (Statement, error) {
	s := Statement{Position: p.position(n.offset)}
	if n.kind != objectNode {
		return s, p.malformed(n.at, n.offset, "a statement is an object, not %s", n.kind)
	}
	has := make(map[string]bool)
	for _, f := range n.fields {
		if err := p.element(&s, f); err != nil {
			return s, err
		}
		has[f.name] = true
	}
	if !has["Effect"] {
		return s, p.malformed(n.at, n.offset, "missing required field Effect")
	}
	pairs := []string{"Action", "Resource"}
	if p.kind == TrustPolicy {
		pairs = []string{"Principal", "Action"}
	}
	for _, name := range pairs {
		switch {
		case has[name] && has["Not"+name]:
			return s, p.malformed(n.at, n.offset, "has both %s and Not%s", name, name)
		case !has[name] && !has["Not"+name]:
			return s, p.malformed(n.at, n.offset, "missing required field %s", name)
		}
	}
	return s, nil
}

// element reads one element of a statement.
func (p *parser) element(s *Statement, f field) (err error) {
	not := strings.HasPrefix(f.name, "Not")
	switch f.name {
	case "Sid":
		s.Sid, err = p.sid(f.value)
	case "Effect":
		s.Effect, err = p.effect(f.value)
	case "Action", "NotAction":
		s.Actions, err = p.actions(f, not)
	case "Resource", "NotResource":
		if p.kind == TrustPolicy {
			return p.malformed(f.value.at, f.offset, "has prohibited field %s; the resource of a trust policy is its role", f.name)
		}
		s.Resources, err = p.resources(f, not)
	case "Principal", "NotPrincipal":
		if p.kind == IdentityPolicy {
			return p.malformed(f.value.at, f.offset, "has prohibited field %s; the principal of an identity policy is who it is attached to", f.name)
		}
		s.Principals, err = p.principals(f, not)
	case "Condition":
		s.Conditions, err = p.conditions(f.value)
	default:
		err = p.unknown(f, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	}
	return err
}

func (p *parser) effect(n node) (Effect, error) {
	text, err := p.oneOf(n, "Allow", "Deny")
	if text == "Allow" {
		return Allow, err
	}
	return Deny, err
}

// sid: IAM allows letters and digits ("IAM JSON policy elements: Sid").
func (p *parser) sid(n node) (string, error) {
	sid, err := p.text(n)
	if err == nil && strings.ContainsFunc(sid, func(r rune) bool { return !isAlphanumeric(r) }) {
		err = p.malformed(n.at, n.offset, "statement IDs (SID) must be alpha-numeric, not %s", quote(sid))
	}
	return sid, err
}

func (p *parser) actions(f field, not bool) (Actions, error) {
	a := Actions{Not: not, Position: p.position(f.offset)}
	nodes, err := p.texts(f.value)
	if err != nil {
		return a, err
	}
	for _, n := range nodes {
		if message := p.actionFault(n.text); message != "" {
			return a, p.malformed(n.at, n.offset, "action %s: %s", quote(n.text), message)
		}
		a.Values = append(a.Values, n.text)
		a.folded = append(a.folded, foldASCII(n.text))
	}
	return a, nil
}

func (p *parser) actionFault(action string) string {
	vendor, name, ok := strings.Cut(action, ":")
	switch {
	case p.kind == TrustPolicy && !strings.EqualFold(vendor, "sts"):
		return "AssumeRole policy may only specify STS AssumeRole actions"
	case action == "*":
		return ""
	case !ok || vendor == "" || name == "":
		return "must be service:name, or *"
	case strings.Contains(name, ":"):
		return "can contain only one colon"
	case strings.ContainsAny(vendor, "*?"):
		return "the service must not contain wildcards"
	case strings.ContainsFunc(action, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "has white space, or characters that are not ASCII"
	}
	return ""
}

func (p *parser) resources(f field, not bool) (Resources, error) {
	r := Resources{Not: not, Position: p.position(f.offset)}
	nodes, err := p.texts(f.value)
	if err != nil {
		return r, err
	}
	for _, n := range nodes {
		message := p.resourceFault(n.text)
		t, err := newTemplate(n.text, p.variables)
		if err != nil && message == "" {
			message = err.Error()
		}
		if message != "" {
			return r, p.malformed(n.at, n.offset, "resource %s: %s", quote(n.text), message)
		}
		r.Values = append(r.Values, n.text)
		r.patterns = append(r.patterns, t)
	}
	return r, nil
}

func (p *parser) resourceFault(resource string) string {
	fields := splitFields(resource, p.variables, 6)
	switch {
	case resource == "*":
		return ""
	case fields[0] != "arn":
		return `must be in ARN format or "*"`
	case len(fields) > 2 && strings.ContainsAny(fields[2], "*?"):
		return "the service must be fully qualified and cannot contain wildcards"
	case len(fields) < 6 && !strings.HasSuffix(resource, ":*"):
		return "is not arn:partition:service:region:account:resource"
	case p.variables && strings.Contains(strings.Join(fields[:min(len(fields), 5)], ":"), "${"):
		return "policy variables may only stand after the fifth colon"
	}
	return ""
}

func (p *parser) texts(n node) ([]node, error) { return p.list(n, "a string", textNode) }

// list is the values of an element that takes one, or an array of at least one.
func (p *parser) list(n node, what string, kinds ...nodeKind) ([]node, error) {
	nodes := n.items
	if n.kind != arrayNode {
		nodes = []node{n}
	}
	if len(nodes) == 0 {
		return nil, p.malformed(n.at, n.offset, "must have at least one value")
	}
	for _, item := range nodes {
		ok := false
		for _, kind := range kinds {
			ok = ok || item.kind == kind
		}
		if !ok {
			return nil, p.malformed(item.at, item.offset, "must be %s, not %s", what, item.kind)
		}
	}
	return nodes, nil
}

func (p *parser) text(n node) (string, error) {
	if n.kind != textNode {
		return "", p.malformed(n.at, n.offset, "must be a string, not %s", n.kind)
	}
	return n.text, nil
}

func (p *parser) oneOf(n node, allowed ...string) (string, error) {
	for _, a := range allowed {
		if n.kind == textNode && n.text == a {
			return a, nil
		}
	}
	return "", p.malformed(n.at, n.offset, "must be %s", strings.Join(allowed, " or "))
}

func (p *parser) unknown(f field, known ...string) error {
	for _, k := range known {
		if strings.EqualFold(k, f.name) {
			return p.malformed(f.value.at, f.offset, "unknown field %s; names are case-sensitive: %s", quote(f.name), k)
		}
	}
	return p.malformed(f.value.at, f.offset, "unknown field %s", quote(f.name))
}
