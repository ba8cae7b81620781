package awsauth

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Source declares a source of mappings to Live.
type Source struct {
	Name string // such as EKSConfigMap
	// ReservedPrefixes are username prefixes that its mappings may not give.
	ReservedPrefixes []string
	// Idle: it is not searched unless Live.Order names it.
	Idle bool
}

// Live holds the current Table while its sources change. Table, State and
// Ready never block and may be called from anywhere; Update and Missing may be
// called from anywhere as well, and take turns.
//
// A slip in an edit locks nobody out. A key that cannot be read any more keeps
// the entries of the last document in which it could. An entry with an Error
// keeps, in its place, the last good entry that it replaced, until it is good
// again or gone: the one under the same key for the same principal, permission
// set or account; or, when the faulty entry does not tell whom it is for, the
// one that had its place in the list, unless that one's principal has an entry
// in the new document. Nothing else is kept: an entry that is taken out is out
// at once, whatever other entries are faulty.
//
// A source that has not been read even once is not taken for an empty one. One
// that is gone, or says nothing any more (see Document.Silent), keeps its last
// entries for as long as Grace says.
type Live struct {
	// Grace is for how long the last entries of a source stay in use that is gone
	// or silent; without end if 0. Whoever sets it calls Expire now and then. Set
	// it before the first update.
	Grace time.Duration
	// Now is the clock; time.Now if nil. Set it before the first update.
	Now func() time.Time
	// OnChange is told of every change of a source's entries, faults or
	// presence, after the table has been replaced; of faults too that a source
	// has since another changed, such as entries that are never used now. It may ask for Table and
	// State, but must not update. Set it before the first update.
	OnChange func(SourceState)

	mu      sync.Mutex
	sources []*liveSource // in the order in which they are searched, then the idle ones
	wanted  []string      // the order that Order asked for and that is not in force yet

	current atomic.Pointer[snapshot]
}

type liveSource struct {
	Source
	said     Document // the last document
	standing standing // what said and those before it have come to
	used     Document // said with the entries of standing
	state    SourceState
	held     bool // by Suspend
}

// snapshot is one state of everything, replaced as a whole.
type snapshot struct {
	table  *Table
	states []SourceState
	ready  bool
}

// SourceState is how a source is doing.
type SourceState struct {
	Name    string
	Synced  bool // it has been read, or found missing, at least once
	Missing bool // it does not exist now
	Silent  bool // it exists, and says nothing; see Document.Silent
	// Since is when it was found missing or silent. Its last entries stay in use
	// until Live.Grace is over.
	Since time.Time
	// Suspended: its entries are not in use, whatever they are.
	Suspended bool
	Entries   int       // in use
	Broken    []string  // keys that cannot be read now
	Stale     []string  // keys with entries in use that are of an earlier document
	Updated   time.Time // of the last document; zero if there was none
	// Kept are the entries in use that are of an earlier document because the
	// last one has a faulty entry in their place; those of broken keys are not
	// listed. They are as that earlier document has them, Line and all, in the
	// order of the faulty ones. Read only.
	Kept []Entry
	// LastGood is the time of the last document without broken keys and without
	// entries in place of which others are kept; zero if there was none.
	LastGood time.Time
	// Faults of the last document, and of its entries beside those of other
	// sources. Read only.
	Faults []Fault
}

// NewLive declares the sources, in the order in which they are searched.
func NewLive(sources ...Source) *Live {
	l := &Live{}
	for _, s := range sources {
		l.sources = append(l.sources, &liveSource{Source: s, state: SourceState{Name: s.Name, Suspended: s.Idle}})
	}
	slices.SortStableFunc(l.sources, idleLast)
	l.publish()
	return l
}

// Table is the current table. Until every source has been read it decides only
// what the sources before the first unread one decide alone, and answers with
// a *NotReadyError otherwise.
func (l *Live) Table() *Table { return l.current.Load().table }

