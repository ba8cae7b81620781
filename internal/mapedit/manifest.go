package mapedit

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxManifest bounds a manifest, in bytes. An object in etcd has at most 1.5 MiB.
const maxManifest = 4 << 20

// ErrNoConfigMap is a text without the manifest of aws-auth.
var ErrNoConfigMap = errors.New("it is not the manifest of the ConfigMap aws-auth")

// Manifest is the text of a manifest, in YAML or JSON, that has aws-auth in it.
type Manifest struct {
	Data map[string]string // of the ConfigMap

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
		m := &Manifest{}
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
