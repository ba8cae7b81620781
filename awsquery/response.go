package awsquery

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Element is a named value of an answer. One tree is written as XML or as
// JSON. The value is a string, an int, a bool, a time.Time, a List, a Map, or a list
// of elements.
type Element struct {
	Name  string
	Value any
}

// List is a value of several that have no names of their own: each is what the
// value of an Element may be.
type List []any

// Map is a value of several whose names are data.
type Map []Element

// E is an Element.
func E(name string, value any) Element { return Element{name, value} }

// Answer writes the answer of an operation that succeeded. A nil result is that
// of an operation that answers nothing. namespace is the XML namespace of the API.
func (q *Request) Answer(w http.ResponseWriter, namespace string, result []Element) {
	tree := []Element{{q.Action + "Result", result}, {"ResponseMetadata", []Element{{"RequestId", q.ID}}}}
	if result == nil {
		tree = tree[1:]
	}
	q.respond(w, http.StatusOK, namespace, Element{q.Action + "Response", tree})
}

// Refuse writes an error as the answer.
func (q *Request) Refuse(w http.ResponseWriter, namespace string, e *Error) {
	q.respond(w, e.Status, namespace, Element{"ErrorResponse", []Element{
		{"Error", []Element{{"Type", e.kind()}, {"Code", e.Code}, {"Message", e.Message}}},
		{"RequestId", q.ID},
	}})
}

// respond writes the tree in the form that the caller asked for.
func (q *Request) respond(w http.ResponseWriter, status int, namespace string, tree Element) {
	var b bytes.Buffer
	b.Grow(1024)
	contentType := "text/xml"
	switch {
	case !q.AsJSON:
		writeXML(&b, tree, 0, namespace)
	case tree.Name == "ErrorResponse": // AWS's JSON errors have no outer name
		contentType = "application/json"
		writeJSON(&b, tree.Value)
	default:
		contentType = "application/json"
		writeJSON(&b, []Element{tree})
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Amzn-Requestid", q.ID)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a caller that has gone away needs no answer
}

// writeXML writes e indented by two for each level, as AWS does. Members of a
// list are called member.
func writeXML(b *bytes.Buffer, e Element, depth int, namespace string) {
	indent(b, depth)
	b.WriteByte('<')
	b.WriteString(e.Name)
	if depth == 0 {
		b.WriteString(` xmlns="` + namespace + `"`)
	}
	b.WriteByte('>')
	switch v := e.Value.(type) {
	case []Element:
		b.WriteByte('\n')
		for _, child := range v {
			writeXML(b, child, depth+1, namespace)
		}
		indent(b, depth)
	case List:
		b.WriteByte('\n')
		for _, item := range v {
			writeXML(b, Element{"member", item}, depth+1, namespace)
		}
		indent(b, depth)
	case Map:
		b.WriteByte('\n')
		for _, entry := range v {
			writeXML(b, Element{"entry", []Element{{"key", entry.Name}, {"value", entry.Value}}}, depth+1, namespace)
		}
		indent(b, depth)
	case string:
		writeXMLText(b, v)
	case int:
		b.WriteString(strconv.Itoa(v))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case time.Time:
		b.WriteString(v.UTC().Format(time.RFC3339))
	default:
		panic(fmt.Sprintf("element %s has a value of type %T", e.Name, e.Value))
	}
	b.WriteString("</")
	b.WriteString(e.Name)
	b.WriteString(">\n")
}

func indent(b *bytes.Buffer, depth int) {
	for range depth {
		b.WriteString("  ")
	}
}

func writeXMLText(b *bytes.Buffer, s string) {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`<>&'"`, r) }) < 0 {
		b.WriteString(s)
		return
	}
	xml.EscapeText(b, []byte(s)) // a bytes.Buffer does not fail
}

// writeJSON writes AWS's JSON, in which a time is a number of seconds.
func writeJSON(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case []Element:
		b.WriteByte('{')
		for i, child := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(child.Name))
			b.WriteByte(':')
			writeJSON(b, child.Value)
		}
		b.WriteByte('}')
	case Map:
		writeJSON(b, []Element(v))
	case List:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		text, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("a string cannot be written as JSON: %v", err))
		}
		b.Write(text)
	case int:
		b.WriteString(strconv.Itoa(v))
	case time.Time:
		b.WriteString(strconv.FormatInt(v.Unix(), 10))
	default:
		panic(fmt.Sprintf("a value of type %T has no JSON form here", value))
	}
}

// NewRequestID is a random UUID (RFC 9562, version 4).
func NewRequestID() string {
	var u [16]byte
	rand.Read(u[:]) // does not fail
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var text [36]byte
	for i, part := range [...]struct{ at, from, to int }{{0, 0, 4}, {9, 4, 6}, {14, 6, 8}, {19, 8, 10}, {24, 10, 16}} {
		if i > 0 {
			text[part.at-1] = '-'
		}
		hex.Encode(text[part.at:], u[part.from:part.to])
	}
	return string(text[:])
}

// wantsJSON reports whether an Accept header asks for JSON before XML.
func wantsJSON(header http.Header) bool {
	for _, line := range header.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			media, _, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(media)) {
			case "application/json":
				return true
			case "text/xml", "application/xml":
				return false
			}
		}
	}
	return false
}
