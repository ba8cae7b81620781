package awsauth

import (
	"context"
	"errors"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// NodeNames knows what {{EC2PrivateDNSName}} stands for: the private DNS name
// of an EC2 instance. It answers within ctx, and with an error rather than an
// empty name.
//
// Errors that are ErrNamesThrottled or ErrNamesUnavailable say nothing about the
// instance: the same question may go well in a moment. All others do.
type NodeNames interface {
	PrivateDNSName(ctx context.Context, instanceID string) (string, error)
}

// What NodeNames cannot find out now.
var (
	ErrNamesThrottled   = errors.New("EC2 must not be asked more often now")
	ErrNamesUnavailable = errors.New("EC2 could not be asked")
)

// renderer fills the templates of one rule for one identity.
type renderer struct {
	ctx   context.Context
	rule  *rule
	id    arn.Identity
	names NodeNames

	nodeName string // once asked for
}

func (r *renderer) mapping() (Mapping, error) {
	m := Mapping{Entry: r.rule.Entry, How: r.rule.how, Groups: r.rule.Groups, SessionRewritten: r.rule.username.uses(sessionName)}
	var err error
	if m.Username, err = r.render(r.rule.username, r.rule.Username); err != nil {
		return Mapping{}, err
	}
	for _, p := range r.rule.prefixes {
		if p != "" && strings.HasPrefix(m.Username, p) {
			return Mapping{}, &ReservedError{Entry: r.rule.Entry, Username: m.Username, Prefix: p}
		}
	}
	if r.rule.groups == nil {
		return m, nil
	}
	m.Groups = make([]string, len(r.rule.groups))
	for i, t := range r.rule.groups {
		if m.Groups[i], err = r.render(t, r.rule.Groups[i]); err != nil {
			return Mapping{}, err
		}
	}
	return m, nil
}

// render inserts each value once. A value that is not there is an error, not
// an empty text: "admin:{{SessionName}}" must not make anybody "admin:".
func (r *renderer) render(t template, written string) (string, error) {
	if len(t) == 1 && t[0].value == literal {
		return t[0].text, nil
	}
	var b strings.Builder
	for _, p := range t {
		text, err := r.value(p)
		if err != nil {
			err.Entry, err.Template = r.rule.Entry, written
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (r *renderer) value(p part) (string, *RenderError) {
	switch p.value {
	case literal:
		return p.text, nil
	case accountID:
		return present(r.id.AccountID, "the identity has no account id")
	case sessionName:
		return present(strings.ReplaceAll(r.id.Session, "@", "-"), "the identity has no session name")
	case sessionNameRaw:
		return present(r.id.Session, "the identity has no session name")
	case accessKeyID:
		return present(r.id.AccessKeyID, "the access key id is not known")
	case canonicalARN:
		return r.id.Canonical(), nil
	case privateDNSName:
		return r.privateDNSName()
	}
	return "", &RenderError{Message: "the template is not known"}
}

func present(text, otherwise string) (string, *RenderError) {
	if text == "" {
		return "", &RenderError{Message: otherwise}
	}
	return text, nil
}

func (r *renderer) privateDNSName() (string, *RenderError) {
	if r.nodeName != "" {
		return r.nodeName, nil
	}
	if !isInstanceID(r.id.Session) {
		return "", &RenderError{Message: "the session name is not an EC2 instance id"}
	}
	if r.names == nil {
		return "", &RenderError{Message: "EC2 cannot be asked for private DNS names here"}
	}
	name, err := r.names.PrivateDNSName(r.ctx, r.id.Session)
	if err != nil {
		return "", &RenderError{Message: "EC2 private DNS name of " + r.id.Session, Err: err}
	}
	r.nodeName = name
	return present(name, "EC2 has no private DNS name for "+r.id.Session)
}

// isInstanceID: i- and 8 or 17 hexadecimal digits (EC2 user guide, "Resource
// IDs").
func isInstanceID(s string) bool {
	digits, ok := strings.CutPrefix(s, "i-")
	return ok && (len(digits) == 8 || len(digits) == 17) && isHex(digits)
}
