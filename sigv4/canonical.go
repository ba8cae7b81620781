package sigv4

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// maxQuery bounds a query string, in bytes. A presigned URL with the longest
// session token that is accepted, percent-encoded, fits.
const maxQuery = 64 << 10

// message is all of a request that a signature covers.
type message struct {
	method  string
	path    string  // as on the wire, percent-encoded
	query   string  // as on the wire
	fields  []field // ascending by name
	payload string  // hash of the body, in hex
}

// field is a header under its lower-case name.
type field struct {
	name   string
	values []string
}

// appendCanonical appends the canonical request to b. service decides about the
// path; see appendPath.
func (m *message) appendCanonical(b []byte, service string) ([]byte, error) {
	b = append(b, m.method...)
	b = append(b, '\n')
	b, err := appendPath(b, m.path, service)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	b, err = appendQuery(b, m.query)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	for _, f := range m.fields {
		b = appendField(b, f)
	}
	b = append(b, '\n')
	for i, f := range m.fields {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, f.name...)
	}
	b = append(b, '\n')
	return append(b, m.payload...), nil
}

// appendPath appends the canonical form of a path as it is on the wire: empty
// and dot segments resolved, what remains percent-encoded once more. S3 alone
// has it otherwise: nothing is resolved, and each character is encoded once.
//
// A trailing slash stays; "." and ".." at the end leave none, as in the SDKs.
func appendPath(b []byte, path, service string) ([]byte, error) {
	if path == "" {
		return append(b, '/'), nil
	}
	if path[0] != '/' {
		return nil, &FormatError{Field: "path", Message: `does not begin with "/"`}
	}
	if service == "s3" {
		plain, err := url.PathUnescape(path)
		if err != nil {
			return nil, &FormatError{Field: "path", Message: "has a broken percent-encoding"}
		}
		return appendEncoded(b, plain, true), nil
	}
	var room [16]string
	segments := room[:0]
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, s)
		}
	}
	for _, s := range segments {
		b = append(b, '/')
		b = appendEncoded(b, s, false)
	}
	if len(segments) == 0 || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b, nil
}

// param is a query parameter, both sides in AWS's percent-encoding.
type param struct{ key, value string }

// appendQuery appends the canonical form of a query as it is on the wire: its
// parameters but the signature, sorted by key and then by value, both encoded.
func appendQuery(b []byte, raw string) ([]byte, error) {
	var room [24]param
	params, err := splitQuery(room[:0], raw)
	if err != nil {
		return nil, err
	}
	params = slices.DeleteFunc(params, func(p param) bool { return p.key == paramSignature })
	slices.SortFunc(params, func(x, y param) int {
		if c := cmp.Compare(x.key, y.key); c != 0 {
			return c
		}
		return cmp.Compare(x.value, y.value)
	})
	return appendParams(b, params), nil
}

func appendParams(b []byte, params []param) []byte {
	for i, p := range params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.key...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}

// splitQuery appends raw's parameters to params in their order, each side
// encoded anew. What [url.ParseQuery] would leave out is refused: otherwise it
// would be signed here and missing where the query is used.
func splitQuery(params []param, raw string) ([]param, error) {
	if len(raw) > maxQuery {
		return nil, &FormatError{Field: "query", Message: "is too long"}
	}
	if strings.Contains(raw, ";") {
		return nil, &FormatError{Field: "query", Message: `has a raw ";" (write %3B)`}
	}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := recode(key)
		if err != nil {
			return nil, err
		}
		value, err = recode(value)
		if err != nil {
			return nil, err
		}
		params = append(params, param{key, value})
	}
	return params, nil
}

// recode brings one side of a query parameter into AWS's percent-encoding.
func recode(s string) (string, error) {
	if isEncoded(s) {
		return s, nil
	}
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return "", &FormatError{Field: "query", Message: "has a broken percent-encoding"}
	}
	return string(appendEncoded(nil, plain, false)), nil
}

// isEncoded reports whether s is already as appendEncoded would write it, which
// is what SDKs send; it spares the detour.
func isEncoded(s string) bool {
	for i := 0; i < len(s); i++ {
		switch {
		case isUnreserved(s[i]):
		case s[i] == '%' && i+2 < len(s):
			hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
			if hi < 0 || lo < 0 || isUnreserved(byte(hi<<4|lo)) {
				return false
			}
			i += 2
		default:
			return false
		}
	}
	return true
}

const upperHex = "0123456789ABCDEF"

// appendEncoded appends s with every byte but RFC 3986's unreserved characters
// percent-encoded in upper case. A slash may be kept.
func appendEncoded(b []byte, s string, keepSlash bool) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; isUnreserved(c) || c == '/' && keepSlash {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func isUnreserved(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// appendField appends a header's canonical line: its values in their order,
// separated by commas, each without white space around it and with single
// spaces inside.
func appendField(b []byte, f field) []byte {
	b = append(b, f.name...)
	b = append(b, ':')
	for i, v := range f.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	return append(b, '\n')
}

func appendTrimmed(b []byte, v string) []byte {
	start, gap := len(b), false
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			gap = true
		default:
			if gap && len(b) > start {
				b = append(b, ' ')
			}
			gap = false
			b = append(b, v[i])
		}
	}
	return b
}
