package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/filelock"
)

const (
	stateFile      = "issuer.json"
	signingKeyFile = "signing-key.pem"
	nextKeyFile    = "next-key.pem"
	publicKeysFile = "public-keys.pem"
	lockName       = "lock"

	// maxKeyringFile bounds what is read of any of them.
	maxKeyringFile = 256 << 10

	// lockPatience is for another process's step, which takes less than a second.
	lockPatience = 10 * time.Second
)

var (
	// ErrNoKeyring says that a folder holds no issuer.
	ErrNoKeyring = errors.New("there is no issuer in the folder")
	// ErrKeyringBusy says that another process changes the folder.
	ErrKeyringBusy = errors.New("another process is changing the issuer's keys")
	// ErrOtherIssuer says that the folder is that of an issuer with another URL.
	ErrOtherIssuer = errors.New("the folder is another issuer's")
	// ErrOtherKey says that the folder has a signing key already.
	ErrOtherKey = errors.New("the folder has another signing key")
	// ErrKeyringDamaged says that files do not belong together; nothing is
	// changed then.
	ErrKeyringDamaged = errors.New("the issuer's files do not belong together")
	// ErrCutShort says that a step was cut short; the next Rotate finishes it.
	ErrCutShort = errors.New("a step was cut short")
	// ErrNotPublished says that relying parties cannot know a key yet.
	ErrNotPublished = errors.New("the issuer's URL does not publish the next key")
)

// Keyring is a folder with an issuer's name, its keys and the state of their
// rotation. The names of its files stay the same through every rotation:
//
//	signing-key.pem   the private key that signs, for kube-apiserver
//	public-keys.pem   every key that verifies, for kube-apiserver
//	next-key.pem      the private key that will sign next, while there is one
//	issuer.json       the state; it holds nothing secret
//
// The state is written last, so that a process which ends at any moment leaves a
// folder that works, and the next step mends the rest. Steps of several processes
// wait for one another.
type Keyring struct {
	Dir string
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	disk disk // nil means the real one
}

// disk is what changes files; tests make it fail.
type disk interface {
	write(path string, data []byte, perm fs.FileMode) error
	remove(path string) error
}

type realDisk struct{}

func (realDisk) write(path string, data []byte, perm fs.FileMode) error {
	return atomicfile.Write(path, data, perm)
}

func (realDisk) remove(path string) error { return os.Remove(path) }

func (k *Keyring) files() disk {
	if k.disk == nil {
		return realDisk{}
	}
	return k.disk
}

// SigningKeyFile is the path of the private key that signs, for kube-apiserver's
// --service-account-signing-key-file.
func (k *Keyring) SigningKeyFile() string { return filepath.Join(k.Dir, signingKeyFile) }

// PublicKeysFile is the path of all public keys, for kube-apiserver's
// --service-account-key-file.
func (k *Keyring) PublicKeysFile() string { return filepath.Join(k.Dir, publicKeysFile) }

// StateFile is the path of the state, which tells when something has changed.
func (k *Keyring) StateFile() string { return filepath.Join(k.Dir, stateFile) }

func (k *Keyring) nextKeyFile() string { return filepath.Join(k.Dir, nextKeyFile) }

// Load reads the state and no private key.
func (k *Keyring) Load() (State, error) {
	data, err := readKeyringFile(k.StateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("%s: %w", k.Dir, ErrNoKeyring)
	}
	if err != nil {
		return State{}, err
	}
	state, err := parseState(data)
	if err != nil {
		return State{}, fmt.Errorf("%s: %w: %w", k.StateFile(), ErrKeyringDamaged, err)
	}
	return state, nil
}

// Check reports what would keep kube-apiserver from signing and verifying as the
// state says.
func (k *Keyring) Check(s State) error {
	signing, err := k.readKey(k.SigningKeyFile())
	if err != nil {
		return err
	}
	id := signing.Public().ID()
	if next, ok := s.in(Announced); ok && id == next.ID() {
		return fmt.Errorf("%w: the key %s signs already", ErrCutShort, id)
	}
	if id != s.Signing().ID() {
		return k.wrongKey(k.SigningKeyFile(), id, s.Signing())
	}
	want, err := s.publicPEM()
	if err != nil {
		return err
	}
	data, err := readKeyringFile(k.PublicKeysFile())
	if err != nil {
		return err
	}
	if string(data) != string(want) {
		return fmt.Errorf("%w: %s does not hold the keys that are published", ErrCutShort, k.PublicKeysFile())
	}
	return nil
}

func (k *Keyring) wrongKey(path, id string, want RotatingKey) error {
	return fmt.Errorf("%w: %s is the key %s; it should be %s", ErrKeyringDamaged, path, id, want.ID())
}

// Created says what Create has done.
type Created string

// What Create has done.
const (
	Made      Created = "made"
	Changed   Created = "changed" // the settings of an issuer that was there
	Unchanged Created = "unchanged"
)

