package awsauth

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/eksauth/eksauth/arn"
)

// rule is an entry that has been checked, in the form that Table uses.
type rule struct {
	Entry
	how       How
	principal arn.Principal // of an entry with an ARN
	pattern   string        // of one with wildcards, as principalKey.resource
	username  template
	groups    []template // nil when all are static
	prefixes  []string   // usernames that this entry's source may not give
}

// notes collects the faults of one entry.
type notes struct {
	entry  Entry
	rule   Rule // that faults are against; "" for ValidEntry, or PlainlySaid of warnings
	faults []Fault
	failed bool
}

// against notes faults against a rule.
func (n *notes) against(rule Rule, note func()) {
	n.rule = rule
	note()
	n.rule = ""
}

func (n *notes) fail(hint, format string, args ...any) {
	n.failed = true
	n.add(Error, hint, fmt.Sprintf(format, args...))
}

func (n *notes) warn(hint, format string, args ...any) {
	n.add(Warning, hint, fmt.Sprintf(format, args...))
}

func (n *notes) add(s Severity, hint, message string) {
	rule := n.rule
	switch {
	case rule != "":
	case s == Error:
		rule = ValidEntry
	default:
		rule = PlainlySaid
	}
	n.faults = appendFaults(n.faults, Fault{
		Source: n.entry.Source, Key: cmp.Or(n.entry.Name, n.entry.Key), Line: n.entry.Line, Severity: s, Rule: rule,
		Subject: shorten(n.entry.Subject()), Message: message, Hint: hint,
	})
}

// compile checks the entry and makes its rule. All its faults are noted; ok is
// false if it cannot be used.
func (n *notes) compile() (r rule, ok bool) {
	r.Entry = n.entry
	n.compileSubject(&r)
	n.compileUserID(r)
	n.compileUsername(&r)
	n.compileGroups(&r)
	if !n.failed {
		n.checkSession(r)
	}
	return r, !n.failed
}

func (n *notes) compileSubject(r *rule) {
	if r.ByUserID {
		n.compileOnlyUserID(r)
		return
	}
	given := 0
	for _, is := range []bool{r.ARN != "", r.SSO != nil, r.Account != ""} {
		if is {
			given++
		}
	}
	switch {
	case given == 0 && n.failed: // its parser has said why
	case given == 0:
		n.fail("give "+r.subjectKey(), "the entry does not say whom it is for")
	case given > 1:
		n.fail("write one entry for each", "the entry has more than one of ARN, sso and account")
	case r.SSO != nil:
		r.how = BySSO
		n.compileSSO(r.SSO)
	case r.Account != "":
		r.how = ByAccount
		if !arn.IsAccountID(r.Account) {
			n.fail("an account id has twelve digits; put it in quotes, or YAML may change it", "%s is not an account id", quote(r.Account))
		}
	default:
		var ok bool
		if r.principal, r.how, ok = n.readARN(r.ARN); ok {
			n.checkKey(*r)
		}
		if r.how == ByPattern {
			r.pattern = keyOf(r.principal).resource()
		}
	}
}

func (n *notes) compileOnlyUserID(r *rule) {
	r.how = ByUserID
	if r.UserID == "" && !n.failed {
		n.fail("give userid, such as AROA…: aws iam get-role shows it as RoleId", "the entry has no userid, and nothing else counts here")
	}
	if r.SSO != nil {
		n.fail("give userid alone", "sso does not count here")
	}
}

// subjectKey is what says whom an entry is for, where it is written.
func (e Entry) subjectKey() string {
	switch {
	case e.Name != "":
		return "spec.arn"
	case e.Key == MapUsers:
		return "userarn"
	case e.Key == MapAccounts:
		return "the account's id"
	}
	return "rolearn, or sso"
}

// checkKey: the peer finds users under mapRoles and roles under mapUsers, so
// they must go on working.
func (n *notes) checkKey(r rule) {
	isRole := r.principal.Kind == arn.Role || r.principal.Kind == arn.AssumedRole
	switch {
	case r.Key == MapRoles && !isRole:
		n.warn("list it under mapUsers, as userarn", "%s is not a role", quote(r.ARN))
	case r.Key == MapUsers && isRole:
		n.warn("list it under mapRoles, as rolearn", "%s is not a user", quote(r.ARN))
	}
}

