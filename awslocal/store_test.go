package awslocal

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/sts"
)

func TestStoreKeepsTheWholeWorld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := parse(t, full)
	s := open(t, dir)
	apply(t, s, w)
	if diff := sameWorld(w, world(t, s)); diff != "" {
		t.Errorf("the world became another: %s", diff)
	}
	s.Close()
	s = open(t, dir)
	if diff := sameWorld(w, world(t, s)); diff != "" {
		t.Errorf("the world became another on disk: %s", diff)
	}
}

// What is exported is a world file that makes the same world elsewhere.
func TestWorldIsTheSameInAnotherStore(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{full, string(DefaultWorldYAML())} {
		first := open(t, t.TempDir())
		apply(t, first, parse(t, doc))
		exported := world(t, first)
		text, err := exported.YAML()
		if err != nil {
			t.Fatal(err)
		}
		second := open(t, t.TempDir())
		apply(t, second, parse(t, string(text)))
		if diff := sameWorld(exported, world(t, second)); diff != "" {
			t.Errorf("the world became another: %s\n%s", diff, text)
		}
	}
}

func TestGeneratedFormsAreAWSs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, base))
	a := world(t, s).Accounts[0]
	for _, tc := range []struct{ got, shape string }{
		{a.Users[0].ID, `^AIDA[A-Z2-7]{17}$`},
		{a.Roles[0].ID, `^AROA[A-Z2-7]{17}$`},
		{a.Users[0].AccessKeys[0].ID, `^AKIA[A-Z2-7]{16}$`},
		{string(a.Users[0].AccessKeys[0].Secret), `^[A-Za-z0-9/+]{40}$`},
	} {
		if !regexp.MustCompile(tc.shape).MatchString(tc.got) {
			t.Errorf("%q does not match %s", tc.got, tc.shape)
		}
	}
}

func TestApplyKeepsWhatWasGenerated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	apply(t, s, parse(t, base))
	before := world(t, s)

	apply(t, s, parse(t, base))
	if diff := sameWorld(before, world(t, s)); diff != "" {
		t.Errorf("applied again: %s", diff)
	}
	s.Close()
	s = open(t, dir)
	// Another path and another spelling is the same user to IAM.
	apply(t, s, parse(t, strings.Replace(base, "- name: ada", "- name: Ada\n        path: /staff/", 1)))
	ada, was := world(t, s).Accounts[0].Users[0], before.Accounts[0].Users[0]
	if ada.ID != was.ID || len(ada.AccessKeys) != 1 || ada.AccessKeys[0] != was.AccessKeys[0] {
		t.Errorf("the user was %+v and is %+v", was, ada)
	}
	if key, err := s.AccessKey(t.Context(), was.AccessKeys[0].ID); err != nil || key.Owner.String() != "arn:aws:iam::111122223333:user/staff/Ada" {
		t.Errorf("her key belongs to %s (%v)", key.Owner.Principal, err)
	}
	// Written down as it was generated, it is still the generated one.
	exported, err := world(t, s).YAML()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, parse(t, string(exported)))
	apply(t, s, parse(t, base))
	if got := world(t, s).Accounts[0].Users[0].AccessKeys; len(got) != 1 || got[0] != was.AccessKeys[0] {
		t.Error("the generated key is another after it stood in a file")
	}
}

func TestApplyRemovesWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, full))
	apply(t, s, parse(t, base))
	w := world(t, s)
	if len(w.Accounts) != 1 || len(withoutAdministrator(w.Accounts[0].Users)) != 1 || w.Accounts[0].RootAccessKeys != nil {
		t.Errorf("left over: %+v", w)
	}
	for _, key := range []string{"AKIAROOTROOTROOTROOT", "AKIAIOSFODNN7EXAMPLE"} {
		if _, err := s.AccessKey(t.Context(), key); !errors.Is(err, sts.ErrNotFound) {
			t.Errorf("access key %s: %v", key, err)
		}
	}
	// A user who comes back is not the same user.
	gone := w.Accounts[0].Users[0]
	apply(t, s, parse(t, full))
	apply(t, s, parse(t, base))
	if back := world(t, s).Accounts[0].Users[0]; back.ID == gone.ID || back.AccessKeys[0] == gone.AccessKeys[0] {
		t.Error("a user who was removed came back with the old id or key")
	}
}

