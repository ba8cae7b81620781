package oidc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A whole rotation, asked for every hour, as cron does it.
func TestRotateWhenDue(t *testing.T) {
	t.Parallel()
	const week = 168 * time.Hour
	r := made(t)
	first := r.load(t).Signing().ID()
	paths := []string{r.SigningKeyFile(), r.PublicKeysFile()}
	type event struct {
		step  Step
		after time.Duration
	}
	var events []event
	for ; r.time.Before(noon.Add(8 * 24 * time.Hour)); r.time = r.time.Add(time.Hour) {
		if done := r.rotate(t, Rotation{Every: week}); done.Step != "" {
			events = append(events, event{done.Step, r.time.Sub(noon)})
			if done.Forced {
				t.Errorf("%s was forced", done.Step)
			}
		}
	}
	r.time = r.time.Add(time.Hour)
	r.rotate(t, Rotation{Every: week})
	want := []event{{Announce, week}, {Sign, week + 2*time.Hour}}
	if !slices.Equal(events, want) {
		t.Fatalf("%v, want %v", events, want)
	}
	state := r.load(t)
	if state.Signing().ID() == first || len(state.Keys) != 2 || state.Keys[1].ID() != first || state.Keys[1].State != Retiring {
		t.Errorf("%+v", state.Keys)
	}
	due := state.Next(week)
	if want := noon.Add(week + 2*time.Hour + 25*time.Hour); due.Step != Retire || due.Key.ID() != first || !due.At.Equal(want) {
		t.Errorf("%+v, want the retirement at %s", due, want)
	}
	r.time = due.At.Add(-time.Second)
	if done := r.rotate(t, Rotation{Every: week}); done.Step != "" {
		t.Errorf("%s too early", done.Step)
	}
	r.time = due.At
	if done := r.rotate(t, Rotation{Every: week}); done.Step != Retire || done.Key.ID() != first || len(done.State.Keys) != 1 {
		t.Errorf("%+v", done)
	}
	if slices.Contains(idsIn(t, r.read(t, publicKeysFile)), first) {
		t.Error("a retired key is still good for kube-apiserver")
	}
	if again := r.load(t).Next(week); again.Step != Announce || !again.At.Equal(noon.Add(2*week+2*time.Hour)) {
		t.Errorf("the next rotation: %+v", again)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(r.nextKeyFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second copy of the signing key is left: %v", err)
	}
}

func TestRotateByForce(t *testing.T) {
	t.Parallel()
	r := made(t)
	if done := r.rotate(t, Rotation{Every: time.Hour}); done.Step != "" {
		t.Errorf("%s though it is not due", done.Step)
	}
	for i, want := range []Step{Announce, Sign, Retire} {
		if i > 0 {
			if done := r.rotate(t, Rotation{}); done.Step != "" {
				t.Errorf("%s though it is not due", done.Step)
			}
		}
		if done := r.rotate(t, Rotation{Every: time.Hour, Force: true}); done.Step != want || !done.Forced {
			t.Errorf("%+v, want %s, forced", done, want)
		}
	}
	// Without a period a rotation is due whenever it is asked for.
	if done := r.rotate(t, Rotation{Force: true}); done.Step != Announce || done.Forced {
		t.Errorf("%+v", done)
	}
}

func TestRotateRemembersPeriods(t *testing.T) {
	t.Parallel()
	r := made(t)
	r.rotate(t, Rotation{Change: func(s *Settings) { s.AnnounceFor, s.TokenLifetime = 5*time.Hour, 3*time.Hour }})
	if due := r.load(t).Next(0); !due.At.Equal(noon.Add(5 * time.Hour)) {
		t.Errorf("%+v", due)
	}
	r.time = noon.Add(5 * time.Hour)
	r.rotate(t, Rotation{})
	if due := r.load(t).Next(0); due.Step != Retire || !due.At.Equal(noon.Add(9*time.Hour)) {
		t.Errorf("%+v", due)
	}
	var bad *SettingsError
	if _, err := r.Rotate(t.Context(), Rotation{Change: func(s *Settings) { s.TokenLifetime = 0 }}); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}

// The algorithm changes by a rotation.
func TestRotateToAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	r.create(t, nil, nil)
	r.create(t, nil, func(s *Settings) { s.Algorithm = "ES256" })
	if done := r.rotate(t, Rotation{}); done.Key.Algorithm() != "ES256" || done.State.Signing().Algorithm() != "RS256" {
		t.Errorf("%+v", done)
	}
}

