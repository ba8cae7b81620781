package awsauth

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a Live's idea of time: each look is a minute later.
func clock() func() time.Time {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Minute)
		return now
	}
}

func minute(n int) time.Time { return time.Date(2026, 1, 1, 0, n, 0, 0, time.UTC) }

// who maps a user and answers with the username or the kind of refusal.
func who(t testing.TB, l *Live, name string) string {
	t.Helper()
	m, err := l.Table().Map(identity(t, acct+"user/"+name, ""))
	var unmapped *NotMappedError
	var notReady *NotReadyError
	switch {
	case errors.As(err, &unmapped):
		return "not mapped"
	case errors.As(err, &notReady):
		return "not ready: " + notReady.Source
	case err != nil:
		t.Fatal(err)
	}
	return m.Username
}

func update(t testing.TB, l *Live, source string, d Document) {
	t.Helper()
	if err := l.Update(source, d); err != nil {
		t.Fatal(err)
	}
}

func users(names ...string) string {
	s := ""
	for _, name := range names {
		s += "- {userarn: '" + acct + "user/" + name + "', username: " + name + "}\n"
	}
	return s
}

func TestLiveIsNotReadyRatherThanEmpty(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one"}, Source{Name: "two"}, Source{Name: "three"})
	if l.Ready() || who(t, l, "ada") != "not ready: one" {
		t.Errorf("before anything: %v, %s", l.Ready(), who(t, l, "ada"))
	}
	// What comes after an unread source may not answer in its place, …
	update(t, l, "three", document("three", userEntry("ada", "third"), Entry{Key: MapAccounts, Account: "111122223333"}))
	if l.Ready() || who(t, l, "ada") != "not ready: one" {
		t.Errorf("after the third: %v, %s", l.Ready(), who(t, l, "ada"))
	}
	// … but what comes before it may: nothing that it says could change that.
	update(t, l, "one", document("one", userEntry("bob", "first"), Entry{Key: MapAccounts, Account: "111122223333"}))
	if l.Ready() || who(t, l, "bob") != "first" || who(t, l, "ada") != "not ready: two" {
		t.Errorf("after the first: %v, %s, %s", l.Ready(), who(t, l, "bob"), who(t, l, "ada"))
	}
	if err := l.Missing("two"); err != nil {
		t.Fatal(err)
	}
	if !l.Ready() || who(t, l, "ada") != "third" || who(t, l, "cid") != acct+"user/cid" {
		t.Errorf("after all: %v, %s, %s", l.Ready(), who(t, l, "ada"), who(t, l, "cid"))
	}
	if l := NewLive(); !l.Ready() || who(t, l, "ada") != "not mapped" {
		t.Error("no sources: there is nothing to wait for, and nobody mapped")
	}
}

func TestLiveRefusesASourceThatWasNotDeclared(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one"})
	if l.Update("two", Document{}) == nil || l.Missing("two") == nil || l.Ready() {
		t.Error("accepted")
	}
}

func TestLiveKeepsTheLastGoodEntriesOfABrokenKey(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap})
	l.Now = clock()
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{
		"mapRoles": "- {rolearn: '" + acct + "user/role', username: role}\n",
		"mapUsers": users("ada", "bob"),
	}))
	// mapRoles is broken, mapUsers is good and has changed.
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{
		"mapRoles": "- {rolearn: [\n", "mapUsers": users("bob", "cid"),
	}))
	got := []string{who(t, l, "role"), who(t, l, "ada"), who(t, l, "bob"), who(t, l, "cid")}
	if want := []string{"role", "not mapped", "bob", "cid"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	st := l.State()[0]
	want := SourceState{Name: EKSConfigMap, Synced: true, Entries: 3, Broken: []string{"mapRoles"}, Stale: []string{"mapRoles"}, Updated: minute(2), LastGood: minute(1), Faults: st.Faults}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if len(st.Faults) != 1 || st.Faults[0].Severity != Error {
		t.Errorf("faults: %v", st.Faults)
	}
	// Still broken, twice over: the entries are kept from document to document.
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapRoles": "{", "mapUsers": "{"}))
	if who(t, l, "role") != "role" || who(t, l, "cid") != "cid" || who(t, l, "ada") != "not mapped" {
		t.Error("entries were lost")
	}
	if st := l.State()[0]; !slices.Equal(st.Stale, []string{"mapRoles", "mapUsers"}) {
		t.Errorf("stale: %v", st.Stale)
	}
	// Mended, and this time without the role: gone because it was taken out.
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapUsers": users("ada")}))
	if who(t, l, "role") != "not mapped" || who(t, l, "ada") != "ada" {
		t.Error("the mended document is not in use")
	}
	if st := l.State()[0]; len(st.Stale)+len(st.Broken)+len(st.Faults) > 0 || !st.LastGood.Equal(minute(4)) {
		t.Errorf("%+v", st)
	}
}

// A renamed key is the mistake that empties aws-iam-authenticator's map.
func TestLiveKeepsTheEntriesOfAMisspeltKey(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap})
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapUsers": users("ada")}))
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapusers": users("ada", "bob")}))
	if who(t, l, "ada") != "ada" || who(t, l, "bob") != "not mapped" {
		t.Errorf("ada: %s, bob: %s", who(t, l, "ada"), who(t, l, "bob"))
	}
}

