package sts

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/arn"
)

func newSealer(t testing.TB, key []byte) *Sealer {
	t.Helper()
	s, err := NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func someSession(t testing.TB) Session {
	return Session{
		Identity: arn.Identity{
			Principal:   principal(t, "arn:aws:sts::111122223333:assumed-role/awesome.role/ada"),
			UserID:      "AROAAWESOMEAWESOMEAW",
			AccessKeyID: "ASIAAAAAAAAAAAAAAAAA",
		},
		Role:           principal(t, roleARN),
		Issued:         time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC),
		Expires:        time.Date(2026, 11, 23, 8, 4, 50, 0, time.UTC),
		Chained:        true,
		SourceIdentity: "ada@example.com",
		Tags:           []Tag{{Key: "team", Value: "blue & <green>", Transitive: true}, {Key: "empty"}},
		Policy:         allowing("eks:ListClusters"),
	}
}

func TestSealedSessionOpensWithTheSameKeyAfterARestart(t *testing.T) {
	t.Parallel()
	want := someSession(t)
	token, err := newSealer(t, sealKey()).Seal(want, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	got, secret, err := newSealer(t, sealKey()).Open(token, want.Identity.AccessKeyID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	if secret != "s3cret" {
		t.Errorf("secret %q", secret)
	}
}

func TestTwoTokensOfOneSessionDiffer(t *testing.T) {
	t.Parallel()
	s := newSealer(t, sealKey())
	one, err1 := s.Seal(someSession(t), "s3cret")
	two, err2 := s.Seal(someSession(t), "s3cret")
	if err1 != nil || err2 != nil || one == two {
		t.Errorf("%v %v: tokens equal: %t", err1, err2, one == two)
	}
}

func TestOpenRefusesEveryChangedCharacter(t *testing.T) {
	t.Parallel()
	s := newSealer(t, sealKey())
	session := someSession(t)
	token, err := s.Seal(session, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		changed := []byte(token)
		changed[i] = 'A'
		if token[i] == 'A' {
			changed[i] = 'B'
		}
		if _, _, err := s.Open(string(changed), session.Identity.AccessKeyID); !errors.Is(err, ErrSessionToken) {
			t.Fatalf("character %d changed: %v", i, err)
		}
		if _, _, err := s.Open(token[:i], session.Identity.AccessKeyID); !errors.Is(err, ErrSessionToken) {
			t.Fatalf("cut to %d characters: %v", i, err)
		}
	}
}

func TestOpenRefusesWhatIsNotThisToken(t *testing.T) {
	t.Parallel()
	s := newSealer(t, sealKey())
	session := someSession(t)
	id := session.Identity.AccessKeyID
	token, err := s.Seal(session, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	otherKey := sealKey()
	otherKey[0]++
	plain := func(text string) string {
		return sealPrefix + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(text), additionalData(id)))
	}
	if _, _, err := s.Open(plain(`{"k":"x","p":"`+adaARN+`","u":"AIDA","i":1,"e":2}`), id); err != nil {
		t.Fatalf("the control case does not open: %v", err)
	}
	tests := []struct {
		name   string
		sealer *Sealer
		token  string
		id     string
	}{
		{"another key", newSealer(t, otherKey), token, id},
		{"another access key id", s, token, "ASIABBBBBBBBBBBBBBBB"},
		{"no access key id", s, token, ""},
		{"empty", s, "", id},
		{"prefix alone", s, sealPrefix, id},
		{"another version", s, "eksauth2." + strings.TrimPrefix(token, sealPrefix), id},
		{"appended to", s, token + "A", id},
		{"a line break inside", s, token[:40] + "\n" + token[40:], id},
		{"padding", s, token + "=", id},
		{"the real service's", s, "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ", id},
		{"too long", s, sealPrefix + strings.Repeat("A", MaxSessionToken), id},
		{"no secret", s, plain(`{"p":"` + adaARN + `","u":"AIDA","i":1,"e":2}`), id},
		{"no principal", s, plain(`{"k":"x","u":"AIDA","i":1,"e":2}`), id},
		{"role that is none", s, plain(`{"k":"x","p":"` + adaARN + `","r":"role","u":"AIDA","i":1,"e":2}`), id},
		{"a restriction of a later version", s, plain(`{"k":"x","p":"` + adaARN + `","u":"AIDA","i":1,"e":2,"policy":"{}"}`), id},
		{"two documents", s, plain(`{"k":"x","p":"` + adaARN + `","u":"AIDA","i":1,"e":2}{}`), id},
		{"sealed by us, but too long", s, plain(`{"k":"` + strings.Repeat("x", MaxSessionToken) + `","p":"` + adaARN + `","u":"AIDA","i":1,"e":2}`), id},
		{"not JSON", s, plain(`k=x`), id},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			session, secret, err := test.sealer.Open(test.token, test.id)
			if !errors.Is(err, ErrSessionToken) || secret != "" || session.Identity.Kind != 0 {
				t.Errorf("opened: %v %v", session, err)
			}
			if test.token != "" && err != nil && strings.Contains(err.Error(), test.token) {
				t.Error("the error repeats the token")
			}
		})
	}
}

