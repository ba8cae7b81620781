package awslocal

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlNode is v as package yaml would write it, but for the texts that it writes so
// that it cannot read them.
func yamlNode(v reflect.Value) (*yaml.Node, error) {
	if m, ok := v.Interface().(yaml.Marshaler); ok {
		value, err := m.MarshalYAML()
		if n, ok := value.(*yaml.Node); ok || err != nil {
			return n, err
		}
		v = reflect.ValueOf(value)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return yamlNode(v.Elem())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			switch field := v.Field(i); {
			case !v.Type().Field(i).IsExported() || options == "omitempty" && isZero(field):
			case options != "" && options != "omitempty":
				return nil, fmt.Errorf("the field %s of %s: %s is not known here", name, v.Type(), options)
			default:
				value, err := yamlNode(field)
				if err != nil {
					return nil, err
				}
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
			}
		}
		return n, nil
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			value, err := yamlNode(v.Index(i))
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, value)
		}
		return n, nil
	case reflect.String:
		if unreadable(v.String()) {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.String(), Style: yaml.DoubleQuotedStyle}, nil
		}
	}
	n := &yaml.Node{}
	return n, n.Encode(v.Interface())
}

// isZero is what omitempty leaves out.
func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(yaml.IsZeroer); ok {
		return z.IsZero()
	}
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
