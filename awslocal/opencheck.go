package awslocal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// newerError is a schema that this program does not know.
type newerError struct{ version uint64 }

func (e newerError) Error() string { return fmt.Sprintf("schema version %d", e.version) }

// openChecked opens a store's file and looks through all of it once, because
// bbolt has no checksums: it believes what it reads, and panics, or reads
// behind the end of the file, if that was wrong.
func openChecked(path string) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
		if err != nil && db != nil {
			db.Close()
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, err
	}
	return db, db.View(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(path); err != nil {
			return err
		} else if info.Size() < tx.Size() {
			return fmt.Errorf("the file has %d bytes of %d", info.Size(), tx.Size())
		}
		if err := checkSchema(tx); err != nil {
			return err
		}
		if err := checkPages(tx); err != nil {
			return err
		}
		state, err := load(tx)
		if err != nil {
			return err
		}
		return state.check()
	})
}

func checkSchema(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return errors.New("it is not a store of eksauth")
	}
	value := meta.Get([]byte(schemaKey))
	if len(value) != 8 {
		return errors.New("it has no schema version")
	}
	switch version := binary.BigEndian.Uint64(value); {
	case version > schema:
		return newerError{version}
	case version < 1:
		return errors.New("its schema version is 0")
	}
	return nil
}

// checkPages has bbolt check its pages. It goes on until the check has ended,
// because that reads the file in a goroutine of its own.
func checkPages(tx *bbolt.Tx) error {
	var first error
	for err := range tx.Check() {
		if first == nil {
			first = err
		}
	}
	return first
}
