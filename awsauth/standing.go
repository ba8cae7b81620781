package awsauth

import (
	"cmp"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/arn"
)

// standing is what a source's documents have come to: the entries that can be
// used, and those that cannot with what is kept in their place. Of a key that
// is broken now it holds what the last document that could be read came to.
type standing struct {
	good   []Entry
	faulty []faulty
}

// faulty is an entry with an Error and the last good one that it replaced; nil
// if it never was good.
type faulty struct {
	Entry
	kept *Entry
}

// next takes in a new document. A faulty entry keeps what it replaced, and
// nothing else is kept: whoever is taken out of a document must be out at once,
// whatever else is wrong with it.
func (s standing) next(doc Document) standing {
	broken := func(key string) bool { return slices.Contains(doc.Broken, key) }
	now := standing{good: doc.Entries}
	if len(doc.Broken) > 0 {
		now.good = slices.DeleteFunc(slices.Clone(doc.Entries), func(e Entry) bool { return broken(e.Key) })
		for _, e := range s.good {
			if broken(e.Key) {
				now.good = append(now.good, e)
			}
		}
		sortEntries(now.good)
	}
	for _, e := range doc.Rejected {
		if !broken(e.Key) {
			now.faulty = append(now.faulty, faulty{Entry: e})
		}
	}
	if len(now.faulty) > 0 {
		now.keep(newEarlier(s))
	}
	for _, f := range s.faulty {
		if broken(f.Key) {
			now.faulty = append(now.faulty, f)
		}
	}
	return now
}

// entries are those in use, each that is kept in the place of the faulty one.
func (s standing) entries() []Entry {
	type placed struct {
		entry Entry
		index int
	}
	var list []placed
	for _, f := range s.faulty {
		if f.kept != nil {
			list = append(list, placed{*f.kept, f.Index})
		}
	}
	if len(list) == 0 {
		return s.good
	}
	for _, e := range s.good {
		list = append(list, placed{e, e.Index})
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		return cmp.Or(compareKeys(a.entry.Key, b.entry.Key), cmp.Compare(a.index, b.index))
	})
	entries := make([]Entry, len(list))
	for i, p := range list {
		entries[i] = p.entry
	}
	return entries
}

// keep finds what the faulty entries replaced, the surest ways first: an entry
// for the same principal with the same pin; the only one for that principal;
// and for a faulty entry that does not tell whom it is for, what was kept for it
// already, or else the entry that stood in its place, unless whoever that was
// for stands elsewhere now. An object keeps what it was itself.
func (s standing) keep(before earlier) {
	has := map[subject]bool{}
	for _, e := range s.good {
		if who, ok := subjectOf(e); ok {
			has[who], has[who.withAnyPin()] = true, true
		}
	}
	subjects := subjectsOf(s.faulty)
	kept := map[*Entry]bool{}
	match := func(readable bool, find func(i int, who subject) *Entry) {
		for i := range s.faulty {
			f, who := &s.faulty[i], subjects[i]
			if f.kept != nil || f.Name != "" || who.readable() != readable {
				continue
			}
			if e := find(i, who); e != nil && !kept[e] {
				kept[e] = true
				c := *e // and not a pointer into the whole document before
				f.kept = &c
			}
		}
	}
	for i, f := range s.faulty {
		if e := before.objects[f.Name]; f.Name != "" && e != nil {
			if who, _ := subjectOf(*e); !has[who] {
				c := *e
				s.faulty[i].kept = &c
			}
		}
	}
	match(true, func(i int, who subject) *Entry {
		if has[who] {
			return nil
		}
		return before.subjects[listed{s.faulty[i].Key, who}]
	})
	match(true, func(i int, who subject) *Entry {
		if has[who.withAnyPin()] {
			return nil
		}
		return before.subjects[listed{s.faulty[i].Key, who.withAnyPin()}]
	})
	for _, who := range subjects {
		has[who.withAnyPin()] = true
	}
	absent := func(e *Entry) *Entry {
		if e != nil {
			if who, _ := subjectOf(*e); has[who.withAnyPin()] {
				return nil
			}
		}
		return e
	}
	match(false, func(i int, who subject) *Entry {
		return absent(before.subjects[listed{s.faulty[i].Key, who}])
	})
	match(false, func(i int, who subject) *Entry {
		f := s.faulty[i]
		if _, known := before.subjects[listed{f.Key, who}]; known { // others' places are not its own
			return nil
		}
		return absent(before.places[place{f.Key, f.Index}])
	})
}