func TestTokenHasOneSpellingOnly(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	s := newSealer(t, sealKey())
	session := someSession(t)
	// Of three secrets of successive lengths, two leave bits of the last
	// character unused.
	tried := 0
	for _, secret := range []string{"x", "xx", "xxx"} {
		token, err := s.Seal(session, secret)
		if err != nil {
			t.Fatal(err)
		}
		if len(strings.TrimPrefix(token, sealPrefix))%4 == 0 {
			continue
		}
		tried++
		last := strings.IndexByte(alphabet, token[len(token)-1])
		other := token[:len(token)-1] + string(alphabet[last+1])
		if _, _, err := s.Open(other, session.Identity.AccessKeyID); !errors.Is(err, ErrSessionToken) {
			t.Errorf("opens with other unused bits: %v", err)
		}
	}
	if tried != 2 {
		t.Errorf("%d tokens had unused bits", tried)
	}
}

func TestExpiredSessionStillOpensSoThatItsOwnerCanBeTold(t *testing.T) {
	t.Parallel()
	s := newSealer(t, sealKey())
	session := someSession(t)
	session.Expires = time.Unix(0, 0).UTC()
	token, err := s.Seal(session, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Open(token, session.Identity.AccessKeyID)
	if err != nil || !got.Expires.Equal(session.Expires) {
		t.Errorf("%v %v", got.Expires, err)
	}
}

func TestSessionThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	session := someSession(t)
	for range 30 {
		session.Tags = append(session.Tags, Tag{Key: strings.Repeat("k", 128), Value: strings.Repeat("v", 256)})
	}
	if token, err := newSealer(t, sealKey()).Seal(session, "s3cret"); !errors.Is(err, ErrSessionTooLarge) || token != "" {
		t.Errorf("%d characters, %v", len(token), err)
	}
}

func TestSealKeyMustHaveItsSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 16, 31, 33, 64} {
		if _, err := NewSealer(make([]byte, size)); err == nil {
			t.Errorf("a key of %d bytes is accepted", size)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	s := newSealer(f, sealKey())
	session := someSession(f)
	token, err := s.Seal(session, "s3cret")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token, session.Identity.AccessKeyID)
	f.Add(token, "ASIABBBBBBBBBBBBBBBB")
	f.Add(token[:len(token)-1], session.Identity.AccessKeyID)
	f.Add(sealPrefix, "")
	f.Add("IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ", "ASIAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text, id string) {
		got, _, err := s.Open(text, id)
		if err == nil && !cmp.Equal(got, session) {
			t.Errorf("forged: %q with %q opens as %v", text, id, got)
		}
		if err != nil && !errors.Is(err, ErrSessionToken) {
			t.Errorf("error %v", err)
		}
	})
}
