package sts

import "github.com/eksauth/eksauth/iam"

// Federation is whom a web identity's session was made for, as its provider
// says. The names in JSON are short because they travel in each request.
type Federation struct {
	Provider string   `json:"p"` // ARN
	Prefix   string   `json:"x"` // HOST/PATH:, before claims in condition keys
	Subject  string   `json:"s"`
	Audience string   `json:"a"`           // the one that the provider accepts
	Methods  []string `json:"m,omitempty"` // amr: how the provider knew its user
}

// setContext sets the condition keys of the token's claims. They are there when
// the role is assumed, and in the requests of the session.
//
// Source: "Available keys for AWS OIDC federation" in the IAM user guide.
func (f Federation) setContext(facts *iam.Context) {
	facts.Set(f.Prefix+"sub", f.Subject)
	facts.Set(f.Prefix+"aud", f.Audience)
	facts.Set(f.Prefix+"amr", f.Methods...)
}
