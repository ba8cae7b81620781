// Package jsonschema writes the JSON Schemas of the YAML files that people write,
// from the Go types that read them. Editors complete and check the files by them.
// It imports the standard library only.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Source is what a schema is made from.
type Source struct {
	ID, Title string
	Type      reflect.Type // a struct
	Dir       string       // of the source of the types: comments become descriptions
	// Special are the schemas of types that read themselves, by name.
	Special map[string]any
	// Required are the keys without which a file means nothing, as TYPE.key.
	Required []string
}

// object is JSON with its keys in order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the keys in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// Generate writes the schema (JSON Schema, draft 2020-12).
func Generate(s Source) ([]byte, error) {
	comments, err := readComments(s.Dir)
	if err != nil {
		return nil, err
	}
	g := &generator{source: s, comments: comments, seen: map[string]bool{}}
	root := g.structure(s.Type)
	schema := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", s.ID}, {"title", s.Title}}
	schema = append(schema, root...)
	schema = append(schema, member{"$defs", g.definitions})
	compact, err := marshal(schema)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

type generator struct {
	source      Source
	comments    map[string]string // by TYPE, and TYPE.Field
	seen        map[string]bool
	definitions object
}

// structure is the schema of a struct.
func (g *generator) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		value := g.value(f.Type)
		if text := g.comments[t.Name()+"."+f.Name]; text != "" {
			value = append(object{{"description", text}}, value...)
		}
		properties = append(properties, member{name, value})
		for _, r := range g.source.Required {
			if r == t.Name()+"."+name {
				required = append(required, name)
			}
		}
	}
	schema := object{{"type", "object"}}
	if text := g.comments[t.Name()]; text != "" {
		schema = append(object{{"description", text}}, schema...)
	}
	schema = append(schema, member{"additionalProperties", false}, member{"properties", properties})
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	return schema
}

func (g *generator) value(t reflect.Type) object {
	if special, ok := g.source.Special[t.Name()]; ok {
		return g.reference(t.Name(), func() any { return special })
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem())
	case reflect.Struct:
		return g.reference(t.Name(), func() any { return g.structure(t) })
	case reflect.Slice:
		return object{{"type", "array"}, {"items", g.value(t.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", g.value(t.Elem())}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return object{{"type", "integer"}}
	case reflect.String:
		return object{{"type", "string"}}
	}
	panic(fmt.Sprintf("there is no schema for %s", t))
}

func (g *generator) reference(name string, define func() any) object {
	if !g.seen[name] {
		g.seen[name] = true
		at := len(g.definitions)
		g.definitions = append(g.definitions, member{name, nil})
		g.definitions[at].value = define()
	}
	return object{{"$ref", "#/$defs/" + name}}
}

// readComments finds the comments of the types of a package and of their fields.
func readComments(dir string) (map[string]string, error) {
	comments := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			declaration, ok := d.(*ast.GenDecl)
			if !ok || declaration.Tok != token.TYPE {
				continue
			}
			for _, spec := range declaration.Specs {
				readType(comments, declaration, spec.(*ast.TypeSpec))
			}
		}
	}
	return comments, nil
}

func readType(comments map[string]string, declaration *ast.GenDecl, spec *ast.TypeSpec) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	doc := spec.Doc
	if doc == nil {
		doc = declaration.Doc
	}
	comments[spec.Name.Name] = oneLine(doc.Text())
	for _, field := range structure.Fields.List {
		text := oneLine(field.Doc.Text() + " " + field.Comment.Text())
		for _, name := range field.Names {
			comments[spec.Name.Name+"."+name.Name] = text
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
