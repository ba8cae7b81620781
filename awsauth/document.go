package awsauth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The names of the sources of mappings, as aws-iam-authenticator's backendMode
// writes them.
const (
	MountedFile  = "MountedFile"  // the authenticator's configuration file
	EKSConfigMap = "EKSConfigMap" // the ConfigMap kube-system/aws-auth
	CRD          = "CRD"          // IAMIdentityMapping objects
	DynamicFile  = "DynamicFile"  // a JSON file, watched for changes

	// EKSAccessEntries are not aws-iam-authenticator's: the access entries of an
	// EKS cluster.
	EKSAccessEntries = "EKSAccessEntries"
)

// The keys under which a document lists its entries. Their order here is the
// order in which entries are searched, wherever they stand in the document.
const (
	MapRoles    = "mapRoles"
	MapUsers    = "mapUsers"
	MapAccounts = "mapAccounts"
)

func keys() []string { return []string{MapRoles, MapUsers, MapAccounts} }

// Entry is one mapping as its author wrote it. Exactly one of ARN, SSO and
// Account says whom it is for; or, with ByUserID, UserID does.
type Entry struct {
	Source string // the source's name, such as EKSConfigMap
	Key    string // mapRoles, mapUsers or mapAccounts
	Name   string // of the object that is this entry; "" for an entry of a list
	Index  int    // its place in the list, or among the objects, from 0
	Line   int    // its first line, from 1; 0 when there are no lines. See Fault.Line.

	ARN     string // of a role, a user, root or a federated user; names may have wildcards
	SSO     *SSO   // roles that IAM Identity Center makes for a permission set
	Account string // every principal of an account, under mapAccounts

	// UserID, when given, is the unique id (AROA…, AIDA…) that the principal
	// must have: a deleted and re-created user or role is then not the same.
	UserID string
	// ByUserID: UserID alone counts, and ARN is there for people.
	ByUserID bool

	// Username is a template. Without one the canonical ARN is the username,
	// as it is for accounts: aws-iam-authenticator answers with an empty
	// username there, which kube-apiserver takes for an authenticated user
	// without a name.
	Username string
	Groups   []string // templates
}

// SSO names the roles AWSReservedSSO_<PermissionSetName>_<16 hexadecimal digits>
// of an account. Whoever may create a role of such a name in that account
// matches as well.
type SSO struct {
	PermissionSetName string
	AccountID         string
	Partition         string // "aws" when not given
}

// String says where the entry stands: "EKSConfigMap mapRoles[2] (line 9)", "CRD ada".
func (e Entry) String() string {
	if e.Name != "" {
		return e.Source + " " + e.Name
	}
	s := strings.TrimPrefix(fmt.Sprintf("%s %s[%d]", e.Source, e.Key, e.Index), " ")
	if e.Line > 0 {
		s += fmt.Sprintf(" (line %d)", e.Line)
	}
	return s
}

// Subject is whom the entry is for, in one word: an ARN as written, an account
// id, the pattern of an SSO role's ARN, or a user id.
func (e Entry) Subject() string {
	switch {
	case e.SSO != nil:
		return fmt.Sprintf("arn:%s:iam::%s:role/%s%s_*", e.SSO.partition(), e.SSO.AccountID, ssoPrefix, e.SSO.PermissionSetName)
	case e.Account != "":
		return e.Account
	case e.ARN == "" && e.ByUserID:
		return e.UserID
	}
	return e.ARN
}

// NeedsNodeNames reports whether the entry can only be rendered with somebody
// to ask for {{EC2PrivateDNSName}}.
func (e Entry) NeedsNodeNames() bool {
	const template = "{{EC2PrivateDNSName}}"
	return strings.Contains(e.Username, template) ||
		slices.ContainsFunc(e.Groups, func(g string) bool { return strings.Contains(g, template) })
}

// sortEntries puts the entries of one document into the order of keys.
func sortEntries(entries []Entry) {
	slices.SortStableFunc(entries, func(a, b Entry) int { return compareKeys(a.Key, b.Key) })
}

func compareKeys(a, b string) int {
	return cmp.Compare(slices.Index(keys(), a), slices.Index(keys(), b))
}

