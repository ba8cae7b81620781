package irsa

import (
	"encoding/json"
	"strconv"
)

// patch is a JSON patch (RFC 6902) that only ever adds.
type patch struct{ text []byte }

// add puts value, which is JSON, at path. Where path ends with "/-" it is one
// more element of an array that must be there.
func (p *patch) add(path string, value []byte) {
	if len(p.text) == 0 {
		p.text = append(p.text, '[')
	} else {
		p.text = append(p.text, ',')
	}
	p.text = append(p.text, `{"op":"add","path":`...)
	p.text = appendString(p.text, path)
	p.text = append(p.text, `,"value":`...)
	p.text = append(p.text, value...)
	p.text = append(p.text, '}')
}

// extend adds elements to the array at path, or makes the array where there is
// none: an array that is there is never replaced.
func (p *patch) extend(path string, exists bool, elements [][]byte) {
	if len(elements) == 0 {
		return
	}
	if exists {
		for _, e := range elements {
			p.add(path+"/-", e)
		}
		return
	}
	array := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, e...)
	}
	p.add(path, append(array, ']'))
}

// bytes is the whole patch; nil if nothing is added.
func (p *patch) bytes() []byte {
	if len(p.text) == 0 {
		return nil
	}
	return append(p.text, ']')
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

func variableJSON(name, value string) []byte {
	b := append(make([]byte, 0, 32+len(name)+len(value)), `{"name":`...)
	b = appendString(b, name)
	b = append(b, `,"value":`...)
	b = appendString(b, value)
	return append(b, '}')
}

func mountJSON(volume, path string) []byte {
	b := append(make([]byte, 0, 64+len(volume)+len(path)), `{"name":`...)
	b = appendString(b, volume)
	b = append(b, `,"mountPath":`...)
	b = appendString(b, path)
	return append(b, `,"readOnly":true}`...)
}

func volumeJSON(name, audience string, expiration int64, file string) []byte {
	b := append(make([]byte, 0, 160), `{"name":`...)
	b = appendString(b, name)
	b = append(b, `,"projected":{"sources":[{"serviceAccountToken":{"audience":`...)
	b = appendString(b, audience)
	b = append(b, `,"expirationSeconds":`...)
	b = strconv.AppendInt(b, expiration, 10)
	b = append(b, `,"path":`...)
	b = appendString(b, file)
	return append(b, `}}]}}`...)
}
