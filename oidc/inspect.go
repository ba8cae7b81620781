package oidc

import (
	"fmt"
	"strings"
	"time"
)

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
	t, err := parse(raw)
	if err != nil {
		return Inspection{}, err
	}
	c := t.claims
	in := Inspection{
		Algorithm: t.header.Alg, KeyID: t.header.Kid,
		Issuer: c.Iss, Subject: c.Sub, Audience: c.Aud,
		IssuedAt: c.Iat.Time, NotBefore: c.Nbf.Time, Expiry: c.Exp.Time,
		Claims: t.all, Faults: []string{},
	}
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
