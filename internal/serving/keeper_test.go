package serving

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

func newKeeper(t *testing.T, names ...string) (*Keeper, *time.Time) {
	now := time.Now()
	log, _ := newLog()
	return &Keeper{Dir: filepath.Join(t.TempDir(), "state"), Names: names, Now: func() time.Time { return now }, Log: log}, &now
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// authority is what a client of the kept pair must trust.
func authority(t *testing.T, k *Keeper) []byte {
	t.Helper()
	c := &Certificates{CertFile: k.CertFile(), KeyFile: k.KeyFile(), Log: k.Log}
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	return c.Authority()
}

func keep(t *testing.T, k *Keeper) []byte {
	t.Helper()
	if err := k.Keep(); err != nil {
		t.Fatal(err)
	}
	return read(t, k.CertFile())
}

func TestKeepsACertificate(t *testing.T) {
	t.Parallel()
	k, now := newKeeper(t, "localhost", "127.0.0.1")
	first := keep(t, k)
	trusted := authority(t, k)
	if info, err := os.Stat(k.KeyFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", info.Mode(), err)
	}
	c := &Certificates{CertFile: k.CertFile(), KeyFile: k.KeyFile(), Log: k.Log}
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	if got := c.NotAfter().Sub(*now); got < 364*day {
		t.Errorf("it is valid for %s, want a year", got)
	}
	if !c.HasAuthority() {
		t.Error("its authority is not with it")
	}

	*now = now.Add(300 * day)
	if !bytes.Equal(keep(t, k), first) {
		t.Error("replaced two months before its end")
	}
	*now = now.Add(36 * day)
	second := keep(t, k)
	if bytes.Equal(second, first) {
		t.Error("not replaced a month before its end")
	}
	if !bytes.Equal(authority(t, k), trusted) {
		t.Error("another authority: who trusts the one before must be told")
	}

	k.Names = append(k.Names, "eksauthd.kube-system.svc")
	if bytes.Equal(keep(t, k), second) {
		t.Error("not replaced although it lacks a name")
	}
	if !bytes.Equal(authority(t, k), trusted) {
		t.Error("another authority for another name")
	}
}

func TestKeeperMendsARunCutShort(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(k *Keeper) error{
		"no key":         func(k *Keeper) error { return os.Remove(k.KeyFile()) },
		"no certificate": func(k *Keeper) error { return os.Remove(k.CertFile()) },
		"another key": func(k *Keeper) error {
			other, _ := newKeeper(t, "x")
			keep(t, other)
			return os.Rename(other.KeyFile(), k.KeyFile())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, _ := newKeeper(t, "localhost")
			keep(t, k)
			trusted := authority(t, k)
			if err := spoil(k); err != nil {
				t.Fatal(err)
			}
			keep(t, k)
			if !bytes.Equal(authority(t, k), trusted) {
				t.Error("another authority")
			}
		})
	}
}

// A pair that aws-iam-authenticator made is what a running API server trusts.
func TestKeeperLeavesAForeignPair(t *testing.T) {
	t.Parallel()
	k, now := newKeeper(t, "localhost")
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := writePair(t, k.Dir, newCA(t), false, "elsewhere")
	for from, to := range map[string]string{cert: k.CertFile(), key: k.KeyFile()} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	before := read(t, k.CertFile())
	*now = now.Add(360 * day)
	if !bytes.Equal(keep(t, k), before) {
		t.Error("it was replaced")
	}
	if files, err := os.ReadDir(k.Dir); err != nil || len(files) != 2 {
		t.Errorf("%v %v", files, err)
	}
	*now = now.Add(6 * day)
	if err := k.Keep(); err == nil || !strings.Contains(err.Error(), "not ours to renew") {
		t.Errorf("ended: %v", err)
	}
	if err := os.WriteFile(k.CertFile(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Keep(); err == nil || !strings.Contains(err.Error(), "delete both") {
		t.Errorf("damaged: %v", err)
	}
}

func TestKeeperRunEnds(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t, "localhost")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}