// State tells how each source is doing, in order.
func (l *Live) State() []SourceState { return slices.Clone(l.current.Load().states) }

// Ready reports whether every source has been read, or found missing, once.
func (l *Live) Ready() bool { return l.current.Load().ready }

// Update takes a source's new document into use. The error says that the
// source has not been declared.
func (l *Live) Update(source string, doc Document) error {
	return l.change(source, func(s *liveSource, now time.Time) bool {
		same := s.state.Synced && !s.state.Missing && reflect.DeepEqual(s.said, doc)
		s.update(doc, now)
		return !same
	})
}

// Missing says that a source does not exist: its ConfigMap was deleted, or was
// never there. The entries of its last document, if there was one, stay in use
// until Grace is over.
func (l *Live) Missing(source string) error {
	return l.change(source, func(s *liveSource, now time.Time) bool {
		same := s.state.Synced && s.state.Missing
		if !same {
			s.missing(now)
		}
		return !same
	})
}

// Suspend takes a source out of use, whatever it has, or back into use. Nobody
// waits for a source that is suspended.
func (l *Live) Suspend(source string, suspended bool) error {
	return l.change(source, func(s *liveSource, _ time.Time) bool {
		changed := s.held != suspended
		s.held = suspended
		s.state.Suspended = s.held || s.Idle
		return changed
	})
}

// Order says which of the declared sources are searched, in which order. As long as
// one of them has not been read, the order before stays in force, so that nobody is
// turned away in between.
func (l *Live) Order(sources ...string) error { return l.order(sources, false) }

// Begin is Order for the start, when there is nobody yet who could be turned away: it is
// in force at once, and whoever needs a source that has not been read waits.
func (l *Live) Begin(sources ...string) error { return l.order(sources, true) }

func (l *Live) order(sources []string, atOnce bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, name := range sources {
		if _, err := l.find(name); err != nil {
			return err
		}
		if slices.Contains(sources[:i], name) {
			return fmt.Errorf("mappings: source %q is there twice", name)
		}
	}
	l.wanted = sources
	if l.reorder(atOnce) {
		l.publishAndTell(nil)
	}
	return nil
}

// reorder puts the wanted order into force, if it can be or must.
func (l *Live) reorder(atOnce bool) bool {
	if l.wanted == nil {
		return false
	}
	place := func(s *liveSource) int { return slices.Index(l.wanted, s.Name) }
	for _, s := range l.sources {
		if place(s) >= 0 && !s.state.Synced && !s.held && !atOnce {
			return false
		}
	}
	for _, s := range l.sources {
		s.Idle = place(s) < 0
		s.state.Suspended = s.held || s.Idle
	}
	slices.SortStableFunc(l.sources, func(a, b *liveSource) int {
		return cmp.Or(idleLast(a, b), cmp.Compare(place(a), place(b)))
	})
	l.wanted = nil
	return true
}

func idleLast(a, b *liveSource) int {
	switch {
	case a.Idle == b.Idle:
		return 0
	case a.Idle:
		return 1
	}
	return -1
}

// Expire takes the entries out of use whose source has been gone or silent for
// longer than Grace.
func (l *Live) Expire() {
	for _, s := range l.State() {
		_ = l.change(s.Name, func(s *liveSource, now time.Time) bool { // it is declared
			gone := s.state.Missing || s.state.Silent
			if l.Grace <= 0 || !gone || len(s.used.Entries) == 0 || now.Sub(s.state.Since) < l.Grace {
				return false
			}
			s.drop()
			return true
		})
	}
}

func (l *Live) find(source string) (*liveSource, error) {
	i := slices.IndexFunc(l.sources, func(s *liveSource) bool { return s.Name == source })
	if i < 0 {
		return nil, fmt.Errorf("mappings: source %q is not one of those declared", source)
	}
	return l.sources[i], nil
}

func (l *Live) change(source string, apply func(*liveSource, time.Time) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(source)
	if err != nil {
		return err
	}
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	changed := apply(s, now())
	if reordered := l.reorder(false); !changed && !reordered {
		l.publishTimes()
		return nil
	}
	if !changed {
		s = nil
	}
	l.publishAndTell(s)
	return nil
}

