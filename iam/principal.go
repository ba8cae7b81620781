package iam

import (
	"strings"
	"unicode"

	"github.com/eksauth/eksauth/arn"
)

// Caller is who makes a request: an AWS principal, a user of an identity
// provider, or an AWS service. The zero Caller is anonymous.
type Caller struct {
	// Identity is an AWS principal. Its UserID may be empty, then no policy
	// that names principals by unique id matches.
	Identity arn.Identity
	// RolePath is the IAM path of the role behind a session, such as "/team/",
	// where it is known: the session's ARN does not carry it.
	RolePath string
	// Federated is the provider that vouches for a web identity or a SAML
	// user, as policies name it: arn:aws:iam::ACCOUNT:oidc-provider/HOST, or
	// accounts.google.com.
	Federated string
	// Service is an AWS service, such as ec2.amazonaws.com.
	Service string
}

// role is the role of a session.
func (c Caller) role() arn.Principal {
	r := c.Identity.Principal
	return arn.Principal{Kind: arn.Role, Partition: r.Partition, AccountID: r.AccountID, Path: c.RolePath, Name: r.Name}
}

// String is the caller as reasons show it: what kind, and which.
func (c Caller) String() string {
	switch {
	case c.Identity.Kind != 0:
		return "AWS " + c.Identity.Principal.String()
	case c.Federated != "":
		return "Federated " + c.Federated
	case c.Service != "":
		return "Service " + c.Service
	}
	return "anonymous"
}

// Via is how the statement that allows a request names the caller. The greater,
// the more directly.
type Via uint8

const (
	// ViaNone: the policy names nobody (an identity policy), or nothing matched.
	ViaNone Via = iota
	// ViaAccount: the caller's account, by its id or its root's ARN. That
	// delegates to the account, which must allow the caller in an identity
	// policy too.
	ViaAccount
	// ViaAnyone: "*", or all but those in a NotPrincipal. Principals of
	// another account need an identity policy too.
	ViaAnyone
	// ViaRole: the role of the caller's session. Session policies and
	// boundaries still limit it.
	ViaRole
	// ViaSelf: the caller's own user, session, provider or service.
	ViaSelf
)

func (v Via) String() string {
	switch v {
	case ViaAccount:
		return "the caller's account"
	case ViaAnyone:
		return "anyone"
	case ViaRole:
		return "the role of the caller's session"
	case ViaSelf:
		return "the caller"
	}
	return "nobody"
}

// Principal is one value of a Principal element.
//
// Source: "AWS JSON policy elements: Principal".
type Principal struct {
	Type  string // AWS, Federated, Service or CanonicalUser; "" for the bare "*"
	Value string // as written

	aws arn.Principal // of the forms of AWS that are ARNs; Partition "" for an account's bare id
}

// String is the principal as reasons show it.
func (p Principal) String() string {
	if p.Type == "" {
		return p.Value
	}
	return p.Type + " " + p.Value
}

func (p *parser) principals(f field, not bool) (Principals, error) {
	ps := Principals{Not: not, Position: p.position(f.offset)}
	n := f.value
	if n.kind == textNode && n.text == "*" {
		ps.Values = []Principal{{Value: "*"}}
		return ps, nil
	}
	if n.kind != objectNode || len(n.fields) == 0 {
		return ps, p.malformed(n.at, n.offset, `must be "*", or an object with AWS, Federated, Service or CanonicalUser`)
	}
	for _, entry := range n.fields {
		switch entry.name {
		case "AWS", "Federated", "Service", "CanonicalUser":
		default:
			return ps, p.unknown(entry, "AWS", "Federated", "Service", "CanonicalUser")
		}
		nodes, err := p.texts(entry.value)
		if err != nil {
			return ps, err
		}
		for _, value := range nodes {
			principal, message := newPrincipal(entry.name, value.text)
			if message != "" {
				return ps, p.malformed(value.at, value.offset, "invalid principal in policy: %s%s", quote(value.text), message)
			}
			ps.Values = append(ps.Values, principal)
		}
	}
	return ps, nil
}

