package awsauth

import "github.com/eksauth/eksauth/arn"

// Verdict is what an entry has to do with an identity.
type Verdict struct {
	Entry   Entry
	Matches bool // by itself; only the first that does is used
	Used    bool
	Why     string // by what it matches, or what keeps it from being used
}

// Verdicts says of each entry, in order, whether it is for an identity and why
// not. Each is tried by a table of its own, so there is no second matcher. It
// is for people who ask; Map decides.
func (t *Table) Verdicts(id arn.Identity) []Verdict {
	used, by := int32(none), ""
	if id.Kind >= arn.Root && id.Kind <= arn.FederatedUser {
		if used = t.find(id); used == none && t.pending == "" {
			used = at(t.accounts, id.AccountID)
		}
	}
	if used != none {
		by = t.rules[used].Entry.String()
	}
	verdicts := make([]Verdict, len(t.rules))
	for i := range t.rules {
		r := &t.rules[i]
		alone := NewTable(Document{Entries: []Entry{r.Entry}})
		v := Verdict{Entry: r.Entry, Used: int32(i) == used}
		v.Matches = alone.find(id) != none || at(alone.accounts, id.AccountID) != none
		switch {
		case v.Matches && used == none:
			v.Why = "the mappings of " + t.pending + ", which may come first, have not been read yet"
		case v.Matches && !v.Used && r.how == ByAccount:
			v.Why = "accounts come after all other entries: " + by + " is used"
		case v.Matches && !v.Used:
			v.Why = by + " comes first"
		case v.Matches:
			v.Why = "by " + r.how.String()
		default:
			if v.Why = r.nearMiss(id); v.Why == "" {
				v.Why = "it is for another principal"
			}
		}
		verdicts[i] = v
	}
	return verdicts
}