func TestLiveWithABrokenFirstDocumentUsesTheRest(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap})
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapRoles": "{", "mapUsers": users("ada")}))
	st := l.State()[0]
	if !l.Ready() || who(t, l, "ada") != "ada" || len(st.Stale) > 0 || !slices.Equal(st.Broken, []string{"mapRoles"}) || !st.LastGood.IsZero() {
		t.Errorf("%+v", st)
	}
}

func TestLiveKeepsTheEntriesOfADeletedSource(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap})
	l.Now = clock()
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapUsers": users("ada"), "mapAccounts": "['444455556666']"}))
	if err := l.Missing(EKSConfigMap); err != nil {
		t.Fatal(err)
	}
	want := SourceState{Name: EKSConfigMap, Synced: true, Missing: true, Since: minute(2), Entries: 2, Stale: []string{"mapUsers", "mapAccounts"}, Updated: minute(1), LastGood: minute(1)}
	if diff := cmp.Diff(want, l.State()[0]); diff != "" || who(t, l, "ada") != "ada" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{"mapUsers": users("bob")}))
	if st := l.State()[0]; st.Missing || len(st.Stale) > 0 || who(t, l, "ada") != "not mapped" || who(t, l, "bob") != "bob" {
		t.Errorf("back again: %+v", st)
	}
}

func TestLiveTellsOfChangesOnly(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one"}, Source{Name: "two"})
	l.Now = clock()
	var told []SourceState
	l.OnChange = func(s SourceState) {
		if got := l.State(); got[0].Name != "one" || l.Table() == nil {
			t.Error("the observer cannot look around")
		}
		told = append(told, s)
	}
	good := func() Document { return document("one", userEntry("ada", "ada")) }
	update(t, l, "one", good())
	table := l.Table()
	update(t, l, "one", good()) // an informer's resync
	if l.Table() != table {
		t.Error("the same document made a new table")
	}
	if st := l.State()[0]; !st.Updated.Equal(minute(2)) || !st.LastGood.Equal(minute(2)) {
		t.Errorf("the same document is not the last good one: %+v", st)
	}
	update(t, l, "two", document("two", userEntry("ada", "shadowed")))
	for range 2 {
		if err := l.Missing("two"); err != nil {
			t.Fatal(err)
		}
	}
	update(t, l, "two", document("two", userEntry("ada", "shadowed")))
	var names []string
	for _, s := range told {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"one", "two", "two", "two"}) || !told[2].Missing || told[3].Missing {
		t.Errorf("told of %v", names)
	}
	if faults := l.State()[1].Faults; len(faults) != 1 || faults[0].Source != "two" {
		t.Errorf("the shadowed entry is not among its source's faults: %v", faults)
	}
}

// A source has other faults when another one shadows its entries.
func TestLiveTellsOfFaultsThatAnotherSourceMakes(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one"}, Source{Name: "two"})
	l.Now = clock()
	var told []string
	l.OnChange = func(s SourceState) { told = append(told, fmt.Sprint(s.Name, " ", len(s.Faults))) }
	said := func(want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	update(t, l, "two", document("two", userEntry("ada", "shadowed")))
	said("two 0")
	update(t, l, "one", document("one", userEntry("ada", "ada")))
	said("one 0", "two 1")
	update(t, l, "one", document("one", userEntry("ada", "ada"), userEntry("bob", "bob")))
	said("one 0")
	if err := l.Order("two", "one"); err != nil {
		t.Fatal(err)
	}
	said("two 0", "one 1")
}

func TestLiveGivesSourcesTheirReservedPrefixes(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one", ReservedPrefixes: []string{"system:"}})
	update(t, l, "one", document("one", userEntry("ada", "system:ada")))
	_, err := l.Table().Map(identity(t, acct+"user/ada", ""))
	var reserved *ReservedError
	if !errors.As(err, &reserved) {
		t.Errorf("%v", err)
	}
}

// Readers must always see a whole table. Run it with -race.
func TestLiveServesReadersWhileSourcesChange(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: "one"}, Source{Name: "two"})
	update(t, l, "one", document("one", userEntry("ada", "ada")))
	update(t, l, "two", document("two", userEntry("bob", "bob")))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for _, source := range []string{"one", "two"} {
		names := map[string]string{"one": "ada", "two": "bob"}
		writers.Go(func() {
			for i := range 200 {
				switch {
				case i%10 == 9:
					_ = l.Missing(source)
				case i%2 == 0:
					_ = l.Update(source, Document{Source: source, Broken: []string{MapUsers}})
				default:
					_ = l.Update(source, document(source, userEntry(names[source], names[source]), userEntry("extra", "x")))
				}
			}
		})
	}
	ada, bob := identity(t, acct+"user/ada", ""), identity(t, acct+"user/bob", "")
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				table := l.Table()
				_, err := table.Map(ada)
				_, err2 := table.Map(bob)
				if err != nil || err2 != nil || !l.Ready() || len(l.State()) != 2 {
					t.Error("a reader saw a table without its entries")
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}
