package oidc

import (
	"errors"
	"fmt"
	"slices"
)

// KeySet is an issuer's keys: one signs, all are published. It is immutable.
//
// A rotation that nobody notices has three steps. [KeySet.Announce] the next
// public key, and wait until relying parties know it: kube-apiserver lets them
// cache its answer for an hour. Let it [KeySet.Sign], which keeps the old one
// published, and wait until the last token of the old one has expired. Then
// [KeySet.Retire] the old one.
type KeySet struct {
	signing Key
	others  []PublicKey
}

// NewKeySet is a set whose signing key comes first. A key that is named twice is
// published once.
func NewKeySet(signing Key, others ...PublicKey) (KeySet, error) {
	if signing.signer == nil {
		return KeySet{}, errors.New("a key set needs a signing key")
	}
	s := KeySet{signing: signing}
	for _, k := range others {
		s = s.Announce(k)
	}
	return s, nil
}

// Signing is the key that signs.
func (s KeySet) Signing() Key { return s.signing }

// Public is every published key, the signing one first.
func (s KeySet) Public() []PublicKey {
	return append([]PublicKey{s.signing.public}, s.others...)
}

// Announce publishes one more key, last.
func (s KeySet) Announce(next PublicKey) KeySet {
	if slices.ContainsFunc(s.Public(), func(k PublicKey) bool { return k.id == next.id }) {
		return s
	}
	s.others = append(slices.Clip(s.others), next) // the array behind others is shared
	return s
}

// Sign makes next the key that signs; the one that signed stays published.
func (s KeySet) Sign(next Key) (KeySet, error) {
	return NewKeySet(next, s.Public()...)
}

// Retire stops publishing a key: its tokens are worth nothing from then on. The
// key that signs cannot be retired.
func (s KeySet) Retire(id string) (KeySet, error) {
	if id == s.signing.public.id {
		return s, fmt.Errorf("the key %.80q signs; let another one sign before it is retired", id)
	}
	i := slices.IndexFunc(s.others, func(k PublicKey) bool { return k.id == id })
	if i < 0 {
		return s, fmt.Errorf("no key %.80q is published", id)
	}
	s.others = slices.Delete(slices.Clone(s.others), i, i+1)
	return s, nil
}