func TestApplyAccessKeys(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	with := func(keys string) AccessKeys {
		apply(t, s, parse(t, strings.Replace(base, "- name: ada", "- name: ada\n        accessKeys: "+keys, 1)))
		return world(t, s).Accounts[0].Users[0].AccessKeys
	}
	two := with("[{}, {status: Inactive}]")
	if len(two) != 2 || two[0].ID == two[1].ID || two[1].Status != Inactive {
		t.Fatalf("two keys are %+v", two)
	}
	if one := with("[{}]"); len(one) != 1 || one[0] != two[0] {
		t.Errorf("one key is %+v, want the first of %+v", one, two)
	}
	if off := with("[{status: Inactive}]"); off[0].ID != two[0].ID || off[0].Status != Inactive {
		t.Errorf("the key became %+v", off)
	}
	given := with("[{id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG}, {}]")
	if given[0].ID != "AKIAIOSFODNN7EXAMPLE" || given[1].ID != two[0].ID {
		t.Errorf("a given and a generated key are %+v", given)
	}
	if changed := with("[{id: AKIAIOSFODNN7EXAMPLE, secret: anotherSecretAnother}]"); changed[0].Secret != "anotherSecretAnother" {
		t.Error("the secret was not changed")
	}
	if none := with("[]"); none == nil || len(none) != 0 {
		t.Errorf("no keys are %+v", none)
	}
	// Somebody else's given key cannot stay somebody's generated one as well.
	mine := with("[{}]")[0]
	apply(t, s, parse(t, strings.Replace(base, "- name: ada", "- name: ada\n      - name: bob\n        accessKeys: [{id: "+mine.ID+", secret: "+string(mine.Secret)+"}]", 1)))
	users := world(t, s).Accounts[0].Users
	if users[1].AccessKeys[0] != mine || len(users[0].AccessKeys) != 1 || users[0].AccessKeys[0].ID == mine.ID {
		t.Errorf("the keys are %+v", users)
	}
}

func TestApplyRefusesFaults(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, base))
	before := world(t, s)
	w := parse(t, base)
	w.Accounts[0].Users[0].Name = "a/b"
	var fault *WorldError
	if err := s.Apply(w); !errors.As(err, &fault) || !strings.Contains(err.Error(), "world: accounts[0].users[0].name: ") {
		t.Errorf("Apply: %v", err)
	}
	if diff := sameWorld(before, world(t, s)); diff != "" {
		t.Errorf("a refused world changed the store: %s", diff)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if empty, err := s.Empty(); !empty || err != nil {
		t.Errorf("new: %v, %v", empty, err)
	}
	if _, err := s.FirstUser(); !errors.Is(err, sts.ErrNotFound) {
		t.Errorf("FirstUser: %v", err)
	}
	apply(t, s, parse(t, base))
	if empty, err := s.Empty(); empty || err != nil {
		t.Errorf("after a world: %v, %v", empty, err)
	}
}

func TestDefaultWorldIsTheMissions(t *testing.T) {
	t.Parallel()
	w, err := DefaultWorld()
	if err != nil || len(w.Warnings()) > 0 {
		t.Fatal(err, w.Warnings())
	}
	s := open(t, t.TempDir())
	apply(t, s, w)
	first, err := s.FirstUser()
	if err != nil || first.String() != adaARN {
		t.Errorf("the first user is %s (%v)", first, err)
	}
	credentialsOf(t, s, adaARN)
	credentialsOf(t, s, "arn:aws:iam::111122223333:user/charles.babbage")
	root, _ := arn.ParsePrincipal("arn:aws:iam::111122223333:root")
	if _, err := s.Credentials(root); !errors.Is(err, sts.ErrNotFound) {
		t.Errorf("root has credentials: %v", err)
	}
	dev, err := s.Cluster("dev")
	if err != nil || dev.ARN().String() != "arn:aws:eks:us-east-1:111122223333:cluster/dev" || dev.AuthenticationMode != ConfigMapMode {
		t.Fatalf("cluster dev: %+v, %v", dev, err)
	}
	if got := s.trusts(t, "awesome.app", "https://127.0.0.1:4430", "system:serviceaccount:awesome-app:awesome-app"); got {
		t.Error("awesome.app trusts an issuer that is not there")
	}
	setIssuer(t, s, "dev", "https://127.0.0.1:4430")
	for subject, want := range map[string]bool{
		"system:serviceaccount:awesome-app:awesome-app": true,
		"system:serviceaccount:awesome-app:default":     false,
		"system:serviceaccount:default:awesome-app":     false,
	} {
		if got := s.trusts(t, "awesome.app", "https://127.0.0.1:4430", subject); got != want {
			t.Errorf("awesome.app trusts %s: %t", subject, got)
		}
	}
	doc, err := dev.Mappings()
	if err != nil || len(doc.Faults) > 0 {
		t.Fatal(err, doc.Faults)
	}
	table := awsauth.NewTable(doc)
	for principal, want := range map[string]string{
		adaARN: "ada.lovelace [awesome-app-admin]",
		"arn:aws:sts::111122223333:assumed-role/awesome.role/s":  "awesome.role [awesome-app-admin]",
		"arn:aws:iam::111122223333:user/charles.babbage":         "nobody",
		"arn:aws:iam::111122223333:root":                         "nobody",
		"arn:aws:iam::444455556666:user/ada.lovelace":            "nobody",
		"arn:aws:sts::111122223333:assumed-role/another.role/s":  "nobody",
		"arn:aws-cn:iam::111122223333:user/ada.lovelace":         "nobody",
		"arn:aws:sts::111122223333:federated-user/ada.lovelace":  "nobody",
		"arn:aws:sts::444455556666:assumed-role/awesome.role/s2": "nobody",
	} {
		p, err := arn.ParsePrincipal(principal)
		if err != nil {
			t.Fatal(err)
		}
		got := "nobody"
		if m, err := table.Map(arn.Identity{Principal: p}); err == nil {
			got = m.Username + " [" + strings.Join(m.Groups, " ") + "]"
		}
		if got != want {
			t.Errorf("%s is %s, want %s", principal, got, want)
		}
	}
}

