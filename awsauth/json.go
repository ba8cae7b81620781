package awsauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds lists and objects in one another; a document of mappings has
// four levels.
const maxDepth = 32

// parseJSON reads one JSON text into the nodes that readers of entries read. A
// YAML parser would not do: it takes much that is no JSON, and not all that is.
func parseJSON(text []byte) (*yaml.Node, *yamlError) {
	r := jsonReader{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.decoder.UseNumber()
	root, err := r.value(0)
	if err == nil {
		if _, more := r.decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the value")
		}
	}
	if err == nil {
		return root, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	fault := &yamlError{line: r.lineNow(), message: err.Error(), hint: "check commas, quotes and brackets"}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		fault.line = 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	}
	return nil, fault
}

type jsonReader struct {
	text    []byte
	decoder *json.Decoder
	counted int // bytes of text in which lines have been counted
	line    int
}

// lineNow is the line on which the decoder stands.
func (r *jsonReader) lineNow() int {
	at := int(r.decoder.InputOffset())
	r.line += bytes.Count(r.text[r.counted:at], []byte("\n"))
	r.counted = at
	return r.line
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.lineNow()}
	switch t := token.(type) {
	case json.Delim:
		return n, r.children(n, t, depth+1)
	case string:
		n.Tag, n.Value = "!!str", t
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case nil:
		n.Tag = "!!null"
	}
	return n, nil
}

func (r *jsonReader) children(n *yaml.Node, open json.Delim, depth int) error {
	if depth > maxDepth {
		return errors.New("too much in one another")
	}
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for r.decoder.More() {
		child, err := r.value(depth)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	_, err := r.decoder.Token() // the end of it
	return err
}
