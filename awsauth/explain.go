package awsauth

import (
	"fmt"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// maxHints bounds what NotMappedError.Hints returns.
const maxHints = 5

// Hints names the entries that come nearest, each with the difference, at most
// five. It reads the whole table, so ask only when somebody will read the
// answer; and not the stranger who was refused: it tells of other mappings.
func (e *NotMappedError) Hints() []string {
	if e.table == nil {
		return nil
	}
	var hints []string
	for _, f := range e.table.rejected {
		switch {
		case len(hints) == maxHints:
		case sameSubject(f.Subject, e.Identity):
			hints = append(hints, "it would match an entry that is not used: "+f.String())
		case seemsMeant(f.Subject, e.Identity):
			hints = append(hints, "an entry that is not used may be meant for it: "+f.String())
		}
	}
	for _, n := range e.near(maxHints - len(hints)) {
		hints = append(hints, fmt.Sprintf("%s is for %s: %s", n.Entry, n.Entry.Subject(), n.Difference))
	}
	return hints
}

// Near is an entry that comes near, and the one thing that keeps it from matching.
type Near struct {
	Entry      Entry
	Difference string
}

// Near are the entries of Hints that can be used by somebody else.
func (e *NotMappedError) Near() []Near {
	if e.table == nil {
		return nil
	}
	return e.near(maxHints)
}

func (e *NotMappedError) near(most int) (list []Near) {
	for i := range e.table.rules {
		if len(list) == most {
			break
		}
		r := &e.table.rules[i]
		if difference := r.nearMiss(e.Identity); difference != "" {
			list = append(list, Near{r.Entry, difference})
		}
	}
	return list
}

// Meant are the entries among Rejected that seem to be meant for an identity: for want
// of whom an entry is for, by its username.
func (d Document) Meant(id arn.Identity) (list []Entry) {
	for _, e := range d.Rejected {
		subject := e.Subject()
		if sameSubject(subject, id) || seemsMeant(subject, id) || subject == "" && id.Name != "" && strings.EqualFold(e.Username, id.Name) {
			list = append(list, e)
		}
	}
	return list
}

// sameSubject reports whether an entry that was left out names the identity.
func sameSubject(subject string, id arn.Identity) bool {
	p, err := arn.ParsePrincipal(lowerHead(subject))
	return err == nil && keyOf(p) == keyOf(id.Principal)
}

// seemsMeant reports whether what is no ARN of anybody ends in the identity's name.
func seemsMeant(subject string, id arn.Identity) bool {
	if _, err := arn.ParsePrincipal(lowerHead(subject)); err == nil || id.Name == "" || strings.ContainsAny(subject, wildcards) {
		return false
	}
	name := subject[strings.LastIndex(subject, "/")+1:]
	return name != subject && strings.EqualFold(name, id.Name)
}

// nearMiss says what keeps an entry from matching, if it is one thing only.
func (r *rule) nearMiss(id arn.Identity) string {
	switch r.how {
	case ByAccount:
		return ""
	case BySSO:
		return r.nearMissSSO(keyOf(id.Principal), id.UserID)
	case ByPattern:
		return r.nearMissPattern(keyOf(id.Principal))
	case ByUserID:
		return r.nearMissUserID(id)
	}
	want, got := keyOf(r.principal), keyOf(id.Principal)
	sameName := want.name != "" && want.name == got.name
	switch {
	case want == got:
		return userIDMiss(r.UserID, id.UserID)
	case got.kind == want.kind && sameName && want.account != got.account:
		return "the account is another"
	case got.kind == want.kind && sameName && want.partition != got.partition:
		return "the partition is another"
	case want.account != got.account || want.partition != got.partition:
		return ""
	case sameName:
		return fmt.Sprintf("that is a %s, this is a %s", want.kind, got.kind)
	case want.kind != got.kind:
		return ""
	case got.kind == arn.User && strings.EqualFold(r.principal.Name, id.Name):
		return fmt.Sprintf("the path is another: write %s", id.Canonical())
	case got.kind == arn.FederatedUser && strings.EqualFold(want.name, got.name):
		return "the case of letters counts in the names of federated users"
	}
	return suffixMiss(want, got, id)
}

// suffixMiss: IAM Identity Center makes a new role, with a new suffix, when a
// permission set is provisioned to an account again.
func suffixMiss(want, got principalKey, id arn.Identity) string {
	a, ok := want.ssoKey()
	b, ok2 := got.ssoKey()
	if !ok || !ok2 || a != b {
		return ""
	}
	set, _ := permissionSet(id.Name)
	return fmt.Sprintf("it is the role of the same permission set with another suffix: in place of rolearn write sso: {permissionSetName: %s, accountID: %q}, which does not depend on it", set, id.AccountID)
}

func (r *rule) nearMissSSO(got principalKey, userID string) string {
	s, ok := got.ssoKey()
	if !ok || !strings.EqualFold(s.name, r.SSO.PermissionSetName) {
		return ""
	}
	switch {
	case s.account != r.SSO.AccountID:
		return "the account is another"
	case s.partition != r.SSO.partition():
		return "the partition is another"
	}
	return userIDMiss(r.UserID, userID)
}

func (r *rule) nearMissPattern(got principalKey) string {
	want := keyOf(r.principal)
	switch matches := arn.Match(r.pattern, got.resource()); {
	case !matches:
		return ""
	case want.kind != got.kind:
		return fmt.Sprintf("that is for a %s, this is a %s", want.kind, got.kind)
	case want.account != got.account:
		return "the account is another"
	case want.partition != got.partition:
		return "the partition is another"
	}
	return ""
}

// nearMissUserID goes by the ARN, which is otherwise for people only.
func (r *rule) nearMissUserID(id arn.Identity) string {
	if !sameSubject(r.ARN, id) {
		return ""
	}
	return "only the user id counts; " + userIDMiss(r.UserID, id.UserID)
}

func userIDMiss(want, got string) string {
	if want == "" {
		return ""
	}
	return fmt.Sprintf("it is pinned to the user id %s, and this is %s: was it deleted and created again?", quote(want), quote(got))
}
