package awsauth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of one document. maxValues counts entries, groups and merged keys, so
// that aliases cannot make much of little.
const (
	maxText     = 1 << 20 // bytes of one key of a ConfigMap, as in Kubernetes
	maxFile     = 16 << 20
	maxSearched = 256 << 10 // of text that is not YAML, for the line at fault
	maxEntries  = 100_000
	maxValues   = 1_000_000
	maxFields   = 1_000 // of one mapping
	maxMerges   = 8     // levels of "<<" in one another
	maxFaults   = 1_000 // noted; after those there is only one more
)

// yamlError is text that is not YAML.
type yamlError struct {
	line    int
	message string
	hint    string
}

// parseYAML reads the first document of text; nil if there is none. more is
// the line of a second document, or 0.
func parseYAML(text []byte) (root *yaml.Node, more int, fault *yamlError) {
	var first, second yaml.Node
	if err := decode(text, &first, &second); err != nil {
		return nil, 0, newYAMLError(text, err)
	}
	if len(first.Content) == 0 {
		return nil, 0, nil
	}
	if root = resolve(first.Content[0]); isNull(root) {
		root = nil
	}
	return root, second.Line, nil
}

// decode reads two documents, as far as they are there. What follows the first
// must at least be YAML: entries that a slip of the pen cut off from their list
// would otherwise be gone without a word.
func decode(text []byte, docs ...*yaml.Node) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for _, d := range docs {
		if err := decoder.Decode(d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// newYAMLError finds the line. The one that the parser names may be that of
// the block around it, one too few, or missing; but a beginning of the text
// fails in the same way just when it reaches the line at fault.
func newYAMLError(text []byte, err error) *yamlError {
	e := &yamlError{message: strings.TrimPrefix(err.Error(), "yaml: "), hint: "check the indentation and the quotes"}
	if _, noLine := fmt.Sscanf(e.message, "line %d:", &e.line); noLine == nil {
		_, e.message, _ = strings.Cut(e.message, ": ")
	}
	if len(text) > maxSearched {
		return e
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	ends := make([]int, len(lines))
	for i, end := 0, 0; i < len(lines); i++ {
		end += len(lines[i])
		ends[i] = end
	}
	i := sort.Search(len(lines)-1, func(i int) bool {
		var first, second yaml.Node
		again := decode(text[:ends[i]], &first, &second)
		return again != nil && again.Error() == err.Error()
	})
	e.line = i + 1
	if bytes.Contains(lines[i], []byte(" {{")) {
		e.hint = `a text that begins with {{ needs quotes, as in "{{SessionName}}"`
	}
	return e
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxMerges {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// field is one key of a mapping with its value, aliases resolved.
type field struct {
	name  string // as written
	line  int
	value *yaml.Node
}

// lower is the name as it is compared: keys do not depend on case, because the
// JSON and viper decoders of aws-iam-authenticator do not.
func (f field) lower() string { return strings.ToLower(f.name) }

// faultFunc notes a fault at a line of the document.
type faultFunc func(s Severity, line int, hint, format string, args ...any)

// budget counts what a document may still hold.
type budget int

func (b *budget) spend(n int) bool {
	*b -= budget(n)
	return *b >= 0
}

// fields lists the keys of a mapping: its own, and then those that it merges
// in with "<<" and does not have itself.
func fields(n *yaml.Node, b *budget, fault faultFunc) []field {
	m := merger{budget: b, fault: fault, seen: map[string]*yaml.Node{}, merged: map[*yaml.Node]bool{}}
	m.collect(n, 0)
	return m.list
}

type merger struct {
	budget *budget
	fault  faultFunc
	list   []field
	seen   map[string]*yaml.Node // the mapping in which a key was found
	merged map[*yaml.Node]bool
}

func (m *merger) collect(n *yaml.Node, level int) {
	n = resolve(n)
	if m.merged[n] { // a second time, it has nothing new
		return
	}
	m.merged[n] = true
	count := len(n.Content) / 2
	if n.Kind != yaml.MappingNode || level > maxMerges || count > maxFields || !m.budget.spend(1+count) {
		m.fault(Error, n.Line, "", "this is not a mapping, or one that is too large")
		return
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := resolve(n.Content[i]), resolve(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
			m.fault(Error, key.Line, `a text that begins with { needs quotes`, "a key is not a text")
		case key.ShortTag() == "!!merge" && v.Kind == yaml.SequenceNode:
			if m.budget.spend(len(v.Content)) {
				merges = append(merges, v.Content...)
			} else {
				m.fault(Error, key.Line, "", "this merges more than can be read")
			}
		case key.ShortTag() == "!!merge":
			merges = append(merges, v)
		default:
			m.take(field{key.Value, key.Line, v}, n)
		}
	}
	for _, v := range merges {
		m.collect(v, level+1)
	}
}

// take keeps the first of several: within one mapping that is a fault, between
// mappings it is what merging means.
func (m *merger) take(f field, in *yaml.Node) {
	switch m.seen[f.lower()] {
	case nil:
		m.seen[f.lower()] = in
		m.list = append(m.list, f)
	case in:
		m.fault(Error, f.line, "keep one of them; case does not tell them apart", "the key %s is there twice", quote(f.name))
	}
}

// text reads a scalar. A number or a truth value is taken as it is written,
// which for an account id is what was meant.
func text(n *yaml.Node) (s string, ok bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return n.Value, true
	case "!!null":
		return "", true
	}
	return "", false
}

// kindOf names what a node is, for messages.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if t := n.ShortTag(); t != "!!str" {
			return "a value of type " + strings.TrimPrefix(t, "!!")
		}
		return "a text"
	}
	return "something else"
}
