package detail

import (
	"bytes"
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
)

// sweepBatch is how many bodies are removed while Puts wait.
const sweepBatch = 128

// GC removes every body that no record names, and lets Badger give space back. Get, and a Put of
// what is there already, see no difference; other Puts wait for moments only. It costs nothing where no
// record went since the last pass. It ends early with the cause of ctx.
func (s *Store) GC(ctx context.Context) (err error) {
	const op = "clean the detail tier"
	s.mu.Lock()
	loose := s.loose
	s.loose = false
	s.mu.Unlock()
	if !loose {
		return nil
	}
	defer func() {
		if err != nil {
			s.loosen()
		}
	}()
	removed := 0
	var after []byte
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		orphans, next, err := s.orphans(after)
		if err != nil {
			return fault.Wrap(op, err)
		}
		n, err := s.remove(op, orphans)
		if err != nil {
			return err
		}
		removed += n
		if next == nil {
			break
		}
		after = next
	}
	if removed > 0 {
		s.log.Debug("bodies that no record names were removed", "folder", s.dir, "bodies", removed)
	}
	for ctx.Err() == nil {
		err := s.db.RunValueLogGC(0.5)
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			return nil
		}
		if err != nil {
			return fault.New(fault.Other, op, "%w", err)
		}
	}
	return context.Cause(ctx)
}

// orphans returns up to sweepBatch bodies behind the key after that no record names at this moment,
// and the key to go on after; nil at the end. Bodies and their users stand in the same order, so
// that one walk over both compares them.
func (s *Store) orphans(after []byte) (sums []digest, next []byte, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		o := badger.IteratorOptions{Prefix: []byte{prefixBody}}
		bodies := tx.NewIterator(o)
		defer bodies.Close()
		o.Prefix = []byte{prefixUser}
		users := tx.NewIterator(o)
		defer users.Close()
		from := []byte{prefixBody}
		if after != nil {
			from = append(bytes.Clone(after), 0)
		}
		for bodies.Seek(from); bodies.Valid(); bodies.Next() {
			k := bodies.Item().Key()
			if len(k) != 1+len(digest{}) {
				return fault.New(fault.Corrupt, "", "a body's key is %d bytes; restore the folder from a backup", len(k))
			}
			sum := digest(k[1:])
			if used(users, sum) {
				continue
			}
			sums = append(sums, sum)
			if len(sums) == sweepBatch {
				next = bytes.Clone(k)
				return nil
			}
		}
		return nil
	})
	return sums, next, err
}

// used reports whether a record names sum.
func used(users *badger.Iterator, sum digest) bool {
	key := usersKey(sum)
	users.Seek(key)
	return users.ValidForPrefix(key)
}

// remove deletes those of the bodies that still no record names, while no Put is under way.
func (s *Store) remove(op string, sums []digest) (n int, err error) {
	if len(sums) == 0 {
		return 0, nil
	}
	s.sweep.Lock()
	defer s.sweep.Unlock()
	var gone []digest
	err = s.update(op, func(tx *badger.Txn) error {
		n, gone = 0, gone[:0]
		// Only one iterator may be open in a transaction that writes.
		users := tx.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixUser}})
		defer users.Close()
		for _, sum := range sums {
			if used(users, sum) {
				continue
			}
			if err := tx.Delete(bodyKey(sum)); err != nil {
				return err
			}
			n++
			gone = append(gone, sum)
		}
		return nil
	})
	if err == nil {
		for _, sum := range gone {
			s.markDamaged(sum, false)
		}
	}
	return n, err
}