func TestDirectoryFindsRolesAsIAMDoes(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	apply(t, s, parse(t, full))
	for _, tc := range []struct {
		asked string
		found bool
	}{
		{"arn:aws:iam::111122223333:role/team/awesome.role", true},
		{"arn:aws:iam::111122223333:role/awesome.role", true}, // the caller compares the path
		{"arn:aws:iam::111122223333:role/AWESOME.role", true}, // and the case
		{"arn:aws:iam::444455556666:role/awesome.role", false},
		{"arn:aws:iam::999999999999:role/awesome.role", false},
		{"arn:aws-cn:iam::111122223333:role/team/awesome.role", false},
		{"arn:aws:iam::111122223333:role/ada.lovelace", false},
	} {
		p, err := arn.ParsePrincipal(tc.asked)
		if err != nil {
			t.Fatal(err)
		}
		role, err := s.Role(t.Context(), p)
		if tc.found != (err == nil) || err != nil && !errors.Is(err, sts.ErrNotFound) {
			t.Errorf("Role(%s) = %v", tc.asked, err)
			continue
		}
		if !tc.found {
			continue
		}
		if role.Principal.String() != "arn:aws:iam::111122223333:role/team/awesome.role" || role.ID != "AROAAWESOMEAWESOMEAWE" ||
			role.MaxSessionDuration != 2*time.Hour || len(role.TrustPolicy.Statements) != 2 {
			t.Errorf("Role(%s) = %+v", tc.asked, role)
		}
	}
}

func TestSecondProcessIsToldWhoHasTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, time.Now)
	var refused *OpenError
	if !errors.As(err, &refused) || !errors.Is(err, ErrLocked) || refused.Hint == "" {
		t.Fatalf("Open: %v", err)
	}
	if want := "data directory " + dir + ": another process is using it (pid " + strconv.Itoa(os.Getpid()) + ")"; err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	s.Close()
	if _, err := os.Stat(filepath.Join(dir, pidFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pid file is still there: %v", err)
	}
	open(t, dir)
}

// Of processes that start at once in a new directory one gets it, and none
// finds it half made.
func TestOneOfManyMakesTheStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	stores := make(chan *Store, 8)
	var tries sync.WaitGroup
	for range cap(stores) {
		tries.Go(func() {
			s, err := Open(dir, time.Now)
			switch {
			case err == nil:
				stores <- s
			case !errors.Is(err, ErrLocked):
				t.Error(err)
			}
		})
	}
	tries.Wait()
	if n := len(stores); n != 1 {
		t.Fatalf("%d have the store open", n)
	}
	s := <-stores
	apply(t, s, parse(t, base))
	s.Close()
	if w := world(t, open(t, dir)); len(w.Accounts) != 1 {
		t.Errorf("the world is lost: %+v", w)
	}
}

func TestWhatTheSystemRefusesIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, StateFile), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, time.Now)
	var refused *OpenError
	if !errors.As(err, &refused) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("Open: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir).Close()
	edit(t, dir, func(meta *bbolt.Bucket) error {
		return meta.Put([]byte(schemaKey), binary.BigEndian.AppendUint64(nil, schema+1))
	})
	_, err := Open(dir, time.Now)
	var refused *OpenError
	if !errors.As(err, &refused) || !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema version 4, and this program knows versions up to 3") || refused.Hint == "" {
		t.Errorf("Open: %v", err)
	}
}

// edit changes a closed store behind its back.
func edit(t *testing.T, dir string, f func(meta *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, StateFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { return f(tx.Bucket([]byte(metaBucket))) }); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	apply(t, s, parse(t, base))
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, StateFile: 0o600, pidFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), want)
		}
	}
	s.Close()
	os.Chmod(filepath.Join(dir, StateFile), 0o644)
	open(t, dir)
	if info, _ := os.Stat(filepath.Join(dir, StateFile)); info.Mode() != 0o600 {
		t.Errorf("a loose mode stayed: %v", info.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("left in the directory: %v", entries)
	}
}
