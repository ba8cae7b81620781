package drills

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/eksauth/eksauth/internal/pki"
)

// A certificate that somebody else renews, too late: who is connected stays so, a new
// connection is refused, and the new files are served without a start.
func (r *rig) expire(t *testing.T) {
	ca, err := pki.LoadOrCreateCA(r.path("state"), "eksauthd", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(3*time.Second + 2*pause())
	cert, key := r.path("given.crt"), r.path("given.key")
	write := func(issued time.Time) {
		pair, err := ca.Issue(pki.Server("127.0.0.1", "localhost"), issued)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, pair.KeyPEM, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(cert, slices.Concat(pair.CertPEM, ca.PEM()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(end.Add(-365 * 24 * time.Hour))
	given := *r.authenticators[0]
	given.name, given.log = "given", r.path("logs", "given.log")
	given.args = append(slices.Clone(given.args), "--tls-cert", cert, "--tls-key", key)
	given.start(t)
	defer given.stop(t)
	r.signIn.set(given.address)
	defer (&group{r.authenticators, r.signIn}).lead()
	r.signIn.reset()

	l := r.start(t, 4, 4)
	time.Sleep(time.Until(end.Add(pause())))
	l.report(t, "the certificate ended, with connections open")
	l.mustBeUnharmed(t)

	r.signIn.reset()
	client := r.person()
	defer client.CloseIdleConnections()
	if failure := r.whoAmI(client, r.token(t, lateUser), r.users[lateUser].name); failure == "" {
		t.Error("a certificate that has ended is accepted")
	}
	write(time.Now())
	began := time.Now()
	r.signsInAs(t, lateUser, r.users[lateUser].name)
	t.Logf("signed in %s after the new files were there", time.Since(began).Round(100*time.Millisecond))
}

// The disk of the state is full when certificates are due: those that are there are
// served, and new ones are made when there is room.
func (r *rig) fillDisk(t *testing.T) {
	disk := r.path("disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("skipped, this drill mounts a small disk: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	// As it is eleven months after it was made.
	then := time.Now().Add(-340 * 24 * time.Hour)
	authorities, err := pki.LoadOrCreateAuthorities(disk, "eksauthd", then, 0)
	if err != nil {
		t.Fatal(err)
	}
	old, err := authorities[0].Issue(pki.Server("127.0.0.1", "localhost"), then)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"cert.pem": slices.Concat(old.CertPEM, authorities[0].PEM()), "key.pem": old.KeyPEM} {
		if err := os.WriteFile(filepath.Join(disk, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}

	full := *r.authenticators[0]
	full.name, full.log = "full", r.path("logs", "full.log")
	full.args = append(slices.Clone(full.args), "--state-dir", disk)
	full.start(t)
	if !r.serves(t, &full).Equal(old.TLS().Leaf) {
		t.Error("it serves another certificate than the one on the full disk")
	}
	for _, name := range []string{"cert.pem", "key.pem", "ca.crt", "ca.key"} {
		if info, err := os.Stat(filepath.Join(disk, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was lost: %v", name, err)
		}
	}
	full.stop(t)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	full.start(t)
	defer full.stop(t)
	if r.serves(t, &full).Equal(old.TLS().Leaf) {
		t.Error("it serves the old certificate although there is room for a new one")
	}
	t.Logf("state on a full disk: started with the certificate that was there, lost nothing, renewed when there was room")
}
