package awslocal

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder puts YAML into the types of a World and notes where each part stands
// and whatever does not fit, which package yaml's own decoder cannot do both.
type decoder struct {
	*notes
}

func newDecoder(n *notes) *decoder {
	n.source = &source{lines: map[string]int{}, literals: map[string]int{}}
	return &decoder{n}
}

// nodeReader is a type that reads itself.
type nodeReader interface {
	readNode(d *decoder, n *yaml.Node, path string)
}

// value decodes n into v. Null is the zero value.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.source.lines[path] = n.Line
	if n.ShortTag() == "!!null" {
		return
	}
	if r, ok := v.Addr().Interface().(nodeReader); ok {
		r.readNode(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.String:
		if d.is(n, yaml.ScalarNode, "a text", path) {
			v.SetString(n.Value) // as written: an account id is no number
		}
	case reflect.Bool:
		if d.is(n, yaml.ScalarNode, "true or false", path) {
			d.boolean(n, v, path)
		}
	case reflect.Int:
		if d.is(n, yaml.ScalarNode, "a number", path) {
			d.number(n, v, path)
		}
	default:
		panic(fmt.Sprintf("a world has a value of type %s", v.Type()))
	}
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, path string) {
	i, err := strconv.Atoi(n.Value)
	if err != nil {
		d.fail(path, "write a whole number", "%s is not a number", quote(n.Value))
		return
	}
	v.SetInt(int64(i))
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, path string) {
	if n.ShortTag() != "!!bool" {
		d.fail(path, "write true or false", "%s is neither true nor false", quote(n.Value))
		return
	}
	v.SetBool(strings.EqualFold(n.Value, "true"))
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if !d.is(n, yaml.SequenceNode, "a list", path) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), indexPath(path, i))
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if !d.is(n, yaml.MappingNode, "a mapping", path) {
		return
	}
	names, index := keysOf(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := fieldPath(path, key.Value)
		field, known := index[key.Value]
		switch {
		case !known:
			d.source.lines[at] = key.Line
			d.fail(at, didYouMean(key.Value, names), "the key %s is not known", quote(key.Value))
		case seen[key.Value]:
			d.faults = append(d.faults, Fault{Line: key.Line, Path: at, Message: "the key is there twice", Hint: "keep one of them"})
		default:
			d.value(value, v.Field(field), at)
			d.source.lines[at] = key.Line
		}
		seen[key.Value] = true
	}
}

// is notes a fault if n is something else.
func (d *decoder) is(n *yaml.Node, kind yaml.Kind, what, path string) bool {
	if n.Kind == kind {
		return true
	}
	hint := ""
	switch {
	case kind == yaml.SequenceNode && n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n"):
		hint = "remove the | after the key"
	case kind == yaml.SequenceNode:
		hint = "begin each entry with a dash"
	case kind == yaml.ScalarNode && n.Kind == yaml.MappingNode:
		hint = "a text that begins with { needs quotes"
	}
	d.fail(path, hint, "this is %s, not %s", kindOf(n), what)
	return false
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a text"
}

// keysOf lists the keys of a struct and their fields' places.
func keysOf(t reflect.Type) (names []string, index map[string]int) {
	index = map[string]int{}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			names = append(names, name)
			index[name] = i
		}
	}
	return slices.Clip(names), index
}

func fieldPath(path, name string) string {
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return !isAlphanumeric(r) }):
		return path + "[" + quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}
