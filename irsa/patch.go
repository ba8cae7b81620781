package irsa

import (
	"encoding/json"
	"strconv"
)

// patch is a JSON patch (RFC 6902) that only ever adds. Its text is written at
// once, without values in between: thousands may be made in a second.
type patch struct{ text []byte }

// begin starts an operation that puts a value at path; the value comes next.
func (p *patch) begin(path ...string) {
	if len(p.text) == 0 {
		p.text = append(make([]byte, 0, 2<<10), '[') // a typical patch has 1.5 KiB
	} else {
		p.text = append(p.text, ',')
	}
	p.raw(`{"op":"add","path":"`)
	for _, part := range path {
		p.raw(part) // made of names that need no escape in JSON
	}
	p.raw(`","value":`)
}

func (p *patch) end() { p.raw("}") }

func (p *patch) raw(s string)    { p.text = append(p.text, s...) }
func (p *patch) quoted(s string) { p.text = appendString(p.text, s) }

// bytes is the whole patch; nil if nothing is added.
func (p *patch) bytes() []byte {
	if len(p.text) == 0 {
		return nil
	}
	return append(p.text, ']')
}

// elements are added to an array of the pod, or make the array where there is
// none: one that is there is never replaced.
type elements struct {
	*patch
	at, name string // the array is at "at/name"
	exists   bool
	begun    bool
}

func (e *elements) begin() {
	switch {
	case e.exists:
		e.patch.begin(e.at, e.name, "/-")
	case !e.begun:
		e.patch.begin(e.at, e.name)
		e.raw("[")
	default:
		e.raw(",")
	}
	e.begun = true
}

func (e *elements) end() {
	if e.exists {
		e.patch.end()
	}
}

func (e *elements) close() {
	if e.begun && !e.exists {
		e.raw("]")
		e.patch.end()
	}
}

func (e *elements) variable(name, value string) {
	e.begin()
	e.raw(`{"name":`)
	e.quoted(name)
	e.raw(`,"value":`)
	e.quoted(value)
	e.raw("}")
	e.end()
}

func (e *elements) mount(volume, path string) {
	e.begin()
	e.raw(`{"name":`)
	e.quoted(volume)
	e.raw(`,"mountPath":`)
	e.quoted(path)
	e.raw(`,"readOnly":true}`)
	e.end()
}

func (e *elements) tokenVolume(name, audience string, expiration int64, file string) {
	e.begin()
	e.raw(`{"name":`)
	e.quoted(name)
	e.raw(`,"projected":{"sources":[{"serviceAccountToken":{"audience":`)
	e.quoted(audience)
	e.raw(`,"expirationSeconds":`)
	e.text = strconv.AppendInt(e.text, expiration, 10)
	e.raw(`,"path":`)
	e.quoted(file)
	e.raw(`}}]}}`)
	e.end()
}

// appendString writes s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			text, err := json.Marshal(s)
			if err != nil { // a string always can be
				return append(b, `""`...)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