// publishAndTell tells of the source that changed, if one did, and of those whose
// faults are others by that.
func (l *Live) publishAndTell(changed *liveSource) {
	before := map[*liveSource][]Fault{}
	for _, s := range l.sources {
		before[s] = s.state.Faults
	}
	l.publish()
	if l.OnChange == nil {
		return
	}
	if changed != nil {
		l.OnChange(changed.state)
	}
	for _, s := range l.sources {
		if s != changed && !slices.Equal(s.state.Faults, before[s]) {
			l.OnChange(s.state)
		}
	}
}

func (s *liveSource) update(doc Document, now time.Time) {
	if doc.Silent && len(s.used.Entries) > 0 {
		if !s.state.Silent {
			s.missing(now)
			s.state.Missing, s.state.Silent = false, true
		}
		s.said, s.state.Updated = doc, now
		return
	}
	broken := func(key string) bool { return slices.Contains(doc.Broken, key) }
	s.said, s.standing = doc, s.standing.next(doc)
	s.used = doc
	s.used.ReservedPrefixes = s.ReservedPrefixes
	s.used.Entries = s.standing.entries()
	st := &s.state
	switch {
	case !doc.Silent:
		st.Since = time.Time{}
	case !st.Missing && !st.Silent:
		st.Since = now
	}
	st.Synced, st.Missing, st.Silent, st.Updated, st.Entries = true, false, doc.Silent, now, len(s.used.Entries)
	st.Broken, st.Kept = slices.Clone(doc.Broken), nil
	for _, f := range s.standing.faulty {
		if f.kept != nil && !broken(f.Key) {
			st.Kept = append(st.Kept, *f.kept)
		}
	}
	if len(doc.Broken)+len(st.Kept) == 0 {
		st.LastGood = now
	}
	kept := keysOf(st.Kept, func(string) bool { return true })
	st.Stale = keysOf(s.used.Entries, func(key string) bool { return broken(key) || slices.Contains(kept, key) })
}

func (s *liveSource) missing(now time.Time) {
	s.state.Synced, s.state.Missing, s.state.Silent = true, true, false
	if s.state.Since.IsZero() {
		s.state.Since = now
	}
	s.state.Stale = keysOf(s.used.Entries, func(string) bool { return true })
}

// drop forgets what the source once said.
func (s *liveSource) drop() {
	s.said, s.standing, s.used = Document{Source: s.Name}, standing{}, Document{}
	s.state.Entries, s.state.Stale, s.state.Kept, s.state.Broken = 0, nil, nil, nil
}

// keysOf lists the keys that entries have and that are wanted, in order.
func keysOf(entries []Entry, want func(string) bool) []string {
	var list []string
	for _, e := range entries {
		if want(e.Key) && !slices.Contains(list, e.Key) {
			list = append(list, e.Key)
		}
	}
	return list
}

// publish replaces the table and the states.
func (l *Live) publish() {
	var docs []Document
	pending := ""
	for _, s := range l.sources {
		if s.state.Suspended {
			continue
		}
		if !s.state.Synced {
			pending = s.Name
			break
		}
		docs = append(docs, s.used)
	}
	t := NewTable(docs...)
	t.pending = pending
	for _, s := range l.sources {
		s.state.Faults = slices.Clone(s.said.Faults)
		for _, f := range t.faults {
			if f.Source == s.Name {
				s.state.Faults = append(s.state.Faults, f)
			}
		}
	}
	l.store(t)
}

// publishTimes replaces the states only.
func (l *Live) publishTimes() { l.store(l.current.Load().table) }

func (l *Live) store(t *Table) {
	snap := &snapshot{table: t, ready: t.pending == ""}
	for _, s := range l.sources {
		snap.states = append(snap.states, s.state)
	}
	l.current.Store(snap)
}
