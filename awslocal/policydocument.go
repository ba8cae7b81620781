package awslocal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/iam"
)

// PolicyDocument is the JSON of a policy. In a world file it is that text, or
// the same as YAML.
type PolicyDocument string

// readNode takes a text as it is and makes JSON of a mapping. Paths within the
// policy are written as package iam writes them in its errors.
func (p *PolicyDocument) readNode(d *decoder, n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.ScalarNode:
		*p = PolicyDocument(n.Value)
		if n.Style&yaml.LiteralStyle != 0 {
			d.source.literals[path] = n.Line + 1
		}
	case yaml.MappingNode:
		var b bytes.Buffer
		if d.policyJSON(&b, n, path) {
			*p = PolicyDocument(b.String())
		}
	default:
		d.fail(path, "write the policy as YAML, or as the text of its JSON", "this is %s, not a policy", kindOf(n))
	}
}

// policyJSON writes n as JSON, the keys in their order. All scalars become
// strings as written, which is what policies consist of: 2012-10-17 is no date
// and an account no number there. Repeated keys are left for iam.Parse to find.
func (d *decoder) policyJSON(b *bytes.Buffer, n *yaml.Node, path string) bool {
	d.source.lines[path] = n.Line
	ok := true
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode {
				d.faults = append(d.faults, Fault{Line: key.Line, Path: path, Message: "a key is not a text", Hint: "a text that begins with { needs quotes"})
				return false
			}
			comma(b, i)
			writeString(b, key.Value)
			b.WriteByte(':')
			at := fieldPath(path, key.Value)
			ok = d.policyJSON(b, value, at) && ok
			d.source.lines[at] = key.Line
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			comma(b, i)
			ok = d.policyJSON(b, item, indexPath(path, i)) && ok
		}
		b.WriteByte(']')
	default:
		writeScalar(b, n)
	}
	return ok
}

func writeScalar(b *bytes.Buffer, n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		b.WriteString("null")
	case "!!bool":
		writeString(b, strings.ToLower(n.Value))
	default:
		writeString(b, n.Value)
	}
}

func comma(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.Encode(s)           // a string and a bytes.Buffer do not fail
	b.Truncate(b.Len() - 1) // the newline
}

// ReadPolicy reads a policy from a file of its own: JSON as it is, or YAML.
func ReadPolicy(text []byte) (PolicyDocument, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		return PolicyDocument(text), nil
	}
	n := &notes{}
	root := parseYAML(n, text)
	var p PolicyDocument
	if root != nil {
		p.readNode(newDecoder(n), root, "")
	}
	if len(n.faults) > 0 {
		return "", errors.New(n.faults[0].String())
	}
	return p, nil
}

// MarshalYAML writes the policy as YAML, and as a text if it is one that only
// JSON can say.
func (p PolicyDocument) MarshalYAML() (any, error) {
	text := strings.TrimSpace(string(p)) // a tab before JSON is nothing that YAML can say
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(escapeForYAML(text)), &doc); err != nil || doc.Kind != yaml.DocumentNode || doc.Content[0].Kind != yaml.MappingNode {
		return text, nil
	}
	blockStyle(doc.Content[0])
	return doc.Content[0], nil
}

// escapeForYAML escapes what may stand in a string of JSON, where YAML refuses it or
// makes a space of it.
func escapeForYAML(s string) string {
	strange := func(r rune) bool {
		return 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffe' || r == '\uffff'
	}
	if !strings.ContainsFunc(s, strange) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strange(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// blockStyle takes JSON's brackets and quotes away; the encoder puts back the
// quotes that are needed. Numbers and booleans become the texts that they are read
// as again.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
		n.Tag = "!!str"
	}
	if unreadable(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// unreadable says whether package yaml writes a text of several lines so that it
// cannot read it: the tab at its beginning is taken for indentation.
func unreadable(s string) bool { return strings.HasPrefix(s, "\t") && strings.Contains(s, "\n") }

// checkTrust parses a trust policy and notes what is wrong with it.
func (n *notes) checkTrust(doc PolicyDocument, path string) *iam.Policy {
	if doc == "" {
		n.fail(path, "say who may assume the role: trustPolicy, or serviceAccounts", "the role has no trust policy")
		return nil
	}
	policy, err := iam.Parse([]byte(doc), iam.TrustPolicy)
	n.malformed(err, path)
	return policy
}

// malformed notes what package iam found wrong with the policy at path; nothing
// if err is nil.
func (n *notes) malformed(err error, path string) {
	if err == nil {
		return
	}
	var malformed *iam.MalformedError
	if !errors.As(err, &malformed) {
		n.fail(path, "", "%v", err)
		return
	}
	at := path
	switch {
	case strings.HasPrefix(malformed.Path, "["):
		at += malformed.Path
	case malformed.Path != "":
		at += "." + malformed.Path
	}
	n.fail(at, "", "%s", malformed.Message)
	if n.source == nil {
		return
	}
	if first, ok := n.source.literals[path]; ok {
		n.faults[len(n.faults)-1].Line = first + malformed.Line - 1
	}
}
