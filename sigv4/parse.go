package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bounds on what a stranger sends.
const (
	maxAuthorization = 8 << 10 // bytes of the Authorization header
	maxSignedHeaders = 128     // names
)

// Signature is a request's signature, parsed and well-formed; nothing is proven
// until Verify and CheckTime say so. Printed or logged, it shows neither the
// signature nor the session token.
type Signature struct {
	AccessKeyID   string
	Scope         Scope
	Time          time.Time     // X-Amz-Date, to the second
	Expires       time.Duration // X-Amz-Expires; 0 where it is absent, as in headers
	SignedHeaders []string      // lower case, ascending
	SessionToken  string        `json:"-"` // "" where there is none
	Presigned     bool          // in the query, not in the headers

	signature [sha256.Size]byte
}

// ParseSignature reads the signature out of a request as a server received it,
// from the Authorization header or from the query.
//
// It gives [ErrNoSignature] where there is none, and a *FormatError for all that
// AWS's documentation does not allow, in particular for a signature in both
// places, and for a parameter that stands twice or that is spelt in another case
// beside or instead of its own: who takes those for the same lets the sender
// choose which one is checked (CVE-2022-2385).
func ParseSignature(r *http.Request) (Signature, error) {
	if r.URL == nil {
		return Signature{}, &FormatError{Field: "URL", Message: "is missing"}
	}
	q, err := parseAuthQuery(r.URL.RawQuery)
	if err != nil {
		return Signature{}, err
	}
	header := r.Header[headerAuthorization]
	switch {
	case len(header) == 0 && len(q) == 0:
		return Signature{}, ErrNoSignature
	case len(header) > 0 && len(q) > 0:
		return Signature{}, &FormatError{Field: headerAuthorization, Message: "stands beside a signature in the query"}
	case len(header) > 1:
		return Signature{}, &FormatError{Field: headerAuthorization, Message: "stands in the request twice"}
	case len(header) == 1:
		return parseSigned(r.Header, header[0])
	}
	return parsePresigned(r.Header, q)
}

// rawSignature is a signature's parts as they were sent.
type rawSignature struct {
	credential    string
	date          string
	signedHeaders string
	signature     string
}

func parseSigned(h http.Header, authorization string) (Signature, error) {
	raw, err := parseAuthorization(authorization)
	if err != nil {
		return Signature{}, err
	}
	var ok bool
	if raw.date, ok = single(h, headerDate); !ok {
		return Signature{}, &FormatError{Field: headerDate, Message: "must be a header of the request, once"}
	}
	s, err := raw.parse(headerAuthorization+" credential", headerAuthorization+" SignedHeaders", headerAuthorization+" signature")
	if err != nil {
		return Signature{}, err
	}
	if len(h[headerSecurityToken]) == 0 {
		return s, nil
	}
	if s.SessionToken, ok = single(h, headerSecurityToken); !ok {
		return Signature{}, &FormatError{Field: headerSecurityToken, Message: "stands in the request twice"}
	}
	if err := checkSessionToken(headerSecurityToken, s.SessionToken); err != nil {
		return Signature{}, err
	}
	return s, nil
}

func single(h http.Header, name string) (string, bool) {
	if v := h[name]; len(v) == 1 {
		return v[0], true
	}
	return "", false
}

// parseAuthorization takes apart
// "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…". The three may
// stand in any order.
func parseAuthorization(v string) (raw rawSignature, err error) {
	bad := func(message string) (rawSignature, error) {
		return rawSignature{}, &FormatError{Field: headerAuthorization, Message: message}
	}
	if len(v) > maxAuthorization {
		return bad("is too long")
	}
	v, ok := strings.CutPrefix(v, algorithm+" ")
	if !ok {
		return bad("is not of the scheme " + algorithm)
	}
	var seen [3]bool
	for part := range strings.SplitSeq(v, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		i := slices.Index([]string{"Credential", "SignedHeaders", "Signature"}, key)
		if i < 0 {
			return bad("has a part other than Credential, SignedHeaders and Signature")
		}
		if seen[i] {
			return bad("has " + key + " twice")
		}
		seen[i] = true
		*[...]*string{&raw.credential, &raw.signedHeaders, &raw.signature}[i] = value
	}
	if !seen[0] || !seen[1] || !seen[2] {
		return bad("lacks one of Credential, SignedHeaders and Signature")
	}
	return raw, nil
}

// parse checks the parts that both places have. The arguments say how to name
// them in an error.
func (raw *rawSignature) parse(credential, signedHeaders, signature string) (s Signature, err error) {
	if s.AccessKeyID, s.Scope, err = parseCredential(credential, raw.credential); err != nil {
		return Signature{}, err
	}
	if s.Time, err = parseTime(raw.date); err != nil {
		return Signature{}, err
	}
	if s.Scope.Date != raw.date[:dateLength] {
		return Signature{}, &FormatError{Field: credential, Message: "is for another day than X-Amz-Date"}
	}
	if s.SignedHeaders, err = parseSignedHeaders(signedHeaders, raw.signedHeaders); err != nil {
		return Signature{}, err
	}
	// In one spelling only, so that a signed request has one form.
	if len(raw.signature) != hex.EncodedLen(sha256.Size) || strings.ToLower(raw.signature) != raw.signature {
		return Signature{}, &FormatError{Field: signature, Message: "is not 64 lower-case hex digits"}
	}
	if _, err := hex.Decode(s.signature[:], []byte(raw.signature)); err != nil {
		return Signature{}, &FormatError{Field: signature, Message: "is not 64 lower-case hex digits"}
	}
	return s, nil
}

// parseSignedHeaders reads header names in lower case, ascending, each once.
func parseSignedHeaders(where, v string) ([]string, error) {
	if strings.Count(v, ";") >= maxSignedHeaders || len(v) > maxAuthorization {
		return nil, &FormatError{Field: where, Message: "is too long"}
	}
	names := strings.Split(v, ";")
	for i, name := range names {
		if !isFieldName(name) {
			return nil, &FormatError{Field: where, Message: "has something other than lower-case header names"}
		}
		if i > 0 && names[i-1] >= name {
			return nil, &FormatError{Field: where, Message: "is not sorted, or has a name twice"}
		}
	}
	return names, nil
}

// isFieldName reports whether name is a header's name in lower case: RFC 9110's
// token.
func isFieldName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
