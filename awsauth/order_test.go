package awsauth

import (
	"slices"
	"testing"
	"time"
)

// setClock is a clock that stands until it is moved.
type setClock struct{ now time.Time }

func (c *setClock) after(d time.Duration) { c.now = c.now.Add(d) }

func TestLiveGrace(t *testing.T) {
	t.Parallel()
	goes := map[string]func(*Live) error{
		"missing": func(l *Live) error { return l.Missing(EKSConfigMap) },
		"silent":  func(l *Live) error { return l.Update(EKSConfigMap, ParseConfigMap(nil)) },
		"both": func(l *Live) error {
			if err := l.Missing(EKSConfigMap); err != nil {
				return err
			}
			return l.Update(EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: ""}))
		},
	}
	for name, gone := range goes {
		clock := &setClock{minute(0)}
		l := NewLive(Source{Name: EKSConfigMap})
		l.Now, l.Grace = func() time.Time { return clock.now }, time.Hour
		changes := 0
		l.OnChange = func(SourceState) { changes++ }
		update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: users("ada")}))
		clock.after(time.Minute)
		if err := gone(l); err != nil {
			t.Fatal(err)
		}
		clock.after(time.Hour - time.Second)
		if err := gone(l); err != nil { // seen again: the time goes on
			t.Fatal(err)
		}
		l.Expire()
		st := l.State()[0]
		if who(t, l, "ada") != "ada" || !st.Since.Equal(minute(1)) || st.Missing == st.Silent {
			t.Errorf("%s, within the grace: %s, %+v", name, who(t, l, "ada"), st)
		}
		changes = 0
		clock.after(time.Second)
		l.Expire()
		l.Expire()
		if who(t, l, "ada") != "not mapped" || changes != 1 || l.State()[0].Entries != 0 || len(l.State()[0].Stale) > 0 {
			t.Errorf("%s, after the grace: %s, %d changes, %+v", name, who(t, l, "ada"), changes, l.State()[0])
		}
		update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: users("ada")}))
		if st := l.State()[0]; who(t, l, "ada") != "ada" || st.Missing || st.Silent || !st.Since.IsZero() {
			t.Errorf("%s, back: %+v", name, st)
		}
	}
}

// A source with nothing in it is said to have nothing in it, whether it once had or not.
func TestLiveSilentIsSaid(t *testing.T) {
	t.Parallel()
	clock := &setClock{minute(0)}
	l := NewLive(Source{Name: EKSConfigMap})
	l.Now, l.Grace = func() time.Time { return clock.now }, time.Minute
	empty := func(when string) {
		t.Helper()
		update(t, l, EKSConfigMap, ParseConfigMap(nil))
		if st := l.State()[0]; !st.Silent || st.Missing || !l.Ready() {
			t.Errorf("%s: %+v", when, st)
		}
	}
	empty("from the start")
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: users("ada")}))
	clock.after(time.Hour)
	empty("emptied")
	l.Expire()
	if who(t, l, "ada") != "ada" {
		t.Error("the grace began before it was emptied")
	}
	clock.after(time.Hour)
	l.Expire()
	empty("after the grace")
	if who(t, l, "ada") != "not mapped" {
		t.Error("ada is in")
	}
	changes := 0
	l.OnChange = func(SourceState) { changes++ }
	empty("again")
	if changes > 0 {
		t.Error("the same is no change")
	}
}

func TestLiveAnEmptyListIsMeant(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap})
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: users("ada")}))
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: "[]"}))
	if who(t, l, "ada") != "not mapped" {
		t.Error("ada is in")
	}
}

func TestLiveOrder(t *testing.T) {
	t.Parallel()
	doc := func(source, username string) Document {
		return document(source, Entry{Key: MapUsers, ARN: acct + "user/ada", Username: username})
	}
	names := func(l *Live) []string {
		var list []string
		for _, s := range l.State() {
			if !s.Suspended {
				list = append(list, s.Name)
			}
		}
		return list
	}
	l := NewLive(Source{Name: "idle", Idle: true}, Source{Name: "one"}, Source{Name: "two"})
	update(t, l, "one", doc("one", "first"))
	update(t, l, "two", doc("two", "second"))
	if !l.Ready() || who(t, l, "ada") != "first" || !slices.Equal(names(l), []string{"one", "two"}) {
		t.Errorf("at the start: %v, %s, %v", l.Ready(), who(t, l, "ada"), names(l))
	}
	order := func(want string, sources ...string) {
		t.Helper()
		if err := l.Order(sources...); err != nil {
			t.Fatal(err)
		}
		if got := who(t, l, "ada"); got != want || !l.Ready() {
			t.Errorf("%v: %s, want %s", sources, got, want)
		}
	}
	order("second", "two", "one")
	order("first", "one")
	// One that has not been read changes nothing until it has been.
	order("first", "idle", "two")
	if !slices.Equal(names(l), []string{"one"}) {
		t.Errorf("before it was read: %v", names(l))
	}
	update(t, l, "idle", doc("idle", "third"))
	if who(t, l, "ada") != "third" || !slices.Equal(names(l), []string{"idle", "two"}) {
		t.Errorf("once it was read: %s, %v", who(t, l, "ada"), names(l))
	}
	for _, bad := range [][]string{{"nowhere"}, {"one", "one"}} {
		if err := l.Order(bad...); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if who(t, l, "ada") != "third" {
		t.Error("a bad order counts")
	}
	// A source that was suspended stays so, whatever the order.
	if err := l.Suspend("idle", true); err != nil {
		t.Fatal(err)
	}
	order("second", "idle", "two")
}
