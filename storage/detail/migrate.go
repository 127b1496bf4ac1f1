package detail

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// keyMigrate is there while rows of an older format are left; its value is that format.
var keyMigrate = []byte("mmigrate")

// migrateBatch is how many hosts' pointers are brought forward in one transaction.
const migrateBatch = 200

// migrate brings the rows of format 1 forward: each pointer becomes version 1, and the bodies are named by
// that instead of by the pointer. No body is touched and nothing is removed that the new rows do not say, so
// that no copy is made before. Where it is cut off, the next Open goes on.
func (s *Store) migrate() error {
	var pending bool
	err := s.db.View(func(tx *badger.Txn) error {
		_, err := tx.Get(keyMigrate)
		pending = err == nil
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !pending {
		return err
	}
	n := 0
	for {
		keys, err := s.oldPointers()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		if err := s.update("migrate the detail tier", func(tx *badger.Txn) error {
			for _, k := range keys {
				if err := bringForward(tx, k, s.aging.now()); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		n += len(keys)
	}
	s.log.Info("the detail tier was brought to a newer format", "folder", s.dir, "format", Format, "bodies_of_hosts", n)
	return s.update("migrate the detail tier", func(tx *badger.Txn) error { return tx.Delete(keyMigrate) })
}

// oldPointers returns the keys of some pointers of format 1; none: all are brought forward.
func (s *Store) oldPointers() (keys [][]byte, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixPointer}})
		defer it.Close()
		for it.Rewind(); it.Valid() && len(keys) < migrateBatch; it.Next() {
			if it.Item().ValueSize() == pointerLen1 {
				keys = append(keys, it.Item().KeyCopy(nil))
			}
		}
		return nil
	})
	return keys, err
}

func bringForward(tx *badger.Txn, key []byte, age int64) error {
	if len(key) != 18 {
		return fault.New(fault.Corrupt, "", "a pointer's key is %d bytes; restore the folder from a backup", len(key))
	}
	host, kind := model.HostID(key[1:17]), Kind(key[17])
	p, found, err := getPointer(tx, host, kind)
	if err != nil || !found || p.n != 0 {
		return err
	}
	r := record{at: p.asOf, asOf: p.asOf, age: age, sum: p.sum}
	row, err := tx.Get(bodyKey(p.sum))
	switch {
	case err == nil:
		err = row.Value(func(v []byte) error {
			if len(v) >= 5 {
				r.size = binary.BigEndian.Uint32(v[1:])
			}
			return nil
		})
	case errors.Is(err, badger.ErrKeyNotFound):
		err = nil // reading it will say so
	}
	if err != nil {
		return err
	}
	if err := putRecord(tx, versionKey(host, kind, 1), r); err != nil {
		return err
	}
	if err := tx.Delete(append(usersKey(p.sum), bytes.Clone(key[1:])...)); err != nil {
		return err
	}
	p.n = 1
	return tx.Set(pointerKey(host, kind), p.encode())
}
