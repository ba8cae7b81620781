package awsauth

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// Table decides who becomes whom. It does not change once made, and any number
// of goroutines may use it.
type Table struct {
	rules []rule // in the order in which they are searched

	exact    map[principalKey]int32
	sso      map[principalKey]int32 // name is the permission set's
	accounts map[string]int32
	userIDs  map[string]int32 // of entries for which nothing else counts
	patterns patterns

	shadowed []Shadow
	unused   []int32 // places of the shadowed
	faults   []Fault
	rejected []Fault // of the documents: entries that are not in the table
	pending  string  // the first source that has not been read; see Live
}

// Shadow is an entry that can never match, because of one before it.
type Shadow struct{ Entry, By Entry }

// Left is an entry that another way of writing mappings can't say.
type Left struct {
	Entry Entry
	Why   string
}

// none is the place of no rule, behind all others.
const none = math.MaxInt32

// NewTable makes a table of documents, which are searched in the order given.
// Entries that do not pass Document.Add's checks are left out.
func NewTable(docs ...Document) *Table {
	size := 0
	for _, d := range docs {
		size += len(d.Entries)
	}
	t := &Table{
		rules:    make([]rule, 0, size),
		exact:    make(map[principalKey]int32, size),
		sso:      map[principalKey]int32{},
		accounts: map[string]int32{},
		userIDs:  map[string]int32{},
	}
	t.patterns.rules = &t.rules
	for _, d := range docs {
		for _, e := range d.Entries {
			t.add(e, d.ReservedPrefixes)
		}
		t.reject(d.Faults)
	}
	return t
}

// reject remembers the entries that are not in the table, for Hints.
func (t *Table) reject(faults []Fault) {
	for _, f := range faults {
		if f.Severity == Error && f.Subject != "" {
			t.rejected = append(t.rejected, f)
		}
	}
}

func (t *Table) add(e Entry, prefixes []string) {
	n := notes{entry: e}
	r, ok := n.compile()
	if !ok { // a document that was not made with Document.Add
		t.faults = appendFaults(t.faults, n.faults...)
		t.reject(n.faults)
		return
	}
	r.prefixes = prefixes
	place := int32(len(t.rules))
	t.rules = append(t.rules, r)
	if by := t.index(&t.rules[place], place); by != none {
		t.shadow(r.Entry, t.rules[by].Entry)
		t.unused = append(t.unused, place)
	}
	t.checkReserved(&r)
}

// index enters a rule where find looks for it, and returns the earlier rule
// that matches whatever it matches, or none.
func (t *Table) index(r *rule, place int32) int32 {
	switch r.how {
	case ByAccount:
		return enter(t.accounts, r.Account, place)
	case ByUserID:
		return enter(t.userIDs, r.UserID, place)
	case BySSO:
		k := r.SSO.key()
		by := min(at(t.sso, k), t.patterns.covering(r.SSO.roles()))
		return min(by, enter(t.sso, k.pinned(r.UserID), place))
	}
	k := keyOf(r.principal)
	if r.how == ByPattern {
		by := t.patterns.covering(k)
		t.patterns.enter(k, place)
		return by
	}
	by := min(at(t.exact, k), t.patterns.find(k))
	if s, ok := k.ssoKey(); ok {
		by = min(by, at(t.sso, s), at(t.sso, s.pinned(r.UserID)))
	}
	return min(by, enter(t.exact, k.pinned(r.UserID), place))
}

func at[K comparable](m map[K]int32, k K) int32 {
	if place, ok := m[k]; ok {
		return place
	}
	return none
}

// enter keeps what is there: the first entry wins.
func enter[K comparable](m map[K]int32, k K, place int32) int32 {
	if by, ok := m[k]; ok {
		return by
	}
	m[k] = place
	return none
}