// Severity says what a fault did.
type Severity uint8

// Warning: what was read is used all the same. Error: it is not used.
const (
	Warning Severity = iota + 1
	Error
)

func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "unknown"
}

// Fault is something in a document that its author should know of.
type Fault struct {
	Source string // the source's name
	// Key is mapRoles, mapUsers, mapAccounts; a setting such as server.port; the name
	// of an object; "" for the whole document.
	Key string
	// Line counts from 1 and is 0 when it is not known. In a ConfigMap it is
	// counted within the text of the key; in a file, within the file.
	Line     int
	Severity Severity
	Rule     Rule
	Subject  string // of the entry, as Entry.Subject; "" when it is not about one
	Message  string // what is wrong
	Hint     string // what to do about it; may be empty
}

// String is one line: "EKSConfigMap mapRoles line 3: error: …; hint".
func (f Fault) String() string {
	var b strings.Builder
	for _, word := range []string{f.Source, f.Key} {
		if word != "" {
			b.WriteString(word + " ")
		}
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d", f.Line)
	}
	where := strings.TrimSuffix(b.String(), " ")
	if where != "" {
		where += ": "
	}
	s := where + f.Severity.String() + ": " + f.Message
	if f.Hint != "" {
		s += "; " + f.Hint
	}
	return s
}

// appendFaults appends up to maxFaults, and then one that says so.
func appendFaults(list []Fault, more ...Fault) []Fault {
	for _, f := range more {
		switch {
		case len(list) < maxFaults:
			list = append(list, f)
		case len(list) == maxFaults:
			list = append(list, Fault{Source: f.Source, Key: f.Key, Severity: Error, Rule: f.Rule, Message: "there are more faults than are listed"})
		}
	}
	return list
}

// Document is what a source said: the entries that can be used, and what is
// wrong with the rest. The zero Document says nothing and is valid.
type Document struct {
	Source  string
	Entries []Entry // in the order in which they are searched
	Faults  []Fault
	// Rejected are the entries that are left out because of an Error, as far as
	// they could be read. Live keeps the last good entries that they replaced.
	Rejected []Entry
	// Broken lists the keys that could not be read at all (not YAML, not a
	// list, too large). Their entries are unknown, which is not the same as
	// none: Live keeps those of the last good document.
	Broken []string
	// Silent: there is a document, and it says nothing of mappings; all of its
	// keys are missing or blank. An empty list would say that there are none.
	Silent bool
	// ReservedPrefixes are username prefixes that no mapping of this source
	// may produce. Parsers leave it empty; Live fills it in.
	ReservedPrefixes []string
}

// Add appends an entry after checking it. What is wrong with it becomes a
// fault, and an entry with an Error is rejected; so every source, whatever its
// syntax, accepts the same entries. Groups without a name are dropped.
func (d *Document) Add(e Entry) {
	e.Source = d.Source
	d.add(&notes{}, e)
}

// add is Add for an entry with faults already noted by its parser.
func (d *Document) add(n *notes, e Entry) {
	n.entry = e
	if r, ok := n.compile(); ok {
		d.Entries = append(d.Entries, r.Entry)
	} else {
		d.Rejected = append(d.Rejected, e)
	}
	d.Faults = appendFaults(d.Faults, n.faults...)
}

// fail notes that nothing under key could be read.
func (d *Document) fail(key string, line int, hint, format string, args ...any) {
	d.note(Error, key, line, hint, format, args...)
	if !slices.Contains(d.Broken, key) {
		d.Broken = append(d.Broken, key)
	}
}

func (d *Document) warn(key string, line int, hint, format string, args ...any) {
	d.note(Warning, key, line, hint, format, args...)
}

func (d *Document) note(s Severity, key string, line int, hint, format string, args ...any) {
	rule := Readable
	if s == Warning {
		rule = PlainlySaid
	}
	d.noteRule(rule, s, key, line, hint, format, args...)
}

func (d *Document) noteRule(rule Rule, s Severity, key string, line int, hint, format string, args ...any) {
	d.Faults = appendFaults(d.Faults, Fault{
		Source: d.Source, Key: key, Line: line, Severity: s, Rule: rule,
		Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}
