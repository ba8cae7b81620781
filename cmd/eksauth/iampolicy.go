package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/eksauth/eksauth/iam"
)

// policyText is a trust policy, and where it stands in what was read.
type policyText struct {
	text []byte
	// before is what stands in front of it, if it stands there as it is.
	before []byte
	// alone: it stands there in another form, so that only the policy has places.
	alone bool
}

// policyOf finds a policy in an answer of GetRole (IAM API), and decodes one that is
// URL-encoded, as that API has them. What is neither is the policy itself.
func policyOf(read []byte) policyText {
	if decoded, ok := urlDecoded(read); ok {
		return policyText{text: decoded, alone: true}
	}
	raw := read
	for _, key := range []string{"Role", "AssumeRolePolicyDocument"} {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return policyText{text: read}
		}
		value, found := object[key]
		switch {
		case found:
			raw = value
		case key == "AssumeRolePolicyDocument":
			return policyText{text: read}
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if decoded, ok := urlDecoded([]byte(text)); ok {
			return policyText{text: decoded, alone: true}
		}
		return policyText{text: []byte(text), alone: true}
	}
	at := bytes.Index(read, raw)
	return policyText{text: raw, before: read[:at]}
}

// urlDecoded decodes what begins with an encoded brace, in quotes or not.
func urlDecoded(text []byte) ([]byte, bool) {
	s := strings.Trim(strings.TrimSpace(string(text)), `"`)
	if !strings.HasPrefix(strings.ToUpper(s), "%7B") {
		return nil, false
	}
	decoded, err := url.PathUnescape(s)
	return []byte(decoded), err == nil
}

// place is a position in what was read; 0, 0 if it has none there.
func (p policyText) place(at iam.Position) (line, column int) {
	if at.Line == 0 || p.alone {
		return 0, 0
	}
	if at.Line == 1 {
		at.Column += len(p.before) - 1 - bytes.LastIndexByte(p.before, '\n')
	}
	return at.Line + bytes.Count(p.before, []byte("\n")), at.Column
}