// find is a bounded number of look-ups, whatever the number of entries; those of
// wildcards after the same prefix are tried one by one.
func (t *Table) find(id arn.Identity) int32 {
	k := keyOf(id.Principal)
	place := t.findPinned(t.exact, k, id.UserID)
	if s, ok := k.ssoKey(); ok && len(t.sso) > 0 {
		place = min(place, t.findPinned(t.sso, s, id.UserID))
	}
	if id.UserID != "" && len(t.userIDs) > 0 {
		place = min(place, at(t.userIDs, id.UserID))
	}
	return min(place, t.patterns.find(k))
}

// findPinned finds the first of the entry without a pin and the one that pins
// this very user id.
func (t *Table) findPinned(m map[principalKey]int32, k principalKey, userID string) int32 {
	return min(at(m, k), at(m, k.pinned(userID)))
}

// Map says who an identity becomes: the first entry that is for it, in the
// order of the sources and, within one, of mapRoles and then mapUsers; and only
// if no source has one, mapAccounts. Entries that need NodeNames are refused.
//
// Errors are *NotMappedError, *NotReadyError, *RenderError and *ReservedError.
// Each of them means no: no later entry is tried after an error.
func (t *Table) Map(id arn.Identity) (Mapping, error) {
	return t.MapWith(context.Background(), id, nil)
}

// MapWith is Map with somebody to ask for {{EC2PrivateDNSName}}.
func (t *Table) MapWith(ctx context.Context, id arn.Identity, names NodeNames) (Mapping, error) {
	if id.Kind < arn.Root || id.Kind > arn.FederatedUser {
		return Mapping{}, &NotMappedError{Identity: id, table: t}
	}
	place := t.find(id)
	if place == none && t.pending != "" {
		return Mapping{}, &NotReadyError{Source: t.pending}
	}
	if place == none {
		place = at(t.accounts, id.AccountID)
	}
	if place == none {
		return Mapping{}, &NotMappedError{Identity: id, table: t}
	}
	r := renderer{ctx: ctx, rule: &t.rules[place], id: id, names: names}
	return r.mapping()
}

// Len is the number of entries that can be used, shadowed ones included.
func (t *Table) Len() int { return len(t.rules) }

// Entries returns the entries in the order in which they are searched, those
// of mapAccounts included although they are searched after all others.
func (t *Table) Entries() []Entry {
	entries := make([]Entry, len(t.rules))
	for i := range t.rules {
		entries[i] = t.rules[i].Entry
	}
	return entries
}

// Used returns the entries that can match, in the order of Entries.
func (t *Table) Used() []Entry {
	unused := make([]bool, len(t.rules))
	for _, place := range t.unused {
		unused[place] = true
	}
	var entries []Entry
	for i := range t.rules {
		if !unused[i] {
			entries = append(entries, t.rules[i].Entry)
		}
	}
	return entries
}

// Shadowed returns the entries that can never match, in order.
func (t *Table) Shadowed() []Shadow { return slices.Clone(t.shadowed) }

// Faults returns what is wrong with the documents taken together: entries
// shadowed by others, usernames that their source may not give. What is wrong
// with a document alone is in its own Faults.
func (t *Table) Faults() []Fault { return slices.Clone(t.faults) }

func (t *Table) shadow(e, by Entry) {
	t.shadowed = append(t.shadowed, Shadow{Entry: e, By: by})
	hint := "remove one of the two"
	if e.Source == by.Source && e.Key == by.Key && e.Account == "" && e.Name == "" {
		hint += "; aws-iam-authenticator would use the last"
	}
	n := notes{entry: e, rule: Reachable}
	n.warn(hint, "the entry is never used: %s comes first and is for the same", by)
	t.faults = appendFaults(t.faults, n.faults...)
}

// checkReserved warns of an entry that will refuse everybody whom it matches.
func (t *Table) checkReserved(r *rule) {
	if len(r.username) == 0 || r.username[0].value != literal {
		return
	}
	for _, p := range r.prefixes {
		if p != "" && strings.HasPrefix(r.username[0].text, p) {
			n := notes{entry: r.Entry, rule: Reachable}
			n.warn("give another username", "username %s begins with %q, which is reserved there: whoever matches is refused", quote(r.Username), p)
			t.faults = appendFaults(t.faults, n.faults...)
			return
		}
	}
}
