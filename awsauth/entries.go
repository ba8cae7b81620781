package awsauth

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entryReader reads the lists of mappings, which look the same in every YAML
// document.
type entryReader struct {
	doc    *Document
	budget budget
	// weak: a text stands for a list of its words at commas, as viper reads
	// the configuration file of aws-iam-authenticator.
	weak bool
	// byUserID: the user id of an entry alone counts.
	byUserID bool
}

func newEntryReader(doc *Document, weak bool) *entryReader {
	return &entryReader{doc: doc, budget: maxValues, weak: weak}
}

// read adds the entries of one key to the document.
func (r *entryReader) read(key string, list *yaml.Node) {
	items, ok := r.items(list)
	if !ok {
		r.doc.fail(key, list.Line, "begin each entry with a dash", "%s is %s, not a list", key, kindOf(list))
		return
	}
	if len(items) > maxEntries || !r.budget.spend(len(items)) {
		r.doc.fail(key, list.Line, "", "%s has %d entries, more than can be read", key, len(items))
		return
	}
	for i, item := range items {
		e := Entry{Source: r.doc.Source, Key: key, Index: i, Line: item.Line}
		item = resolve(item)
		n := notes{entry: e}
		if key == MapAccounts {
			e.Account = r.scalar(&n, field{"the account", item.Line, item})
		} else {
			r.mapping(&n, item, &e)
		}
		r.doc.add(&n, e)
	}
}

// items are the elements of a list; none of null and of an empty text.
func (r *entryReader) items(n *yaml.Node) ([]*yaml.Node, bool) {
	s, isText := text(n)
	switch {
	case n.Kind == yaml.SequenceNode:
		return n.Content, true
	case isText && isSkipped(s):
		return nil, true
	case isText && r.weak:
		var words []*yaml.Node
		for word := range strings.SplitSeq(s, ",") {
			words = append(words, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(word), Line: n.Line})
		}
		return words, true
	}
	return nil, false
}

// isSkipped: what aws-iam-authenticator takes for no entries.
func isSkipped(s string) bool {
	return slices.Contains([]string{"", `""`, "''", "``"}, strings.TrimSpace(s))
}

var (
	roleKeys = []string{"rolearn", "sso", "username", "groups", "userid"}
	userKeys = []string{"userarn", "username", "groups", "userid"}
	ssoKeys  = []string{"permissionSetName", "accountID", "partition"}
)

func (r *entryReader) mapping(n *notes, item *yaml.Node, e *Entry) {
	e.ByUserID = r.byUserID
	known := roleKeys
	if e.Key == MapUsers {
		known = userKeys
	}
	if item.Kind != yaml.MappingNode {
		n.fail("give "+strings.Join(known, ", "), "the entry is %s, not a mapping", kindOf(item))
		return
	}
	list := fields(item, &r.budget, n.at)
	// The subject first, so that every fault can tell whom it is about.
	for _, f := range list {
		if f.lower() == known[0] {
			e.ARN = r.scalar(n, f)
			n.entry.ARN = e.ARN
		}
	}
	for _, f := range list {
		switch l := f.lower(); {
		case l == known[0]:
		case l == "sso" && e.Key != MapUsers:
			e.SSO = r.sso(n, f)
		case l == "username":
			e.Username = r.scalar(n, f)
		case l == "userid":
			e.UserID = r.scalar(n, f)
		case l == "groups":
			e.Groups = r.groups(n, f)
		default:
			n.unknown(f, known)
		}
	}
}

// at notes a fault at a line of its own within the entry.
func (n *notes) at(s Severity, line int, hint, format string, args ...any) {
	if s == Error {
		n.fail(hint, format, args...)
	} else {
		n.warn(hint, format, args...)
	}
	if len(n.faults) <= maxFaults {
		n.faults[len(n.faults)-1].Line = line
	}
}

// unknown: the peer ignores such keys, so an entry with one goes on working;
// but not without its pin, which narrows whom it lets in. userarn in mapRoles
// and the reverse are ignored as well, which leaves an entry for nobody.
func (n *notes) unknown(f field, known []string) {
	n.against(KnownKey, func() {
		switch {
		case f.lower() == "rolearn" || f.lower() == "userarn":
			n.at(Error, f.line, "write "+known[0]+", or move the entry", "%s does not belong into %s", f.name, n.entry.Key)
		case suggest(f.name, known) == "userid":
			n.at(Error, f.line, "did you mean userid?", "the key %s is not known", quote(f.name))
		default:
			n.at(Warning, f.line, didYouMean(f.name, known), "the key %s is not known", quote(f.name))
		}
	})
}

func (r *entryReader) scalar(n *notes, f field) string {
	s, ok := text(f.value)
	switch {
	case !ok && f.value.Kind == yaml.MappingNode:
		n.at(Error, f.value.Line, "a text that begins with { needs quotes", "%s is a mapping, not a text", f.name)
	case !ok:
		n.at(Error, f.value.Line, "", "%s is %s, not a text", f.name, kindOf(f.value))
	case s != "" && f.value.ShortTag() != "!!str" && n.entry.Key != MapAccounts:
		n.at(Warning, f.value.Line, "put it in quotes", "%s is %s, and taken as the text %s", f.name, kindOf(f.value), quote(s))
	}
	return s
}

func (r *entryReader) groups(n *notes, f field) []string {
	items, ok := r.items(f.value)
	if !ok {
		n.at(Error, f.value.Line, "begin each group with a dash", "groups is %s, not a list", kindOf(f.value))
		return nil
	}
	if !r.budget.spend(len(items)) {
		n.at(Error, f.value.Line, "", "the document has more groups than can be read")
		return nil
	}
	groups := make([]string, 0, len(items))
	for _, item := range items {
		g := field{"a group", item.Line, resolve(item)}
		if name := r.scalar(n, g); name != "" || g.value.Kind == yaml.ScalarNode {
			groups = append(groups, name)
		}
	}
	return groups
}

func (r *entryReader) sso(n *notes, f field) *SSO {
	if isNull(f.value) {
		return nil
	}
	if f.value.Kind != yaml.MappingNode {
		n.at(Error, f.value.Line, "give "+strings.Join(ssoKeys, ", "), "sso is %s, not a mapping", kindOf(f.value))
		return nil
	}
	s := &SSO{}
	list := fields(f.value, &r.budget, n.at)
	for _, f := range list {
		switch f.lower() {
		case "permissionsetname":
			s.PermissionSetName = r.scalar(n, f)
		case "accountid":
			s.AccountID, _ = text(f.value)
		case "partition":
			s.Partition = r.scalar(n, f)
		default:
			n.against(KnownKey, func() {
				n.at(Warning, f.line, didYouMean(f.name, ssoKeys), "the key %s is not known in sso", quote(f.name))
			})
		}
	}
	return s
}
