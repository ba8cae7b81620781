package oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxJWT bounds a token; STS takes 20,000 characters.
const maxJWT = 20000

// Inspection is what a service account's JWT says about itself, for a person to
// read. Nothing of it was verified; the signature is not in it.
type Inspection struct {
	Algorithm string         `json:"algorithm"`
	KeyID     string         `json:"keyId,omitempty"`
	Issuer    string         `json:"issuer"`
	Subject   string         `json:"subject"`
	Audience  []string       `json:"audience"`
	IssuedAt  time.Time      `json:"issuedAt,omitzero"`
	NotBefore time.Time      `json:"notBefore,omitzero"`
	Expiry    time.Time      `json:"expiry,omitzero"`
	Claims    map[string]any `json:"claims"`
	Faults    []string       `json:"faults"`
}

// LooksLikeJWT reports whether raw has the outer form of a signed JWT: three
// parts, the first of them a JSON object in base64.
func LooksLikeJWT(raw string) bool {
	return strings.Count(raw, ".") == 2 && strings.HasPrefix(raw, "ey")
}

// Inspect takes a signed JWT (RFC 7519, compact form) apart. Faults name what
// STS would refuse it for, as far as the token alone can tell.
func Inspect(raw string, now time.Time) (Inspection, error) {
	in := Inspection{Faults: []string{}}
	if len(raw) > maxJWT {
		return in, fmt.Errorf("the JWT is %d characters long; STS takes at most %d", len(raw), maxJWT)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return in, errors.New("not a signed JWT: it has not three parts")
	}
	var header struct{ Alg, Kid string }
	if err := decodePart(parts[0], &header); err != nil {
		return in, fmt.Errorf("not a JWT: its header %w", err)
	}
	var claims struct {
		Iss, Sub      string
		Aud           audience
		Iat, Nbf, Exp numericDate
	}
	if err := decodePart(parts[1], &claims); err != nil {
		return in, fmt.Errorf("not a JWT: its claims set %w", err)
	}
	if err := decodePart(parts[1], &in.Claims); err != nil {
		return in, fmt.Errorf("not a JWT: its claims set %w", err)
	}
	in.Algorithm, in.KeyID = header.Alg, header.Kid
	in.Issuer, in.Subject, in.Audience = claims.Iss, claims.Sub, claims.Aud
	in.IssuedAt, in.NotBefore, in.Expiry = claims.Iat.Time, claims.Nbf.Time, claims.Exp.Time
	in.findFaults(now)
	return in, nil
}

func (in *Inspection) findFaults(now time.Time) {
	add := func(format string, args ...any) { in.Faults = append(in.Faults, fmt.Sprintf(format, args...)) }
	switch {
	case in.Algorithm == "" || strings.EqualFold(in.Algorithm, "none"):
		add("it is not signed (algorithm %q)", in.Algorithm)
	case strings.HasPrefix(in.Algorithm, "HS"):
		add("it is signed with a shared secret (%s), which STS does not accept", in.Algorithm)
	}
	if len(in.Audience) == 0 {
		add("it has no audience (aud): this is an ordinary service-account token, not the projected one that IRSA needs")
	}
	if in.Issuer == "" {
		add("it names no issuer (iss)")
	}
	if in.Subject == "" {
		add("it names no subject (sub)")
	}
	switch {
	case in.Expiry.IsZero():
		add("it never expires (no exp)")
	case !now.Before(in.Expiry):
		add("it expired at %s, %s ago", in.Expiry.UTC().Format(time.RFC3339), now.Sub(in.Expiry).Round(time.Second))
	}
	if in.NotBefore.After(now) {
		add("it is not valid before %s", in.NotBefore.UTC().Format(time.RFC3339))
	}
}

// decodePart says what is wrong as the end of a sentence, and repeats nothing
// of the input.
func decodePart(part string, v any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return errors.New("is not base64url")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errors.New("is not a JSON object of the right form")
	}
	return nil
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
