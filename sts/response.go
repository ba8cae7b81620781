package sts

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

const xmlNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// element is a named value of an answer. One tree is written as XML or as
// JSON. The value is a string, an int, a time.Time or a list of elements.
type element struct {
	name  string
	value any
}

// answer is the tree of a success: ActionResponse, ActionResult, metadata.
func answer(action, requestID string, result []element) element {
	return element{action + "Response", []element{
		{action + "Result", result},
		{"ResponseMetadata", []element{{"RequestId", requestID}}},
	}}
}

// refusal is the tree of an error.
func refusal(e *Error, requestID string) element {
	return element{"ErrorResponse", []element{
		{"Error", []element{{"Type", e.kind()}, {"Code", e.Code}, {"Message", e.Message}}},
		{"RequestId", requestID},
	}}
}

// respond writes the tree in the form that the caller asked for.
func respond(w http.ResponseWriter, status int, requestID string, tree element, asJSON bool) {
	var b bytes.Buffer
	b.Grow(1024)
	contentType := "text/xml"
	if asJSON {
		contentType = "application/json"
		if tree.name == "ErrorResponse" {
			// AWS's JSON errors have no outer name.
			writeJSON(&b, tree.value)
		} else {
			writeJSON(&b, []element{tree})
		}
	} else {
		writeXML(&b, tree, 0)
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a caller that has gone away needs no answer
}

// writeXML writes e indented by two for each level, as AWS does.
func writeXML(b *bytes.Buffer, e element, depth int) {
	indent(b, depth)
	b.WriteByte('<')
	b.WriteString(e.name)
	if depth == 0 {
		b.WriteString(` xmlns="` + xmlNamespace + `"`)
	}
	b.WriteByte('>')
	switch v := e.value.(type) {
	case []element:
		b.WriteByte('\n')
		for _, child := range v {
			writeXML(b, child, depth+1)
		}
		indent(b, depth)
	case string:
		writeXMLText(b, v)
	case int:
		b.WriteString(strconv.Itoa(v))
	case time.Time:
		b.WriteString(v.UTC().Format(time.RFC3339))
	default:
		panic(fmt.Sprintf("element %s has a value of type %T", e.name, e.value))
	}
	b.WriteString("</")
	b.WriteString(e.name)
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
	case []element:
		b.WriteByte('{')
		for i, child := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(child.name))
			b.WriteByte(':')
			writeJSON(b, child.value)
		}
		b.WriteByte('}')
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

// newRequestID is a random UUID (RFC 9562, version 4).
func newRequestID() string {
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
