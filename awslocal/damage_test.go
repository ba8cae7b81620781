package awslocal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// bigWorld has enough roles for pages of every sort.
func bigWorld(roles int) *World {
	a := Account{ID: account}
	for i := range roles {
		a.Roles = append(a.Roles, Role{Name: fmt.Sprintf("role-%d", i), TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`})
	}
	return &World{Accounts: []Account{a}}
}

func isDamaged(t *testing.T, err error) {
	t.Helper()
	var refused *OpenError
	if !errors.As(err, &refused) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), StateFile+" is damaged: ") || refused.Hint == "" {
		t.Errorf("Open: %v", err)
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	s := open(t, good)
	apply(t, s, bigWorld(300))
	s.Close()
	file, err := os.ReadFile(filepath.Join(good, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"text":           func([]byte) []byte { return []byte("hello\n") },
		"zeros":          func(b []byte) []byte { return make([]byte, len(b)) },
		"half":           func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"no second half": func(b []byte) []byte { return b[:len(b)/2+100] },
		"two pages":      func(b []byte) []byte { return b[:8192] },
		"one byte":       func(b []byte) []byte { return b[:1] },
		"no data pages":  func(b []byte) []byte { return append(bytes.Clone(b[:8192]), make([]byte, len(b)-8192)...) },
		"noise":          func(b []byte) []byte { return append(bytes.Clone(b[:8192]), noise(len(b)-8192)...) },
		"another content": func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"account":"111122223333"`), []byte(`"account":"111122223334"`))
		},
		"broken JSON": func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"maxSessionDuration":`), []byte(`"maxSessionDuration"!`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, StateFile), damage(bytes.Clone(file)), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, time.Now)
			if err == nil {
				s.Close()
			}
			isDamaged(t, err)
		})
	}
}

func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	random.Read(b)
	return b
}

// Wherever a page is lost, the store is refused or whole: it never panics.
func TestLostPageIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	s := open(t, good)
	apply(t, s, bigWorld(100))
	want := world(t, s)
	s.Close()
	file, err := os.ReadFile(filepath.Join(good, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for page := 0; page < len(file)/4096; page++ {
		dir := t.TempDir()
		damaged := bytes.Clone(file)
		clear(damaged[page*4096 : (page+1)*4096])
		if err := os.WriteFile(filepath.Join(dir, StateFile), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, time.Now)
		if err != nil {
			isDamaged(t, err)
			refused++
			continue
		}
		got, err := s.World()
		s.Close()
		// The page before the last commit's meta page is one world older: empty.
		if err != nil || len(got.Accounts) > 0 && sameWorld(want, got) != "" {
			t.Errorf("without page %d the world is another (%v)", page, err)
		}
	}
	if refused == 0 {
		t.Error("no page was missed")
	}
}

func TestMissingSealingKeyIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir).Close()
	edit(t, dir, func(meta *bbolt.Bucket) error { return meta.Delete([]byte(sealingKey)) })
	_, err := Open(dir, time.Now)
	isDamaged(t, err)
}

func TestForeignBoltFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, StateFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	_, err = Open(dir, time.Now)
	isDamaged(t, err)
	if !strings.Contains(err.Error(), "not a store of eksauth") {
		t.Error(err)
	}
}
