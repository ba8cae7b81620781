package oidc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Step is a step of a rotation.
type Step string

// The steps, in their order. After each, the documents must be published and
// kube-apiserver, which reads keys when it starts, restarted.
const (
	Announce Step = "announce" // publish the next key
	Sign     Step = "sign"     // sign with it, and publish the old one still
	Retire   Step = "retire"   // publish the old one no more
)

// Due is a step that will come.
type Due struct {
	Step Step
	// Key that the step is about; the zero one for a step that makes it.
	Key PublicKey
	// At is when the step is due. The zero time: whenever it is asked for.
	At time.Time
}

// Next is the step that comes next. A rotation begins when the signing key has
// signed for every; 0 is at once.
func (s State) Next(every time.Duration) Due {
	if key, ok := s.in(Announced); ok {
		return Due{Sign, key.PublicKey, key.Since.Add(s.AnnounceFor)}
	}
	if key, ok := s.in(Retiring); ok {
		return Due{Retire, key.PublicKey, key.Since.Add(s.TokenLifetime + stepMargin)}
	}
	if every <= 0 {
		return Due{Step: Announce}
	}
	return Due{Step: Announce, At: s.Signing().Since.Add(every)}
}

// Rotation says how to rotate.
type Rotation struct {
	// Every is how long a key signs before a new rotation begins; 0 begins at once.
	Every time.Duration
	// Force takes the next step though it is not due.
	Force bool
	// Change edits the settings first; nil does not.
	Change func(*Settings)
	// Published, if not nil, says which keys relying parties see at the issuer's
	// URL. A key that is not among them does not begin to sign, forced or not.
	Published func(ctx context.Context, issuer string) ([]string, error)
}

// Rotated is what Rotate has done.
type Rotated struct {
	Step   Step      // "" if none was due
	Key    PublicKey // that the step was about
	Forced bool      // it was not due
	State  State     // as it is now
}

// Rotate takes the next step of a rotation if it is due, and one step only. It
// finishes first what a run before was cut short in.
func (k *Keyring) Rotate(ctx context.Context, r Rotation) (Rotated, error) {
	unlock, err := k.lock(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return Rotated{}, fmt.Errorf("%s: %w", k.Dir, ErrNoKeyring)
	}
	if err != nil {
		return Rotated{}, err
	}
	defer unlock()
	state, err := k.Load()
	if err != nil {
		return Rotated{}, err
	}
	if state, _, err = k.change(state, r.Change); err != nil {
		return Rotated{}, err
	}
	if done, err := k.finish(state); done.Step != "" || err != nil {
		return done, err
	}
	due := state.Next(r.Every)
	early := k.now().Before(due.At)
	if early && !r.Force {
		return Rotated{State: state}, nil
	}
	done, err := k.take(ctx, state, due, r)
	done.Forced = early
	return done, err
}

// finish looks whether the private keys are where the state says. A run that was
// cut short while it let the next key sign has put that key into its place.
func (k *Keyring) finish(s State) (Rotated, error) {
	signing, err := k.readKey(k.SigningKeyFile())
	if err != nil {
		return Rotated{}, err
	}
	id := signing.Public().ID()
	if next, ok := s.in(Announced); ok && next.ID() == id {
		return k.promote(s, next, signing)
	}
	if id != s.Signing().ID() {
		return Rotated{}, k.wrongKey(k.SigningKeyFile(), id, s.Signing())
	}
	// After a step that was cut short at its end.
	if next, err := k.readKey(k.nextKeyFile()); err == nil && next.Public().ID() == id {
		return Rotated{}, k.removeNext()
	}
	return Rotated{}, nil
}

func (k *Keyring) take(ctx context.Context, s State, due Due, r Rotation) (Rotated, error) {
	switch due.Step {
	case Sign:
		if err := checkPublished(ctx, s.Issuer, due.Key.ID(), r.Published); err != nil {
			return Rotated{}, err
		}
		return k.letSign(s)
	case Retire:
		return k.retire(s)
	}
	return k.announce(s)
}

func checkPublished(ctx context.Context, issuer, id string, published func(context.Context, string) ([]string, error)) error {
	if published == nil {
		return nil
	}
	ids, err := published(ctx, issuer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPublished, err)
	}
	if !slices.Contains(ids, id) {
		return fmt.Errorf("%w %s", ErrNotPublished, id)
	}
	return nil
}

func (k *Keyring) announce(s State) (Rotated, error) {
	next, err := k.makeNext(s)
	if err != nil {
		return Rotated{}, err
	}
	s.Keys = append(slices.Clone(s.Keys), RotatingKey{next.Public(), Announced, k.now()})
	return Rotated{Step: Announce, Key: next.Public(), State: s}, k.save(s)
}

// makeNext takes a key that a run which was cut short has left: kube-apiserver
// may have read it already.
func (k *Keyring) makeNext(s State) (Key, error) {
	left, err := k.readKey(k.nextKeyFile())
	if err == nil && !s.has(left.Public().ID()) && left.Public().Algorithm() == s.Algorithm {
		return left, nil
	}
	next, err := GenerateKey(s.Algorithm)
	if err != nil {
		return Key{}, err
	}
	return next, k.writeKey(k.nextKeyFile(), next)
}

func (k *Keyring) letSign(s State) (Rotated, error) {
	announced, _ := s.in(Announced)
	next, err := k.readKey(k.nextKeyFile())
	if err != nil {
		return Rotated{}, fmt.Errorf("the next key: %w", err)
	}
	if id := next.Public().ID(); id != announced.ID() {
		return Rotated{}, k.wrongKey(k.nextKeyFile(), id, announced)
	}
	if err := k.writeKey(k.SigningKeyFile(), next); err != nil {
		return Rotated{}, err
	}
	return k.promote(s, announced, next)
}

// promote records that next, which is in its place, signs.
func (k *Keyring) promote(s State, announced RotatingKey, next Key) (Rotated, error) {
	old, now := s.Signing(), k.now()
	s.Keys = []RotatingKey{{announced.PublicKey, Signs, now}, {old.PublicKey, Retiring, now}}
	if err := k.save(s); err != nil {
		return Rotated{}, err
	}
	return Rotated{Step: Sign, Key: next.Public(), State: s}, k.removeNext()
}

func (k *Keyring) removeNext() error {
	err := k.files().remove(k.nextKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (k *Keyring) retire(s State) (Rotated, error) {
	old, _ := s.in(Retiring)
	s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(key RotatingKey) bool { return key.ID() == old.ID() })
	return Rotated{Step: Retire, Key: old.PublicKey, State: s}, k.save(s)
}