func TestNoKeySignsThatNobodySees(t *testing.T) {
	t.Parallel()
	r := made(t)
	next := r.rotate(t, Rotation{}).Key.ID()
	r.time = noon.Add(24 * time.Hour)
	outage := errors.New("no route")
	for name, tc := range map[string]struct {
		ids []string
		err error
	}{
		"not published": {[]string{r.load(t).Signing().ID()}, nil},
		"not reachable": {nil, outage},
	} {
		for _, force := range []bool{false, true} {
			_, err := r.Rotate(t.Context(), Rotation{Force: force, Published: func(_ context.Context, issuer string) ([]string, error) {
				if issuer != ringURL {
					t.Errorf("asked %s", issuer)
				}
				return tc.ids, tc.err
			}})
			if !errors.Is(err, ErrNotPublished) || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	done := r.rotate(t, Rotation{Published: func(context.Context, string) ([]string, error) { return []string{"x", next}, nil }})
	if done.Step != Sign {
		t.Errorf("%+v", done)
	}
	// Only that step needs it.
	done = r.rotate(t, Rotation{Force: true, Published: func(context.Context, string) ([]string, error) { return nil, outage }})
	if done.Step != Retire {
		t.Errorf("%+v", done)
	}
}

var errKilled = errors.New("killed")

// killer ends a run at one of its changes of the disk: just before it, or just
// after.
type killer struct {
	at    int
	after bool
	count int
}

func (k *killer) hit(do func() error) error {
	k.count++
	if k.count-1 < k.at {
		return do()
	}
	if k.count-1 == k.at && k.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errKilled // and nothing happens any more
}

func (k *killer) write(path string, data []byte, perm fs.FileMode) error {
	return k.hit(func() error { return realDisk{}.write(path, data, perm) })
}

func (k *killer) remove(path string) error {
	return k.hit(func() error { return realDisk{}.remove(path) })
}

// A run that is killed at any moment leaves a folder that works: what
// kube-apiserver would sign with, if it started now, is published and verifies,
// and so is what has signed before. The next run ends where the killed one would
// have.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, step := range []Step{"", Announce, Sign, Retire} {
		for _, after := range []bool{false, true} {
			for at := 0; ; at++ {
				if at > 20 {
					t.Fatal("a step has no end")
				}
				r, run := atStep(t, step)
				before, _ := r.Load()
				r.disk = &killer{at: at, after: after}
				err := run(r)
				r.disk = nil
				// What a kill in the middle of a write leaves.
				for _, name := range []string{".signing-key.pem.1", ".next-key.pem.22", ".issuer.json.333", ".public-keys.pem.4"} {
					if err := os.WriteFile(filepath.Join(r.Dir, name), []byte("-----BEGIN PRI"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err == nil {
					break // it had fewer changes to make
				}
				if !errors.Is(err, errKilled) {
					t.Fatalf("%q at %d: %v", step, at, err)
				}
				checkUsable(t, r, step, before)
				if err := run(r); err != nil {
					t.Fatalf("%q at %d, the run after: %v", step, at, err)
				}
				checkDone(t, r, step, before)
			}
		}
	}
}

// atStep is a folder in which that step is next, and a run that takes it.
func atStep(t *testing.T, step Step) (*ring, func(*ring) error) {
	t.Helper()
	if step == "" {
		return newRing(t), func(r *ring) error {
			_, _, err := r.Create(context.Background(), ringURL, nil, func(s *Settings) { s.Algorithm = "ES256" })
			return err
		}
	}
	r := made(t)
	for r.load(t).Next(0).Step != step {
		r.rotate(t, Rotation{Force: true})
	}
	r.time = r.time.Add(48 * time.Hour) // the step is due now, and the one after it is not
	every := 1000 * time.Hour
	if step == Announce {
		every = 24 * time.Hour
	}
	return r, func(r *ring) error {
		_, err := r.Rotate(context.Background(), Rotation{Every: every})
		return err
	}
}

func checkUsable(t *testing.T, r *ring, step Step, before State) {
	t.Helper()
	state, err := r.Load()
	if step == "" && errors.Is(err, ErrNoKeyring) {
		return // never announced to anybody
	}
	if err != nil {
		t.Fatalf("%q: %v", step, err)
	}
	signing, err := r.readKey(r.SigningKeyFile())
	if err != nil {
		t.Fatalf("%q: %v", step, err)
	}
	known := idsIn(t, r.read(t, publicKeysFile))
	must := []string{signing.Public().ID()}
	if step != Retire {
		for _, k := range before.Keys {
			must = append(must, k.ID())
		}
	}
	for _, id := range must {
		if !slices.Contains(known, id) {
			t.Errorf("%q: kube-apiserver would not know %s", step, id)
		}
		if !state.has(id) {
			t.Errorf("%q: relying parties would not know %s", step, id)
		}
	}
	if info, err := os.Stat(r.SigningKeyFile()); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%q: the signing key's mode is %v, %v", step, info.Mode(), err)
	}
}

func checkDone(t *testing.T, r *ring, step Step, before State) {
	t.Helper()
	state := r.load(t)
	if err := r.Check(state); err != nil {
		t.Errorf("%q: %v", step, err)
	}
	want := map[Step]Step{"": Announce, Announce: Sign, Sign: Retire, Retire: Announce}[step]
	if next := state.Next(0); next.Step != want {
		t.Errorf("%q: next is %s, want %s", step, next.Step, want)
	}
	if next, ok := before.in(Announced); ok && state.Signing().ID() != next.ID() {
		t.Errorf("%q: another key signs than was announced", step)
	}
	_, err := os.Stat(r.nextKeyFile())
	if there := err == nil; there != (step == Announce) {
		t.Errorf("%q: next key: %v", step, err)
	}
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%q: left %s", step, e.Name())
		}
	}
}

// What was cut short just after the key was put into its place is said when it is
// finished: kube-apiserver must be restarted.
func TestRotateFinishesAndSaysSo(t *testing.T) {
	t.Parallel()
	r, run := atStep(t, Sign)
	r.disk = &killer{at: 1} // the key is there, the state is not
	if err := run(r); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	r.disk = nil
	if err := r.Check(r.load(t)); !errors.Is(err, ErrCutShort) {
		t.Errorf("%v", err)
	}
	if done := r.rotate(t, Rotation{Every: 1000 * time.Hour}); done.Step != Sign || done.Forced {
		t.Errorf("%+v", done)
	}
}
