package oidc

import (
	"fmt"
	"slices"
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
	// Warnings name what STS refuses it for unless IAM says otherwise.
	Warnings []string `json:"warnings,omitempty"`
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
	if in.ForAPIServer() {
		in.Warnings = append(in.Warnings, in.notForSTS())
	}
	return in, nil
}

// stsAudience is whom a token for AWS is for, in every partition.
const stsAudience = "sts.amazonaws.com"

// ForAPIServer reports whether the token is for the API server that made it, and not for
// STS: the ordinary token of a service account. kube-apiserver puts its first
// --api-audiences into it, which is the issuer if nobody sets it; EKS sets
// https://kubernetes.default.svc.
func (in Inspection) ForAPIServer() bool {
	return !slices.Contains(in.Audience, stsAudience) && slices.ContainsFunc(in.Audience, func(audience string) bool {
		return audience == in.Issuer || strings.HasPrefix(audience, "https://kubernetes.default")
	})
}

func (in Inspection) notForSTS() string {
	audience := "the API server (" + strings.Join(in.Audience, ", ") + ")"
	if slices.Contains(in.Audience, in.Issuer) {
		audience = "the issuer itself"
	}
	return "its audience is " + audience + " and not " + stsAudience + ": this is an ordinary API token, which STS refuses (Incorrect token audience) unless the OIDC provider in IAM lists that audience"
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
