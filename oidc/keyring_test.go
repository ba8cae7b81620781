package oidc

import (
	"context"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const ringURL = "https://oidc.example.com/dev"

// ring is a folder with an issuer whose clock the test moves.
type ring struct {
	*Keyring
	time time.Time
}

func newRing(t *testing.T) *ring {
	t.Helper()
	r := &ring{time: noon}
	r.Keyring = &Keyring{Dir: filepath.Join(t.TempDir(), "issuer"), Now: func() time.Time { return r.time }}
	return r
}

// made has its first key, which is small: tests make many.
func made(t *testing.T) *ring {
	t.Helper()
	r := newRing(t)
	r.create(t, nil, func(s *Settings) { s.Algorithm = "ES256" })
	return r
}

func (r *ring) create(t *testing.T, adopt *Key, change func(*Settings)) (State, Created) {
	t.Helper()
	state, created, err := r.Create(t.Context(), ringURL, adopt, change)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(state); err != nil {
		t.Fatal(err)
	}
	return state, created
}

func (r *ring) load(t *testing.T) State {
	t.Helper()
	state, err := r.Load()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (r *ring) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	state, created := r.create(t, nil, nil)
	if created != Made || state.Issuer != ringURL || len(state.Keys) != 1 || state.Signing().State != Signs || !state.Signing().Since.Equal(noon) || state.Signing().Algorithm() != "RS256" {
		t.Errorf("%s %+v", created, state)
	}
	if state.AnnounceFor != 2*time.Hour || state.TokenLifetime != 24*time.Hour {
		t.Errorf("periods %s, %s", state.AnnounceFor, state.TokenLifetime)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{".": 0o700, signingKeyFile: 0o600, publicKeysFile: 0o644, stateFile: 0o644} {
			if info, err := os.Stat(filepath.Join(r.Dir, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, error %v; want %v", name, info.Mode(), err, want)
			}
		}
	}
	if strings.Contains(r.read(t, stateFile)+r.read(t, publicKeysFile), "PRIVATE") {
		t.Error("a private key is where everybody may read")
	}

	before := r.read(t, signingKeyFile)
	if again, created := r.create(t, nil, nil); created != Unchanged || again.Signing().ID() != state.Signing().ID() || r.read(t, signingKeyFile) != before {
		t.Errorf("the second time: %s", created)
	}
}

func TestCreateKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	r := made(t)
	before := r.read(t, signingKeyFile)
	for name, tc := range map[string]struct {
		url   string
		adopt bool
		want  error
	}{
		"another URL":         {"https://oidc.example.com/prod", false, ErrOtherIssuer},
		"a slash more":        {ringURL + "/", false, ErrOtherIssuer},
		"another key":         {ringURL, true, ErrOtherKey},
		"another key and URL": {"https://other.example", true, ErrOtherIssuer},
	} {
		var adopt *Key
		if tc.adopt {
			key := generate(t, "ES256")
			adopt = &key
		}
		if _, _, err := r.Create(t.Context(), tc.url, adopt, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if r.read(t, signingKeyFile) != before || r.load(t).Issuer != ringURL {
		t.Error("the issuer has changed")
	}
}

// A running cluster brings its key, in whatever form kube-apiserver reads.
func TestCreateAdoptsAKey(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	key := goldenKey(t, "rsa-pkcs1.pem")
	state, created := r.create(t, &key, nil)
	if created != Made || state.Signing().ID() != key.Public().ID() {
		t.Errorf("%s, key %s", created, state.Signing().ID())
	}
	if _, created := r.create(t, &key, nil); created != Unchanged {
		t.Errorf("the same again: %s", created)
	}

	// A key that was put into its place counts as one to adopt.
	placed := newRing(t)
	if err := os.MkdirAll(placed.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := placed.writeKey(placed.SigningKeyFile(), key); err != nil {
		t.Fatal(err)
	}
	other := generate(t, "ES256")
	if _, _, err := placed.Create(t.Context(), ringURL, &other, nil); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another one: %v", err)
	}
	if state, _ := placed.create(t, nil, nil); state.Signing().ID() != key.Public().ID() {
		t.Error("the key that was there is not the one that signs")
	}
}

func TestCreateChangesSettings(t *testing.T) {
	t.Parallel()
	r := made(t)
	id := r.load(t).Signing().ID()
	state, created := r.create(t, nil, func(s *Settings) {
		s.PreviousIssuers = []string{"https://kubernetes.default.svc.cluster.local"}
		s.APIAudiences = []string{"konnectivity", ringURL}
		s.TokenLifetime = 48 * time.Hour
	})
	if created != Changed || state.Signing().ID() != id {
		t.Errorf("%s", created)
	}
	state = r.load(t)
	if want := []string{ringURL, "https://kubernetes.default.svc.cluster.local", "konnectivity"}; !slices.Equal(state.APIServerAudiences(), want) {
		t.Errorf("audiences %q, want %q", state.APIServerAudiences(), want)
	}
	if state.TokenLifetime != 48*time.Hour || state.AnnounceFor != 2*time.Hour || state.Algorithm != "ES256" {
		t.Errorf("%+v", state.Settings)
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	for want, tc := range map[string]struct {
		url    string
		change func(*Settings)
	}{
		"not an https URL":   {"http://oidc.example.com", nil},
		"a space, a comma":   {"https://oidc.example.com/a,b", nil},
		"as a previous one":  {ringURL, func(s *Settings) { s.PreviousIssuers = []string{ringURL} }},
		"it is empty":        {ringURL, func(s *Settings) { s.APIAudiences = []string{""} }},
		"a quote":            {ringURL, func(s *Settings) { s.APIAudiences = []string{`a"b`} }},
		"use RS256 or ES256": {ringURL, func(s *Settings) { s.Algorithm = "HS256" }},
		"announced for":      {ringURL, func(s *Settings) { s.AnnounceFor = 59 * time.Minute }},
		"longest lifetime":   {ringURL, func(s *Settings) { s.TokenLifetime = time.Minute }},
	} {
		var bad *SettingsError
		_, _, err := r.Create(t.Context(), tc.url, nil, tc.change)
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want a *SettingsError with %q", err, want)
		}
	}
	if _, err := os.Stat(r.SigningKeyFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made nevertheless")
	}
}

// What does not belong together is said, and left as it is.
func TestDamage(t *testing.T) {
	t.Parallel()
	other := generate(t, "ES256")
	otherPEM, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, edit func(string) string) func(*ring) {
		return func(r *ring) {
			path := filepath.Join(r.Dir, name)
			data, _ := os.ReadFile(path)
			if err := os.WriteFile(path, []byte(edit(string(data))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Errorf("no %q in %s", old, s)
			}
			return strings.ReplaceAll(s, old, new)
		}
	}
	foreign := func(string) string { return string(otherPEM) }
	for name, tc := range map[string]struct {
		harm func(*ring)
		want error
		text string
	}{
		"no folder":              {func(r *ring) { os.RemoveAll(r.Dir) }, ErrNoKeyring, ""},
		"no state":               {func(r *ring) { os.Remove(r.StateFile()) }, ErrNoKeyring, ""},
		"empty state":            {write(stateFile, func(string) string { return "" }), ErrKeyringDamaged, ""},
		"state too long":         {write(stateFile, func(string) string { return strings.Repeat(" ", maxKeyringFile+1) }), nil, "is longer than"},
		"unknown field":          {write(stateFile, replace(`"issuer"`, `"isuer"`)), ErrKeyringDamaged, "isuer"},
		"no key signs":           {write(stateFile, replace(`"signs"`, `"retiring"`)), ErrKeyringDamaged, "not one that signs"},
		"unknown state":          {write(stateFile, replace(`"signs"`, `"sings"`)), ErrKeyringDamaged, "no key can be"},
		"a key under other name": {write(stateFile, replace(`"kid": "`, `"kid": "x`)), ErrKeyringDamaged, "is that of"},
		"bad period":             {write(stateFile, replace(`"2h0m0s"`, `"soon"`)), ErrKeyringDamaged, "soon"},
		"no signing key":         {func(r *ring) { os.Remove(r.SigningKeyFile()) }, fs.ErrNotExist, ""},
		"foreign signing key":    {write(signingKeyFile, foreign), ErrKeyringDamaged, other.Public().ID()},
		"signing key is no key":  {write(signingKeyFile, func(string) string { return "x" }), nil, "not a signing key"},
	} {
		r := made(t)
		tc.harm(r)
		before, _ := os.ReadFile(r.SigningKeyFile())
		_, err := r.Rotate(t.Context(), Rotation{Force: true})
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(r.SigningKeyFile()); string(after) != string(before) {
			t.Errorf("%s: the signing key was changed", name)
		}
	}
}

func TestStateRefusesWhatNoRotationMakes(t *testing.T) {
	t.Parallel()
	one, two, three := generate(t, "ES256").Public(), generate(t, "ES256").Public(), generate(t, "ES256").Public()
	for want, keys := range map[string][]RotatingKey{
		"two keys":        {{one, Signs, noon}, {two, Announced, noon}, {three, Announced, noon}},
		"stands twice":    {{one, Signs, noon}, {one, Retiring, noon}},
		"before the next": {{one, Signs, noon}, {two, Announced, noon}, {three, Retiring, noon}},
		"not one that":    {},
	} {
		settings := defaultSettings()
		settings.Issuer = ringURL
		data, err := State{settings, keys}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseState(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestCheckSaysWhatKubeAPIServerWouldMiss(t *testing.T) {
	t.Parallel()
	r := made(t)
	state := r.load(t)
	if err := os.WriteFile(r.PublicKeysFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(state); !errors.Is(err, ErrCutShort) {
		t.Errorf("%v", err)
	}
	// The next run mends it, due or not.
	if _, err := r.Rotate(t.Context(), Rotation{Every: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(state); err != nil {
		t.Error(err)
	}
	if err := os.Remove(r.SigningKeyFile()); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// idsIn are the ids of the keys in a file with several, as kube-apiserver reads it.
func idsIn(t *testing.T, data string) []string {
	t.Helper()
	var ids []string
	for block, rest := pem.Decode([]byte(data)); block != nil; block, rest = pem.Decode(rest) {
		key, err := LoadPublicKey(pem.EncodeToMemory(block))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, key.ID())
	}
	return ids
}

func (r *ring) rotate(t *testing.T, rotation Rotation) Rotated {
	t.Helper()
	done, err := r.Rotate(context.WithoutCancel(t.Context()), rotation)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(done.State); err != nil {
		t.Fatal(err)
	}
	return done
}
