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
	old := false
	err = db.View(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(path); err != nil {
			return err
		} else if info.Size() < tx.Size() {
			return fmt.Errorf("the file has %d bytes of %d", info.Size(), tx.Size())
		}
		version, err := checkSchema(tx)
		if err != nil {
			return err
		}
		if err := checkPages(tx); err != nil {
			return err
		}
		if old = version < schema; old {
			return nil
		}
		return checkContent(tx)
	})
	if err == nil && old {
		err = db.Update(upgrade)
	}
	return db, err
}

// upgrade makes a store of an earlier schema one of this schema, if its content
// is good. From then on earlier programs leave it alone.
func upgrade(tx *bbolt.Tx) error {
	for _, name := range tables() { // providers since schema 2, groups and policies since 3
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	if err := putSchema(tx.Bucket([]byte(metaBucket))); err != nil {
		return err
	}
	return checkContent(tx)
}

func checkContent(tx *bbolt.Tx) error {
	state, err := load(tx)
	if err != nil {
		return err
	}
	return state.check()
}

func putSchema(meta *bbolt.Bucket) error {
	return meta.Put([]byte(schemaKey), binary.BigEndian.AppendUint64(nil, schema))
}

func checkSchema(tx *bbolt.Tx) (version uint64, err error) {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return 0, errors.New("it is not a store of eksauth")
	}
	value := meta.Get([]byte(schemaKey))
	if len(value) != 8 {
		return 0, errors.New("it has no schema version")
	}
	version = binary.BigEndian.Uint64(value)
	switch {
	case version > schema:
		return version, newerError{version}
	case version < 1:
		return version, errors.New("its schema version is 0")
	}
	return version, nil
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
