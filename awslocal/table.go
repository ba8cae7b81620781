package awslocal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// table is the name of a bucket that holds records of one type as JSON.
type table[T any] string

// get finds a record.
func (t table[T]) get(tx *bbolt.Tx, key string) (record T, found bool, err error) {
	b := tx.Bucket([]byte(t))
	if b == nil {
		return record, false, fmt.Errorf("there is no table %s", t)
	}
	value := b.Get([]byte(key))
	if value == nil {
		return record, false, nil
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return record, false, fmt.Errorf("%s %s: %w", t, key, err)
	}
	return record, true, nil
}

func (t table[T]) put(tx *bbolt.Tx, key string, record T) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("%s %s: %w", t, key, err)
	}
	b := tx.Bucket([]byte(t))
	if b == nil {
		return fmt.Errorf("there is no table %s", t)
	}
	if bytes.Equal(b.Get([]byte(key)), value) {
		return nil
	}
	return b.Put([]byte(key), value)
}

// each calls f with every record, in the order of the keys.
func (t table[T]) each(tx *bbolt.Tx, f func(key string, record T) error) error {
	b := tx.Bucket([]byte(t))
	if b == nil {
		return fmt.Errorf("there is no table %s", t)
	}
	return b.ForEach(func(key, value []byte) error {
		var record T
		if err := json.Unmarshal(value, &record); err != nil {
			return fmt.Errorf("%s %s: %w", t, key, err)
		}
		return f(string(key), record)
	})
}

// eachOf calls f with every record whose key begins with the account.
func (t table[T]) eachOf(tx *bbolt.Tx, account string, f func(record T)) error {
	return t.eachAt(tx, account+"/", f)
}

// eachAt calls f with every record whose key begins with the prefix.
func (t table[T]) eachAt(tx *bbolt.Tx, prefix string, f func(record T)) error {
	b := tx.Bucket([]byte(t))
	if b == nil {
		return fmt.Errorf("there is no table %s", t)
	}
	cursor := b.Cursor()
	for key, value := cursor.Seek([]byte(prefix)); bytes.HasPrefix(key, []byte(prefix)); key, value = cursor.Next() {
		var record T
		if err := json.Unmarshal(value, &record); err != nil {
			return fmt.Errorf("%s %s: %w", t, key, err)
		}
		f(record)
	}
	return nil
}

// delete removes a record, if it is there.
func (t table[T]) delete(tx *bbolt.Tx, key string) error {
	b := tx.Bucket([]byte(t))
	if b == nil {
		return fmt.Errorf("there is no table %s", t)
	}
	return b.Delete([]byte(key))
}

func (t table[T]) all(tx *bbolt.Tx) (map[string]T, error) {
	records := map[string]T{}
	err := t.each(tx, func(key string, record T) error {
		records[key] = record
		return nil
	})
	return records, err
}

// replace makes records all that the table has, and writes only what differs.
func (t table[T]) replace(tx *bbolt.Tx, records map[string]T) error {
	b := tx.Bucket([]byte(t))
	if b == nil {
		return fmt.Errorf("there is no table %s", t)
	}
	var gone [][]byte // deleting while iterating would skip some
	b.ForEach(func(key, _ []byte) error {
		if _, keep := records[string(key)]; !keep {
			gone = append(gone, bytes.Clone(key))
		}
		return nil
	})
	for _, key := range gone {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if err := t.put(tx, key, records[key]); err != nil {
			return err
		}
	}
	return nil
}