// earlier finds the entries of a standing.
type earlier struct {
	// subjects has nil for a principal with several entries, where any pin is
	// asked for, and for a faulty entry in place of which nothing was kept.
	subjects map[listed]*Entry
	places   map[place]*Entry
	objects  map[string]*Entry // by name
}

type listed struct {
	key string
	who subject
}

type place struct {
	key   string
	index int
}

func newEarlier(s standing) earlier {
	x := earlier{map[listed]*Entry{}, map[place]*Entry{}, map[string]*Entry{}}
	for i := range s.good {
		x.enter(&s.good[i], s.good[i].Index)
	}
	for i, who := range subjectsOf(s.faulty) {
		f := s.faulty[i]
		if !who.readable() {
			x.subjects[listed{f.Key, who}] = f.kept
		}
		if f.kept != nil {
			x.enter(f.kept, f.Index)
		}
	}
	return x
}

// enter keeps what is there, as the first entry for a principal is the one in
// use.
func (x earlier) enter(e *Entry, index int) {
	if e.Name != "" {
		x.objects[e.Name] = e
		return
	}
	at := place{e.Key, index}
	if x.places[at] == nil {
		x.places[at] = e
	}
	who, _ := subjectOf(*e)
	l := listed{e.Key, who}
	if x.subjects[l] != nil {
		return
	}
	x.subjects[l] = e
	l.who = who.withAnyPin()
	if _, another := x.subjects[l]; another {
		e = nil
	}
	x.subjects[l] = e
}

// subject is whom an entry is for, in the form in which the entries of two
// documents are compared.
type subject struct {
	how    How          // ByARN, BySSO, ByUserID or ByAccount; 0 if it cannot be read
	who    principalKey // with the pin
	anyPin bool

	// Of one that cannot be read: what tells the entry from others, and its
	// number among those from which that does not tell it.
	text   string
	number int
}

func (s subject) readable() bool { return s.how != 0 }

func (s subject) withAnyPin() subject {
	s.who.userID, s.anyPin = "", true
	return s
}

func subjectOf(e Entry) (s subject, ok bool) {
	n, r := notes{entry: e}, rule{Entry: e}
	if n.compileSubject(&r); n.failed {
		return subject{text: cmp.Or(e.Subject(), e.Username, strings.Join(e.Groups, ","))}, false
	}
	switch r.how {
	case ByAccount:
		return subject{how: ByAccount, who: principalKey{account: r.Account}}, true
	case ByUserID:
		return subject{how: ByUserID, who: principalKey{userID: r.UserID}}, true
	case BySSO:
		return subject{how: BySSO, who: r.SSO.key().pinned(r.UserID)}, true
	}
	return subject{how: ByARN, who: keyOf(r.principal).pinned(r.UserID)}, true
}

func subjectsOf(list []faulty) []subject {
	subjects := make([]subject, len(list))
	count := map[listed]int{}
	for i, f := range list {
		s, ok := subjectOf(f.Entry)
		if !ok {
			l := listed{f.Key, s}
			s.number = count[l]
			count[l]++
		}
		subjects[i] = s
	}
	return subjects
}

// key is that of the roles of s: its name is the permission set's.
func (s *SSO) key() principalKey {
	return principalKey{kind: arn.Role, partition: s.partition(), account: s.AccountID, name: strings.ToLower(s.PermissionSetName)}
}

// roles is the pattern of the roles of s.
func (s *SSO) roles() principalKey {
	k := s.key()
	k.name = strings.ToLower(ssoPrefix) + k.name + "_" + strings.Repeat("?", ssoSuffix)
	return k
}