// newPrincipal reads one value of a principal map. message is "" if it is good.
func newPrincipal(kind, value string) (p Principal, message string) {
	p = Principal{Type: kind, Value: value}
	const advice = "; a wildcard can only be the whole of an AWS principal"
	switch {
	case kind == "AWS" && value == "*":
		return p, ""
	case strings.ContainsAny(value, "*?"):
		return p, advice
	case value == "" || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return p, "; it is empty, or has white space or control characters"
	case kind == "Federated" && strings.HasPrefix(value, "arn:"):
		if _, err := arn.Parse(value); err != nil {
			return p, ": " + err.Error()
		}
		return p, ""
	case kind != "AWS":
		return p, ""
	case arn.IsAccountID(value):
		p.aws = arn.Principal{Kind: arn.Root, AccountID: value}
		return p, ""
	case isUniqueID(value):
		return p, ""
	}
	var err error
	if p.aws, err = arn.ParsePrincipal(value); err != nil {
		return p, ": " + err.Error()
	}
	return p, ""
}

// isUniqueID: AIDA… of a user, AROA… of a role, which IAM keeps in a trust
// policy in place of the ARN, and shows once the principal is deleted.
//
// Source: "IAM identifiers" (unique identifiers).
func isUniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || !strings.HasPrefix(s, "AIDA") && !strings.HasPrefix(s, "AROA") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
}

// names says whether p names the caller, and how. "*" is everybody, whatever
// they are.
func (p Principal) names(c Caller) Via {
	id := c.Identity
	switch {
	case p.Value == "*":
		return ViaAnyone
	case p.Type == "Federated" && id.Kind == 0 && c.Federated == p.Value:
		return ViaSelf
	case p.Type == "Service" && id.Kind == 0 && c.Service == p.Value:
		return ViaSelf
	case p.Type != "AWS" || id.Kind == 0:
		return ViaNone
	case p.aws.Kind == 0:
		return p.namesUniqueID(id)
	case p.aws.AccountID != id.AccountID || p.aws.Partition != "" && p.aws.Partition != id.Partition:
		return ViaNone
	case p.aws.Kind == arn.Root:
		if id.Kind == arn.Root {
			return ViaSelf
		}
		return ViaAccount
	case p.aws.Kind == arn.Role && p.namesRole(c):
		if id.Kind == arn.Role {
			return ViaSelf
		}
		return ViaRole
	case p.aws == id.Principal:
		return ViaSelf
	}
	return ViaNone
}

func (p Principal) namesUniqueID(id arn.Identity) Via {
	switch {
	case id.UserID != p.Value:
		return ViaNone
	case id.Kind == arn.AssumedRole:
		return ViaRole
	}
	return ViaSelf
}

// namesRole compares roles by name, which is unique in an account whatever the
// path, and by path where the caller's is known.
func (p Principal) namesRole(c Caller) bool {
	path := c.RolePath
	switch c.Identity.Kind {
	case arn.AssumedRole:
	case arn.Role:
		path = c.Identity.Path
	default:
		return false
	}
	return p.aws.Name == c.Identity.Name && (path == "" || path == p.aws.Path)
}

// match says whether the statement is for the caller, and how it names them.
//
// NotPrincipal errs towards denying. An Allow leaves out whoever the list names
// in any way. A Deny spares only the caller's own user or session: in AWS's
// examples the account and the role stand in the list beside it, and all others
// of that account are denied.
//
// Source: "AWS JSON policy elements: NotPrincipal".
func (ps *Principals) match(c Caller, effect Effect) Via {
	best, everybody := ViaNone, false
	for i := range ps.Values {
		best = max(best, ps.Values[i].names(c))
		everybody = everybody || ps.Values[i].Value == "*"
	}
	if !ps.Not {
		return best
	}
	if best == ViaSelf || everybody || effect == Allow && best != ViaNone {
		return ViaNone
	}
	return ViaAnyone
}
