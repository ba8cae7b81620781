package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// cacheTime is how long relying parties may keep the documents.
	cacheTime = time.Hour

	// stepMargin is what a step leaves people to publish the documents and to
	// restart kube-apiserver.
	stepMargin = time.Hour

	defaultTokenLifetime = 24 * time.Hour // of EKS's webhook, and of kubelets' tokens for AWS
	minTokenLifetime     = time.Hour      // the least that kube-apiserver's own bound may be
)

// KeyState is what a key of a [Keyring] does.
type KeyState string

// The states, in the order in which a key goes through them. All three are
// published.
const (
	Announced KeyState = "announced" // will sign
	Signs     KeyState = "signs"
	Retiring  KeyState = "retiring" // signed, and its tokens are still about
)

// RotatingKey is a public key and where it is in its life.
type RotatingKey struct {
	PublicKey
	State KeyState
	Since time.Time
}

// Settings are what an issuer's keys do not say.
type Settings struct {
	Issuer string
	// PreviousIssuers are names of the cluster's issuer in tokens that are
	// accepted still.
	PreviousIssuers []string
	// APIAudiences are the API server's own, beside the issuers.
	APIAudiences []string
	// Algorithm of the keys that are made: RS256 or ES256.
	Algorithm string
	// AnnounceFor is how long a key is published before it signs.
	AnnounceFor time.Duration
	// TokenLifetime is the longest that a token is valid. A key is published for
	// an hour more when it does not sign any longer.
	TokenLifetime time.Duration
}

func defaultSettings() Settings {
	return Settings{Algorithm: "RS256", AnnounceFor: cacheTime + stepMargin, TokenLifetime: defaultTokenLifetime}
}

func (s Settings) equal(t Settings) bool {
	return s.Issuer == t.Issuer && slices.Equal(s.PreviousIssuers, t.PreviousIssuers) && slices.Equal(s.APIAudiences, t.APIAudiences) &&
		s.Algorithm == t.Algorithm && s.AnnounceFor == t.AnnounceFor && s.TokenLifetime == t.TokenLifetime
}

// SettingsError says which setting cannot be used, and why.
type SettingsError struct{ Message string }

func (e *SettingsError) Error() string { return e.Message }

func badSetting(format string, args ...any) error {
	return &SettingsError{fmt.Sprintf(format, args...)}
}

func (s Settings) check() error {
	if err := checkIssuerName(s.Issuer); err != nil {
		return err
	}
	for _, name := range slices.Concat(s.PreviousIssuers, s.APIAudiences) {
		if err := checkListed(name); err != nil {
			return err
		}
	}
	switch {
	case slices.Contains(s.PreviousIssuers, s.Issuer):
		return badSetting("the issuer is named as a previous one as well")
	case s.Algorithm != "RS256" && s.Algorithm != "ES256":
		return badSetting("cannot make keys for the algorithm %.20q; use RS256 or ES256", s.Algorithm)
	case s.AnnounceFor < cacheTime:
		return badSetting("a key must be announced for %s at least, not %s: that long relying parties may keep the documents before it", cacheTime, s.AnnounceFor)
	case s.TokenLifetime < minTokenLifetime || s.TokenLifetime > maxLifetime:
		return badSetting("the longest lifetime of a token may be %s to %s, not %s: those are kube-apiserver's bounds", minTokenLifetime, maxLifetime, s.TokenLifetime)
	}
	return nil
}

// checkIssuerName is for the name of an issuer that kube-apiserver shall have.
func checkIssuerName(url string) error {
	if _, err := parseIssuerURL(url); err != nil {
		return badSetting("%s", err)
	}
	return checkListed(url)
}

// checkListed holds what can stand in kube-apiserver's --api-audiences, which is
// read as CSV.
func checkListed(name string) error {
	if name == "" || strings.ContainsAny(name, "\",") || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return badSetting("%.100q cannot be named in kube-apiserver's flags: it is empty, or has a space, a comma or a quote", name)
	}
	return nil
}

// State is a [Keyring] as it was when it was read. It holds nothing secret.
type State struct {
	Settings
	Keys []RotatingKey // the one that signs first
}

// Signing is the key that signs.
func (s State) Signing() RotatingKey { return s.Keys[0] }

func (s State) has(id string) bool {
	return slices.ContainsFunc(s.Keys, func(k RotatingKey) bool { return k.ID() == id })
}

