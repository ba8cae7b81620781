package awslocal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of a world file: its size in bytes; how many values its aliases may
// stand for, on top of those that are written; and how deep they nest, where a
// policy needs the most.
const (
	maxWorldSize = 16 << 20
	maxAliased   = 100_000
	maxNesting   = 32
)

// ParseWorld reads a world file; name is what messages call it. The file is
// strict: unknown and repeated keys are faults. The error is a *WorldError with
// all of them.
func ParseWorld(name string, doc []byte) (*World, error) {
	n := &notes{}
	w := &World{}
	if root := parseYAML(n, doc); root != nil {
		d := newDecoder(n)
		d.value(root, reflect.ValueOf(w).Elem(), "")
		w.check(n)
	}
	byLine := func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) }
	slices.SortStableFunc(n.faults, byLine)
	slices.SortStableFunc(n.warnings, byLine)
	if len(n.faults) > 0 {
		return nil, &WorldError{Name: name, Faults: n.faults}
	}
	w.warnings = n.warnings
	return w, nil
}

// Validate checks a world that was not parsed. The error is a *WorldError.
func (w *World) Validate() error {
	n := &notes{}
	w.check(n)
	if len(n.faults) > 0 {
		return &WorldError{Name: "world", Faults: n.faults}
	}
	return nil
}

// parseYAML returns the file's value without aliases; nil after a fault.
func parseYAML(n *notes, doc []byte) *yaml.Node {
	const start = "eksauth local --print-world prints one to start from"
	if len(doc) > maxWorldSize {
		n.fail("", "", "the file is longer than %d bytes", maxWorldSize)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(doc))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	if errors.Is(err, io.EOF) {
		n.fail("", start, "the file is empty")
		return nil
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			n.faults = append(n.faults, Fault{Line: second.Line, Message: "a second YAML document begins", Hint: "remove the line ---"})
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		n.faults = append(n.faults, yamlFault(err))
		return nil
	}
	root, fault := (&expander{left: len(doc) + maxAliased}).expand(first.Content[0], 0)
	if fault != nil {
		n.faults = append(n.faults, *fault)
		return nil
	}
	if root.ShortTag() == "!!null" {
		n.fail("", start, "the file is empty")
		return nil
	}
	return root
}

// yamlFault takes the line out of the parser's "yaml: line 3: …".
func yamlFault(err error) Fault {
	f := Fault{Message: strings.TrimPrefix(err.Error(), "yaml: "), Hint: "check the indentation and the quotes"}
	if _, err := fmt.Sscanf(f.Message, "line %d:", &f.Line); err == nil {
		_, f.Message, _ = strings.Cut(f.Message, ": ")
	}
	f.Message = "not YAML: " + f.Message
	return f
}

// expander replaces aliases by copies of what they stand for, which keep their
// lines, so that nobody after it has to bound or follow them.
type expander struct{ left int }

func (e *expander) expand(n *yaml.Node, depth int) (*yaml.Node, *Fault) {
	if e.left--; e.left < 0 {
		return nil, &Fault{Line: n.Line, Message: fmt.Sprintf("aliases stand for more than %d values", maxAliased)}
	}
	if depth > maxNesting {
		return nil, &Fault{Line: n.Line, Message: fmt.Sprintf("this is nested more than %d levels deep", maxNesting)}
	}
	if n.Kind == yaml.AliasNode {
		return e.expand(n.Alias, depth+1)
	}
	c := &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value, Line: n.Line}
	if len(n.Content) > 0 {
		c.Content = make([]*yaml.Node, len(n.Content))
	}
	for i, child := range n.Content {
		var fault *Fault
		if c.Content[i], fault = e.expand(child, depth+1); fault != nil {
			return nil, fault
		}
	}
	return c, nil
}