// permissionSetName is the pattern of the CreatePermissionSet API.
// It is compiled at the first use: eksauth starts for every kubectl command, and
// hardly any of them reads mappings.
var permissionSetName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w+=,.@-]{1,32}$`) })

func (n *notes) compileSSO(s *SSO) {
	if !permissionSetName().MatchString(s.PermissionSetName) {
		n.fail("give the permission set's name, as IAM Identity Center shows it", "sso has no valid permissionSetName, but %s", quote(s.PermissionSetName))
	}
	if !arn.IsAccountID(s.AccountID) {
		n.fail("give the account's twelve digits in quotes", "sso has no valid accountID, but %s", quote(s.AccountID))
	}
	if _, ok := arn.PartitionByID(s.partition()); !ok {
		n.fail(didYouMean(s.Partition, partitionIDs()), "AWS has no partition %s", quote(s.Partition))
	}
}

func (s *SSO) partition() string {
	if s.Partition == "" {
		return "aws"
	}
	return s.Partition
}

func partitionIDs() []string {
	var ids []string
	for _, p := range arn.Partitions() {
		ids = append(ids, p.ID)
	}
	return ids
}

func (n *notes) compileUserID(r rule) {
	isRole := r.SSO != nil || r.principal.Kind == arn.Role || r.principal.Kind == arn.AssumedRole || r.how == ByUserID && r.Key == MapRoles
	if r.how == ByPattern && r.UserID != "" {
		n.fail("leave out one of the two", "the entry is for one user id, and for any principal of a pattern")
	}
	if before, _, found := strings.Cut(r.UserID, ":"); found && isRole {
		n.fail("write "+quote(before), "userid %s has a session name, which differs each time", quote(r.UserID))
	}
}

func (n *notes) compileUsername(r *rule) {
	r.username = defaultUsername
	if isBlank(r.Username) {
		if r.how != ByAccount && !n.failed {
			n.warn("give username", "the entry has no username; the canonical ARN is used")
		}
		return
	}
	t, fault := parseTemplate(r.Username)
	if fault != nil {
		n.against(Renderable, func() { n.fail(fault.hint, "username: %s", fault.message) })
		return
	}
	r.username = t
	if r.SSO != nil && t.uses(sessionName) {
		n.warn("write {{SessionNameRaw}}", "session names of IAM Identity Center are often e-mail addresses, and {{SessionName}} writes @ as -: ada@example.com and ada-example.com become one user")
	}
}

func (n *notes) compileGroups(r *rule) {
	if slices.ContainsFunc(r.Groups, isBlank) {
		n.warn("leave it out", "a group without a name is ignored")
		r.Groups = slices.DeleteFunc(slices.Clone(r.Groups), isBlank)
	}
	// A static rule hands out its groups without copying them: their capacity
	// ends where they do, so that appending to them cannot reach ours.
	r.Groups = slices.Clip(r.Groups)
	groups := make([]template, len(r.Groups))
	dynamic := false
	for i, g := range r.Groups {
		t, fault := parseTemplate(g)
		if fault != nil {
			n.against(Renderable, func() { n.fail(fault.hint, "groups: %s", fault.message) })
			continue
		}
		if strings.ContainsAny(g, " \t\r\n") {
			n.warn("is a list indented wrongly?", "group %s contains white space", quote(g))
		}
		if t.uses(sessionName, sessionNameRaw) {
			n.warn("whoever assumes the role chooses the session's name, and with it the group", "group %s depends on the session name", quote(g))
		}
		groups[i], dynamic = t, dynamic || !t.static()
	}
	if dynamic {
		r.groups = groups
	}
}

// checkSession refuses templates that could never be rendered: only role
// sessions have a session name.
func (n *notes) checkSession(r rule) {
	switch r.principal.Kind {
	case arn.User, arn.Root, arn.FederatedUser:
	default:
		return
	}
	for _, t := range append([]template{r.username}, r.groups...) {
		if t.uses(sessionName, sessionNameRaw, privateDNSName) {
			n.against(Renderable, func() {
				n.fail("only the sessions of roles have one", "a template needs a session name, and %s has none", quote(r.ARN))
			})
			return
		}
	}
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }
