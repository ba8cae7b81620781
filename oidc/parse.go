package oidc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	// Unlike the standard library's, it matches names exactly and refuses a name
	// that comes twice, so that no two readers see different claims.
	"github.com/go-jose/go-jose/v4/json"
)

// maxJWT bounds a token; STS takes 20,000 characters.
const maxJWT = 20000

// header is the part of a JOSE header that is looked at. Keys that a token
// brings along or points to (jwk, jku, x5c, x5u) are not.
type header struct {
	Alg  string          `json:"alg"`
	Kid  string          `json:"kid"`
	Crit json.RawMessage `json:"crit"`
	B64  json.RawMessage `json:"b64"`
}

// claimSet is the registered claims (RFC 7519 section 4.1).
type claimSet struct {
	Iss string      `json:"iss"`
	Sub string      `json:"sub"`
	Jti string      `json:"jti"`
	Aud audience    `json:"aud"`
	Iat numericDate `json:"iat"`
	Nbf numericDate `json:"nbf"`
	Exp numericDate `json:"exp"`
}

// Unverified is what a token claims. Nobody vouches for it: it only says which
// issuer to ask.
type Unverified struct {
	Issuer   string
	Subject  string
	Audience []string
}

// ParseUnverified reads a JWT without verifying it. Spaces and line ends around
// it are the caller's to trim. Errors are *Error with the reason Malformed.
func ParseUnverified(raw string) (Unverified, error) {
	t, err := parse(raw)
	if err != nil {
		return Unverified{}, err
	}
	return Unverified{Issuer: t.claims.Iss, Subject: t.claims.Sub, Audience: t.claims.Aud}, nil
}

// parsed is a token in the right form, of which nothing is verified.
type parsed struct {
	header header
	claims claimSet
	all    map[string]any
}

// parse takes a JWS in compact form (RFC 7515 section 7.1) whose payload is a
// claims set. Each token has one spelling only.
func parse(raw string) (parsed, error) {
	var t parsed
	if len(raw) > maxJWT {
		return t, refuse(Malformed, "the token is %d characters long; STS takes at most %d", len(raw), maxJWT)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return t, refuse(Malformed, "not a signed JWT: it has %d parts between dots, not three", len(parts))
	}
	if err := decodePart(parts[0], &t.header); err != nil {
		return t, refuse(Malformed, "the token's header %w", err)
	}
	if err := decodePart(parts[1], &t.claims); err != nil {
		return t, refuse(Malformed, "the token's claims set %w", err)
	}
	if err := decodePart(parts[1], &t.all); err != nil {
		return t, refuse(Malformed, "the token's claims set %w", err)
	}
	if _, err := decodeBase64(parts[2]); err != nil {
		return t, refuse(Malformed, "the token's signature %w", err)
	}
	return t, nil
}

// decodePart says what is wrong as the end of a sentence, and repeats nothing
// of the input.
func decodePart(part string, v any) error {
	data, err := decodeBase64(part)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil || !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return errors.New("is not a JSON object of the right form")
	}
	return nil
}

// decodeBase64 refuses line ends, which the standard library skips, and bits
// after the end.
func decodeBase64(part string) ([]byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// audience is one string or a list of them (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		var one string
		err := json.Unmarshal(data, &one)
		*a = audience{one}
		return err
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// numericDate is a number of seconds since 1970, perhaps with a fraction
// (RFC 7519 section 2).
type numericDate struct{ time.Time }

func (d *numericDate) UnmarshalJSON(data []byte) error {
	var seconds *float64
	if err := json.Unmarshal(data, &seconds); err != nil || seconds == nil {
		return err
	}
	if *seconds < 0 || *seconds > 1<<40 {
		return errors.New("time out of range")
	}
	d.Time = time.Unix(int64(*seconds), 0).UTC()
	return nil
}
