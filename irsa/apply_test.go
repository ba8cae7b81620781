package irsa

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// applyPatch is RFC 6902 as far as it adds. It shares nothing with what made the
// patch.
func applyPatch(document, patch []byte) ([]byte, error) {
	var doc any
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	var operations []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal(patch, &operations); err != nil {
		return nil, fmt.Errorf("not a patch: %w", err)
	}
	for _, o := range operations {
		if o.Op != "add" {
			return nil, fmt.Errorf("it does not add: %s", o.Op)
		}
		var err error
		if doc, err = addAt(doc, strings.Split(strings.TrimPrefix(o.Path, "/"), "/"), o.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	return json.Marshal(doc)
}

func addAt(in any, path []string, value any) (any, error) {
	key := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch parent := in.(type) {
	case map[string]any:
		if len(path) == 1 {
			if old := parent[key]; old != nil {
				if _, scalar := old.(string); !scalar {
					return nil, fmt.Errorf("%q is there already and would be replaced", key)
				}
			}
			parent[key] = value
			return parent, nil
		}
		child, err := addAt(parent[key], path[1:], value)
		parent[key] = child
		return parent, err
	case []any:
		if len(path) == 1 && key == "-" {
			return append(parent, value), nil
		}
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(parent) || len(path) == 1 {
			return nil, fmt.Errorf("no element %q", key)
		}
		parent[i], err = addAt(parent[i], path[1:], value)
		return parent, err
	}
	return nil, fmt.Errorf("%q has no parent", key)
}
