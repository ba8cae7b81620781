package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDocumentSize is the largest document that Parse reads, in bytes. It bounds
// work and memory; IAM's own quotas are far smaller and checked where policies
// are stored.
const MaxDocumentSize = 128 << 10

// maxDepth is more than any policy needs: a condition value in an array is at
// depth six.
const maxDepth = 10

// MalformedError is a document that is not a policy of its kind. AWS answers
// it with the code MalformedPolicyDocument.
type MalformedError struct {
	Path     string // such as Statement[1].Condition.StringEquals; "" for the document
	Position        // where that stands
	Message  string // what is wrong, in AWS's words where they are known
}

// Code is the error's code in the IAM and STS APIs.
func (e *MalformedError) Code() string { return "MalformedPolicyDocument" }

func (e *MalformedError) Error() string {
	at := e.Path
	if at == "" {
		at = "document"
	}
	return fmt.Sprintf("malformed policy: %s (%d:%d): %s", at, e.Line, e.Column, e.Message)
}

// path is where a node stands. It becomes text only in an error, because long
// names high up would make it large for each node below.
type path struct {
	parent *path
	name   string // of a field, or "" for an item of an array
	index  int
}

func (p *path) String() string {
	if p == nil {
		return ""
	}
	switch parent := p.parent.String(); {
	case p.name == "":
		return parent + "[" + strconv.Itoa(p.index) + "]"
	case len(p.name) > 64 || strings.ContainsFunc(p.name, func(r rune) bool { return !isAlphanumeric(r) }):
		return parent + "[" + quote(p.name) + "]"
	case parent == "":
		return p.name
	default:
		return parent + "." + p.name
	}
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	objectNode
	arrayNode
	textNode
	numberNode
	booleanNode
)

func (k nodeKind) String() string {
	return [...]string{"null", "an object", "an array", "a string", "a number", "a boolean"}[k]
}

// node is a JSON value that remembers where it stands and in which order its
// fields were.
type node struct {
	kind   nodeKind
	text   string  // of a string its value, of numbers and booleans their text
	fields []field // of an object
	items  []node  // of an array
	at     *path
	offset int
}

type field struct {
	name   string
	offset int
	value  node
}

// document reads JSON with positions, and refuses what encoding/json would let
// pass: duplicate names (one reader would see the first and another the last)
// and invalid UTF-8.
//
// Source: "Grammar of the IAM JSON policy language" (no element may contain
// multiple instances of the same key).
type document struct {
	source []byte
	dec    *json.Decoder
	lines  []int // offsets at which lines begin
}

func newDocument(source []byte) *document {
	d := &document{source: source, lines: []int{0}}
	for i, c := range source {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	return d
}

func (d *document) position(offset int) Position {
	line := sort.SearchInts(d.lines, offset+1)
	return Position{Line: line, Column: offset - d.lines[line-1] + 1}
}

func (d *document) malformed(at *path, offset int, format string, args ...any) *MalformedError {
	return &MalformedError{Path: at.String(), Position: d.position(offset), Message: fmt.Sprintf(format, args...)}
}

func (d *document) read() (node, error) {
	for i := 0; i < len(d.source); {
		r, size := utf8.DecodeRune(d.source[i:])
		if r == utf8.RuneError && size == 1 {
			return node{}, d.malformed(nil, i, "not UTF-8")
		}
		i += size
	}
	var all json.RawMessage
	if err := json.Unmarshal(d.source, &all); err != nil {
		offset := len(d.source)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset > 0 {
			offset = int(syntax.Offset) - 1
		}
		return node{}, d.malformed(nil, offset, "not JSON: %v", err)
	}
	d.dec = json.NewDecoder(bytes.NewReader(d.source))
	d.dec.UseNumber()
	return d.value(nil, 0)
}

// next is the offset of the token that the decoder returns next.
func (d *document) next() int {
	i := int(d.dec.InputOffset())
	for i < len(d.source) && strings.IndexByte(" \t\r\n,:", d.source[i]) >= 0 {
		i++
	}
	return i
}

func (d *document) value(at *path, depth int) (node, error) {
	n := node{at: at, offset: d.next()}
	if depth > maxDepth {
		return n, d.malformed(at, n.offset, "nested more than %d levels deep", maxDepth)
	}
	token, err := d.dec.Token()
	if err != nil {
		return n, d.malformed(at, n.offset, "not JSON: %v", err)
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			n.kind = objectNode
			n.fields, err = d.fields(at, depth)
		} else {
			n.kind = arrayNode
			n.items, err = d.items(at, depth)
		}
	case string:
		n.kind, n.text = textNode, v
	case json.Number:
		n.kind, n.text = numberNode, v.String()
	case bool:
		n.kind, n.text = booleanNode, strconv.FormatBool(v)
	}
	return n, err
}

func (d *document) fields(at *path, depth int) ([]field, error) {
	var fields []field
	seen := make(map[string]bool)
	for d.dec.More() {
		name, err := d.value(at, depth)
		if err != nil {
			return nil, err
		}
		f := field{name: name.text, offset: name.offset}
		below := &path{parent: at, name: f.name}
		if f.name == "" {
			return nil, d.malformed(at, f.offset, "an empty name")
		}
		if seen[f.name] {
			return nil, d.malformed(below, f.offset, "duplicate name %s", quote(f.name))
		}
		seen[f.name] = true
		if f.value, err = d.value(below, depth+1); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, d.close(at)
}

func (d *document) items(at *path, depth int) ([]node, error) {
	var items []node
	for d.dec.More() {
		item, err := d.value(&path{parent: at, index: len(items)}, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, d.close(at)
}

// close consumes the end of an object or an array.
func (d *document) close(at *path) error {
	if _, err := d.dec.Token(); err != nil {
		return d.malformed(at, d.next(), "not JSON: %v", err)
	}
	return nil
}

// quote is text from a policy or a request made safe for one line of a log: no
// control characters, no quote that ends early, no more than 256 bytes.
func quote(s string) string {
	const most = 256
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s[:cut]), len(s))
}
