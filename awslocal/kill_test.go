package awslocal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killDirVariable makes the test binary the process that is killed.
const killDirVariable = "EKSAUTH_TEST_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirVariable); dir != "" {
		fmt.Fprintln(os.Stderr, applyForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// applyForever applies one world after another, and writes a line for each
// once it is applied.
func applyForever(dir string) error {
	s, err := Open(dir, time.Now)
	if err != nil {
		return err
	}
	n := 0
	if w, err := s.World(); err != nil {
		return err
	} else if n, err = numberOf(w); err != nil {
		return err
	}
	for {
		n++
		if err := s.Apply(numberedWorld(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// numberedWorld says its number everywhere, and has a user who is in all of
// them and some roles which are not.
func numberedWorld(n int) *World {
	a := Account{ID: account, Alias: "world-" + strconv.Itoa(n), Users: []User{{Name: "ada", Path: fmt.Sprintf("/%d/", n)}}}
	for i := range n%20 + 1 {
		a.Roles = append(a.Roles, Role{
			Name: fmt.Sprintf("role-%d-%d", n%3, i), Path: fmt.Sprintf("/%d/", n),
			TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`,
		})
	}
	return &World{Accounts: []Account{a}}
}

// numberOf is the number of a world that is whole; 0 of none.
func numberOf(w *World) (int, error) {
	if len(w.Accounts) == 0 {
		return 0, nil
	}
	a := w.Accounts[0]
	n, err := strconv.Atoi(strings.TrimPrefix(a.Alias, "world-"))
	if err != nil {
		return 0, err
	}
	want := numberedWorld(n).Accounts[0]
	if len(withoutAdministrator(a.Users)) != 1 || a.Users[0].Path != want.Users[0].Path || len(a.Users[0].AccessKeys) != 1 || len(a.Roles) != len(want.Roles) {
		return 0, fmt.Errorf("world %d is not whole: %+v", n, a)
	}
	for i, r := range a.Roles {
		if r.Name != want.Roles[i].Name || r.Path != want.Roles[i].Path {
			return 0, fmt.Errorf("world %d has the role %s%s, want %s%s", n, r.Path, r.Name, want.Roles[i].Path, want.Roles[i].Name)
		}
	}
	return n, nil
}

// A process is killed again and again while it applies worlds. What it had
// said is there, nothing is there by half, and what was generated at first
// stays.
func TestKilledStoreIsWholeAndHasWhatWasAnswered(t *testing.T) {
	t.Parallel()
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	var ada *User
	total := 0
	for range rounds {
		answered := applyAndKill(t, dir)
		s, err := Open(dir, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		w := world(t, s)
		s.Close()
		n, err := numberOf(w)
		if err != nil {
			t.Fatal(err)
		}
		if n < answered || answered > 0 && n > answered+1 {
			t.Fatalf("the store has world %d, and %d was answered", n, answered)
		}
		total = n
		if n == 0 {
			continue
		}
		u := w.Accounts[0].Users[0]
		if ada != nil && (u.ID != ada.ID || u.AccessKeys[0] != ada.AccessKeys[0]) {
			t.Fatal("the user's id or key changed")
		}
		ada = &u
	}
	if total == 0 {
		t.Error("no world was applied at all")
	}
	if left, err := filepath.Glob(filepath.Join(dir, newFile+"*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// applyAndKill starts a process, kills it after a while and returns the last
// number that it wrote.
func applyAndKill(t *testing.T, dir string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDirVariable+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond+rand.N(150*time.Millisecond), func() { cmd.Process.Kill() })
	last := 0
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break // a line that was cut off is not an answer
		}
		if last, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
			t.Fatalf("the process wrote %q", line)
		}
	}
	cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the process failed: %s", stderr.String())
	}
	return last
}
