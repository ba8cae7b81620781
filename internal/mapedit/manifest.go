package mapedit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxManifest bounds a manifest, in bytes. An object in etcd has at most 1.5 MiB.
const maxManifest = 4 << 20

// ErrNoConfigMap is a text without the manifest of aws-auth.
var ErrNoConfigMap = errors.New("it is not the manifest of the ConfigMap aws-auth")

// Manifest is the text of a manifest, in YAML or JSON, that has aws-auth in it.
type Manifest struct {
	Data map[string]string // of the ConfigMap

	text []byte
	node *yaml.Node // of the ConfigMap
}

// ReadManifest finds the ConfigMap aws-auth among the documents of text. A
// ConfigMap without a name, or the only one, is taken for it.
func ReadManifest(text []byte) (*Manifest, error) {
	if len(text) > maxManifest {
		return nil, fmt.Errorf("the manifest is longer than %d bytes", maxManifest)
	}
	var found []*Manifest
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoConfigMap, err)
		}
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Data     yaml.Node
		}
		if doc.Decode(&object) != nil || object.Kind != "ConfigMap" {
			continue
		}
		m := &Manifest{text: text, node: doc.Content[0]}
		if err := object.Data.Decode(&m.Data); err != nil && !object.Data.IsZero() {
			return nil, fmt.Errorf("%w: its data are not texts: %w", ErrNoConfigMap, err)
		}
		if object.Metadata.Name == "aws-auth" {
			return m, nil
		}
		found = append(found, m)
	}
	if len(found) != 1 {
		return nil, ErrNoConfigMap
	}
	return found[0], nil
}

// Set returns the manifest's text with another text under a key of its data.
// That must be a block (key: |), as kubectl prints it, or not be there.
func (m *Manifest) Set(key, value string) ([]byte, error) {
	lines := strings.SplitAfter(string(m.text), "\n")
	data := field(m.node, "data")
	if data == nil || data.Kind != yaml.MappingNode || data.Style&yaml.FlowStyle != 0 || len(data.Content) == 0 {
		return nil, fmt.Errorf("%w: data is not a block of keys", ErrByHand)
	}
	first := data.Content[0]
	margin := strings.Repeat(" ", first.Column+1)
	from, to := first.Line-1, first.Line-1
	head := strings.Repeat(" ", first.Column-1) + key + ": |\n"
	if old := field(data, key); old != nil {
		if old.Style&yaml.LiteralStyle == 0 {
			return nil, fmt.Errorf("%w: %s is not a block; write it as %s: |", ErrByHand, key, key)
		}
		head, from = "", old.Line
		for to = from; to < len(lines) && (strings.TrimSpace(lines[to]) == "" || strings.HasPrefix(lines[to], strings.Repeat(" ", first.Column))); to++ {
		}
		for to > from && strings.TrimSpace(lines[to-1]) == "" {
			to--
		}
		if to > from {
			margin = lines[from][:len(lines[from])-len(strings.TrimLeft(lines[from], " "))]
		}
	}
	block := head
	for line := range strings.Lines(value) {
		if strings.TrimSpace(line) != "" {
			line = margin + line
		}
		block += line
	}
	text := strings.Join(lines[:from], "") + block + strings.Join(lines[to:], "")
	again, err := ReadManifest([]byte(text))
	want := maps.Clone(m.Data)
	want[key] = value
	if err != nil || !maps.Equal(again.Data, want) {
		return nil, fmt.Errorf("%w: %s would not be read as it is", ErrByHand, key)
	}
	return []byte(text), nil
}

// Line is the line of the manifest, from 1, that has a line of a key's text; that
// of the key if the text is no block, and 0 if there is no such key.
func (m *Manifest) Line(key string, line int) int {
	value := field(field(m.node, "data"), key)
	switch {
	case value == nil:
		return 0
	case value.Style&yaml.LiteralStyle == 0:
		return value.Line
	}
	return value.Line + line
}

// field is the value of a key of a mapping; nil if it is not there.
func field(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
