package awslocal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/sts"
)

const (
	// StateFile is the name of the store's file in its data directory.
	StateFile = "state.db"

	newFile = "." + StateFile + "." // and something random: while it is made
	pidFile = "pid"                 // of who has the store open; only for the message to others

	// lockTimeout is for a process that is just ending.
	lockTimeout = time.Second
)

// The bucket of what a store is, and its keys.
const (
	metaBucket = "meta"
	schemaKey  = "schema"  // big-endian number
	sealingKey = "sealing" // of session tokens
)

// Store is the state of a local AWS, in one file of a data directory. What a
// method has returned is on the disk, whatever happens to the process then.
// Methods may be called from any number of goroutines.
type Store struct {
	dir    string
	db     *bbolt.DB
	sealer *sts.Sealer
	now    func() time.Time
	memo   memo
}

// Open opens the store in dir, and makes both if they are not there. Until Close
// no other process can open it. now is the clock by which objects are created.
//
// Errors about the state of the directory are *OpenError.
func Open(dir string, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, StateFile)
	if err := create(dir, path); err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	db, err := openChecked(path)
	if err != nil {
		return nil, openError(dir, err)
	}
	s := &Store{dir: dir, db: db, now: now}
	if err := s.begin(path); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// begin does what remains to be done once the store is locked.
func (s *Store) begin(path string) error {
	clean(s.dir)
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	var key []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		key = append(key, tx.Bucket([]byte(metaBucket)).Get([]byte(sealingKey))...)
		return nil
	})
	if err != nil {
		return err
	}
	if s.sealer, err = sts.NewSealer(key); err != nil {
		return damaged(s.dir, err.Error())
	}
	return atomicfile.Write(filepath.Join(s.dir, pidFile), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
}

// Close lets other processes open the store.
func (s *Store) Close() error {
	os.Remove(filepath.Join(s.dir, pidFile)) // not ours any more in a moment
	return s.db.Close()
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// Sessions seals session tokens with the store's own key: they are good for as
// long as the store's file is kept.
func (s *Store) Sessions() *sts.Sealer { return s.sealer }

// create makes a new state file, whole or not at all: bbolt alone would leave a
// torn one if it is killed at the wrong moment. Of several processes that try,
// one wins.
func create(dir, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.CreateTemp(dir, newFile+"*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	tmp.Close()
	db, err := bbolt.Open(tmp.Name(), 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(initialise), db.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace what another process has made.
	if err = os.Link(tmp.Name(), path); err != nil {
		if _, there := os.Lstat(path); there == nil {
			return nil
		}
	}
	return err
}

// clean removes what a process left that was killed in create.
func clean(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, newFile+"*")) // the pattern is good
	for _, path := range left {
		os.Remove(path)
	}
}

// initialise makes what every store has.
func initialise(tx *bbolt.Tx) error {
	for _, name := range tables() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	meta, err := tx.CreateBucket([]byte(metaBucket))
	if err != nil {
		return err
	}
	key := make([]byte, sts.SealKeySize)
	rand.Read(key) // does not fail
	if err := meta.Put([]byte(sealingKey), key); err != nil {
		return err
	}
	return putSchema(meta)
}

func tables() []string {
	return []string{string(accountTable), string(userTable), string(roleTable), string(keyTable), string(clusterTable), string(providerTable), string(groupTable), string(policyTable)}
}

// openError tells what openChecked found in words for people.
func openError(dir string, err error) error {
	var newer newerError
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		e := &OpenError{Dir: dir, Message: "another process is using it", Hint: "stop that one, or give this one another --data-dir", Err: ErrLocked}
		if pid := readPID(dir); pid != "" {
			e.Message += " (pid " + pid + ")"
		}
		return e
	case errors.As(err, &newer):
		return &OpenError{
			Dir: dir, Err: ErrNewer,
			Message: fmt.Sprintf("its state has schema version %d, and this program knows versions up to %d", newer.version, schema),
			Hint:    "use the newer eksauth that made it, or another --data-dir",
		}
	case errors.Is(err, fs.ErrPermission):
		return &OpenError{Dir: dir, Message: err.Error(), Hint: "give a --data-dir of your own", Err: err}
	case errors.As(err, new(syscall.Errno)): // the system's refusal says nothing about the file
		return &OpenError{Dir: dir, Message: err.Error(), Err: err}
	}
	return damaged(dir, err.Error())
}

func damaged(dir, what string) *OpenError {
	return &OpenError{
		Dir: dir, Err: ErrDamaged,
		Message: StateFile + " is damaged: " + what,
		Hint:    "restore it from a backup, or move it away to begin anew: generated ids and keys are lost then",
	}
}

// readPID is who has the store open, as far as the file can be believed.
func readPID(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return ""
	}
	return strconv.Itoa(pid)
}
