package awslocal

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
)

const (
	account = "111122223333"
	region  = "us-east-1"
	adaARN  = "arn:aws:iam::111122223333:user/ada.lovelace"
	roleARN = "arn:aws:iam::111122223333:role/awesome.role"
)

func parse(t testing.TB, doc string) *World {
	t.Helper()
	w, err := ParseWorld("world.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func apply(t testing.TB, s *Store, w *World) {
	t.Helper()
	if err := s.Apply(w); err != nil {
		t.Fatal(err)
	}
}

func world(t testing.TB, s *Store) *World {
	t.Helper()
	w, err := s.World()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func credentialsOf(t testing.TB, s *Store, owner string) sigv4.Credentials {
	t.Helper()
	p, err := arn.ParsePrincipal(owner)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Credentials(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sameWorld compares worlds; of policies it compares what they say. The
// administrator whom every account gets is only compared if a names him.
func sameWorld(a, b *World) string {
	theirs := slices.Clone(b.Accounts)
	for i := range min(len(theirs), len(a.Accounts)) {
		if len(theirs[i].Users) == len(a.Accounts[i].Users)+1 {
			theirs[i].Users = withoutAdministrator(theirs[i].Users)
		}
	}
	return cmp.Diff(a.Accounts, theirs, cmp.Transformer("compact", func(p PolicyDocument) string {
		var compact, escaped bytes.Buffer
		if json.Compact(&compact, []byte(p)) != nil {
			return string(p)
		}
		json.HTMLEscape(&escaped, compact.Bytes()) // U+2028 may be written as it is, or escaped
		return escaped.String()
	}), cmp.Transformer("secret", func(s Secret) string { return string(s) }))
}

// withoutAdministrator leaves the administrator out; no users at all are nil.
func withoutAdministrator(users []User) []User {
	var left []User
	for _, u := range users {
		if u.Name != administrator {
			left = append(left, u)
		}
	}
	return left
}
