package pki

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestKeptPairIsLoadedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	load := func(at time.Time) (*CA, []Pair, SigningKey) {
		t.Helper()
		ca, err := LoadOrCreateCA(dir, "test authority", at)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ca.LoadOrIssue(dir, "server", Server("localhost", "127.0.0.1"), at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ca.LoadOrIssue(dir, "client", Client("ada", "writers", "a-longer-name", "z"), at)
		if err != nil {
			t.Fatal(err)
		}
		k, err := LoadOrCreateSigningKey(dir, "sa")
		if err != nil {
			t.Fatal(err)
		}
		return ca, []Pair{p, c}, k
	}
	ca1, p1, k1 := load(now)
	ca2, p2, k2 := load(now.Add(leafLifetime - renewBefore - day))
	if !bytes.Equal(ca1.PEM(), ca2.PEM()) || !k1.Key.Equal(k2.Key) {
		t.Error("the second load did not return the authority or signing key of the first")
	}
	for i := range p1 {
		if !bytes.Equal(p1[i].CertPEM, p2[i].CertPEM) || !bytes.Equal(p1[i].KeyPEM, p2[i].KeyPEM) {
			t.Errorf("the second load did not return the certificate of the first: %s", p1[i].cert.Subject)
		}
	}
	// The loaded authority signs, too.
	if _, err := handshake(configs(ca1, issue(t, ca2, Server("localhost")), issue(t, ca2, Client("ada")), "localhost", now)); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for file, want := range map[string]fs.FileMode{"ca.key": 0o600, "server.key": 0o600, "sa.key": 0o600, "ca.crt": 0o644, "server.crt": 0o644, "sa.pub": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, error %v; want %v", file, info.Mode(), err, want)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, error %v", info.Mode(), err)
	}
}

func TestLeafIsMadeAnew(t *testing.T) {
	t.Parallel()
	request := Client("ada", "readers")
	for _, tc := range []struct {
		name    string
		request Request
		at      time.Time
		newCA   bool
	}{
		{"when it ends soon", request, now.Add(leafLifetime - renewBefore + time.Minute), false},
		{"when the clock is before it", request, now.Add(-day), false},
		{"when the authority changed", request, now, true},
		{"when the user changed", Client("grace", "readers"), now, false},
		{"when the groups changed", Client("ada", "readers", "writers"), now, false},
		{"when it is to serve", Server("ada"), now, false},
		{"when it is to serve an address", Server("127.0.0.1"), now, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir, ca := t.TempDir(), newTestCA(t)
			before, err := ca.LoadOrIssue(dir, "leaf", request, now)
			if err != nil {
				t.Fatal(err)
			}
			if tc.newCA {
				ca = newTestCA(t)
			}
			after, err := ca.LoadOrIssue(dir, "leaf", tc.request, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(before.CertPEM, after.CertPEM) || bytes.Equal(before.KeyPEM, after.KeyPEM) {
				t.Fatal("the old one was returned")
			}
			again, err := ca.LoadOrIssue(dir, "leaf", tc.request, tc.at)
			if err != nil || !bytes.Equal(again.CertPEM, after.CertPEM) {
				t.Errorf("the new one was not kept: %v", err)
			}
		})
	}
}

func TestServingNamesAddedMakeItAnew(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newTestCA(t)
	names := []string{"localhost"}
	seen := map[string]bool{}
	for _, add := range []string{"kubernetes", "10.0.0.1", "::1"} {
		names = append(names, add)
		p, err := ca.LoadOrIssue(dir, "server", Server(names...), now)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(p.CertPEM)] {
			t.Errorf("with %s added the old certificate was returned", add)
		}
		seen[string(p.CertPEM)] = true
	}
}

func TestAuthorityEndingSoonIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, err := LoadOrCreateCA(dir, "test authority", now)
	if err != nil {
		t.Fatal(err)
	}
	late := now.Add(caLifetime - renewBefore - day)
	same, err := LoadOrCreateCA(dir, "test authority", late)
	if err != nil || !bytes.Equal(before.PEM(), same.PEM()) {
		t.Fatalf("made anew too early, or %v", err)
	}
	// A leaf cannot outlive its authority.
	if p, err := same.Issue(Client("ada"), late); err != nil || p.cert.NotAfter.After(same.cert.NotAfter) {
		t.Errorf("leaf ends %v, authority %v, error %v", p.cert.NotAfter, same.cert.NotAfter, err)
	}
	after, err := LoadOrCreateCA(dir, "test authority", late.Add(2*day))
	if err != nil || bytes.Equal(before.PEM(), after.PEM()) {
		t.Fatalf("not made anew, or %v", err)
	}
}