// Create makes the issuer that tokens name by url, or finds it. change edits the
// settings: the defaults, or those that are there. The signing key is adopt, or a
// new one; a key that is there is never replaced.
func (k *Keyring) Create(ctx context.Context, url string, adopt *Key, change func(*Settings)) (State, Created, error) {
	if err := checkIssuerName(url); err != nil {
		return State{}, "", err
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return State{}, "", err
	}
	unlock, err := k.lock(ctx)
	if err != nil {
		return State{}, "", err
	}
	defer unlock()
	state, err := k.Load()
	switch {
	case errors.Is(err, ErrNoKeyring):
		state, err = k.create(url, adopt, change)
		return state, Made, err
	case err != nil:
		return State{}, "", err
	case state.Issuer != url:
		return State{}, "", fmt.Errorf("%w: %s", ErrOtherIssuer, state.Issuer)
	case adopt != nil && !state.has(adopt.Public().ID()):
		return State{}, "", fmt.Errorf("%w: %s", ErrOtherKey, state.Signing().ID())
	}
	return k.change(state, change)
}

func (k *Keyring) create(url string, adopt *Key, change func(*Settings)) (State, error) {
	settings := defaultSettings()
	settings.Issuer = url
	if change != nil {
		change(&settings)
	}
	if err := settings.check(); err != nil {
		return State{}, err
	}
	key, err := k.firstSigningKey(adopt, settings.Algorithm)
	if err != nil {
		return State{}, err
	}
	state := State{Settings: settings, Keys: []RotatingKey{{PublicKey: key.Public(), State: Signs, Since: k.now()}}}
	return state, k.save(state)
}

// firstSigningKey keeps a key that is there: a run that was cut short has left
// it, or somebody has put it.
func (k *Keyring) firstSigningKey(adopt *Key, algorithm string) (Key, error) {
	found, err := k.readKey(k.SigningKeyFile())
	switch {
	case err == nil && adopt != nil && adopt.Public().ID() != found.Public().ID():
		return Key{}, fmt.Errorf("%w: %s", ErrOtherKey, found.Public().ID())
	case err == nil:
		return found, nil
	case !errors.Is(err, fs.ErrNotExist):
		return Key{}, err
	}
	var key Key
	if adopt != nil {
		key = *adopt
	} else if key, err = GenerateKey(algorithm); err != nil {
		return Key{}, err
	}
	return key, k.writeKey(k.SigningKeyFile(), key)
}

func (k *Keyring) change(state State, change func(*Settings)) (State, Created, error) {
	before := state.Settings
	if change != nil {
		change(&state.Settings)
	}
	if err := state.Settings.check(); err != nil {
		return State{}, "", err
	}
	if state.Settings.equal(before) {
		return state, Unchanged, k.writePublic(state)
	}
	return state, Changed, k.save(state)
}

// save writes what kube-apiserver reads, then the state.
func (k *Keyring) save(s State) error {
	if err := k.writePublic(s); err != nil {
		return err
	}
	data, err := s.encode()
	if err != nil {
		return err
	}
	return k.files().write(k.StateFile(), data, 0o644)
}

func (k *Keyring) writePublic(s State) error {
	data, err := s.publicPEM()
	if err != nil {
		return err
	}
	if old, err := readKeyringFile(k.PublicKeysFile()); err == nil && string(old) == string(data) {
		return nil
	}
	return k.files().write(k.PublicKeysFile(), data, 0o644)
}

func (k *Keyring) readKey(path string) (Key, error) {
	data, err := readKeyringFile(path)
	if err != nil {
		return Key{}, err
	}
	key, err := LoadKey(data)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func (k *Keyring) writeKey(path string, key Key) error {
	data, err := key.PEM()
	if err != nil {
		return err
	}
	return k.files().write(path, data, 0o600)
}

func (k *Keyring) now() time.Time { return clock(k.Now).UTC().Truncate(time.Second) }

// lock waits a little for a step of another process.
func (k *Keyring) lock(ctx context.Context) (unlock func(), err error) {
	if _, err := os.Stat(k.Dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	f, err := filelock.Wait(ctx, filepath.Join(k.Dir, lockName))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%s: %w", k.Dir, ErrKeyringBusy)
	}
	if err != nil {
		return nil, err
	}
	if err := k.sweep(); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// sweep removes what runs that were killed while they wrote a file have left:
// there may be a private key in it.
func (k *Keyring) sweep() error {
	entries, err := os.ReadDir(k.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, name := range []string{stateFile, signingKeyFile, nextKeyFile, publicKeysFile} {
			if !strings.HasPrefix(e.Name(), "."+name+".") {
				continue
			}
			if err := os.Remove(filepath.Join(k.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func readKeyringFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyringFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyringFile {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxKeyringFile)
	}
	return data, nil
}