// in is the key in that state, if there is one.
func (s State) in(state KeyState) (RotatingKey, bool) {
	for _, k := range s.Keys {
		if k.State == state {
			return k, true
		}
	}
	return RotatingKey{}, false
}

// APIServerIssuers are those that kube-apiserver accepts; it signs with the first.
func (s State) APIServerIssuers() []string {
	return append([]string{s.Issuer}, s.PreviousIssuers...)
}

// APIServerAudiences are those that a token for the API server itself may have.
// kube-apiserver's default are its issuers, and it puts all of them into a token
// that was asked for without an audience, so those must be among them.
func (s State) APIServerAudiences() []string {
	var audiences []string
	for _, a := range slices.Concat(s.APIServerIssuers(), s.APIAudiences) {
		if !slices.Contains(audiences, a) {
			audiences = append(audiences, a)
		}
	}
	return audiences
}

func (s State) publicKeys() []PublicKey {
	var keys []PublicKey
	for _, k := range s.Keys {
		keys = append(keys, k.PublicKey)
	}
	return keys
}

func (s State) publicPEM() ([]byte, error) {
	var all []byte
	for _, k := range s.Keys {
		data, err := k.PEM()
		if err != nil {
			return nil, err
		}
		all = append(all, data...)
	}
	return all, nil
}

// storedState is a State in its file.
type storedState struct {
	Issuer          string      `json:"issuer"`
	PreviousIssuers []string    `json:"previousIssuers,omitempty"`
	APIAudiences    []string    `json:"apiAudiences,omitempty"`
	Algorithm       string      `json:"algorithm"`
	AnnounceFor     string      `json:"announceFor"`
	TokenLifetime   string      `json:"tokenLifetime"`
	Keys            []storedKey `json:"keys"`
}

type storedKey struct {
	ID        string    `json:"kid"`
	State     KeyState  `json:"state"`
	Since     time.Time `json:"since"`
	PublicKey string    `json:"publicKey"`
}

func (s State) encode() ([]byte, error) {
	stored := storedState{s.Issuer, s.PreviousIssuers, s.APIAudiences, s.Algorithm, s.AnnounceFor.String(), s.TokenLifetime.String(), nil}
	for _, k := range s.Keys {
		public, err := k.PEM()
		if err != nil {
			return nil, err
		}
		stored.Keys = append(stored.Keys, storedKey{k.ID(), k.State, k.Since, string(public)})
	}
	data, err := json.MarshalIndent(stored, "", "  ")
	return append(data, '\n'), err
}

func parseState(data []byte) (State, error) {
	var stored storedState
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return State{}, err
	}
	s := State{Settings: Settings{
		Issuer: stored.Issuer, PreviousIssuers: stored.PreviousIssuers, APIAudiences: stored.APIAudiences, Algorithm: stored.Algorithm,
	}}
	var announceErr, lifetimeErr error
	s.AnnounceFor, announceErr = time.ParseDuration(stored.AnnounceFor)
	s.TokenLifetime, lifetimeErr = time.ParseDuration(stored.TokenLifetime)
	if err := errors.Join(announceErr, lifetimeErr, s.Settings.check()); err != nil {
		return State{}, err
	}
	for _, k := range stored.Keys {
		key, err := k.parse()
		if err != nil {
			return State{}, err
		}
		if s.has(key.ID()) {
			return State{}, fmt.Errorf("the key %s stands twice", key.ID())
		}
		if _, taken := s.in(key.State); taken {
			return State{}, fmt.Errorf("two keys are in the state %s", key.State)
		}
		s.Keys = append(s.Keys, key)
	}
	if len(s.Keys) == 0 || s.Signing().State != Signs {
		return State{}, errors.New("the first key is not one that signs")
	}
	if len(s.Keys) > 2 {
		return State{}, errors.New("a key is announced and another one retires; a rotation ends before the next begins")
	}
	return s, nil
}

func (k storedKey) parse() (RotatingKey, error) {
	public, err := LoadPublicKey([]byte(k.PublicKey))
	if err != nil {
		return RotatingKey{}, fmt.Errorf("key %.80q: %w", k.ID, err)
	}
	if public.ID() != k.ID {
		return RotatingKey{}, fmt.Errorf("key %.80q: its public key is that of %s", k.ID, public.ID())
	}
	if k.State != Announced && k.State != Signs && k.State != Retiring {
		return RotatingKey{}, fmt.Errorf("key %.80q: no key can be %.20q", k.ID, k.State)
	}
	return RotatingKey{PublicKey: public, State: k.State, Since: k.Since}, nil
}
