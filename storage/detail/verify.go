package detail

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerryhq/skerry/engine/fault"
)

// Verified is what Verify found of the bodies.
type Verified struct {
	Bodies  int      // that were read
	Damaged int      // of them
	First   []string // what is wrong with the first maxNamed of those
}

const maxNamed = 100

// Verify reads the whole store: every table by its sums, and every body by its digest. A body that is not what it was is
// counted, and stored again when the same is reported again: it hurts nobody but who asks for it. The error has the kind
// Corrupt where the store itself is damaged, so that writing to it cannot be relied on. It takes as long as
// reading the folder does, and ends early with the cause of ctx.
func (s *Store) Verify(ctx context.Context) (v Verified, err error) {
	op := "verify the detail tier " + s.dir
	// Badger reads through maps of its files: of one that was cut short, the end is a fault of memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Corrupt, op, "a file of it makes no sense: %v", r)
		}
	}()
	if err := s.db.VerifyChecksum(); err != nil {
		return v, fault.New(fault.Corrupt, op, "a table is not what its sums say: %w", err)
	}
	err = s.db.View(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = []byte{prefixBody}
		o.PrefetchSize = 16
		it := tx.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if v.Bodies++; v.Bodies%64 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var sum digest
			if copy(sum[:], it.Item().Key()[1:]) != len(sum) {
				return fault.New(fault.Corrupt, op, "a key of it has %d bytes", len(it.Item().Key()))
			}
			if _, err := s.readBody(it.Item(), sum); err != nil {
				if v.Damaged++; len(v.First) < maxNamed {
					v.First = append(v.First, err.Error())
				}
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && !fault.Is(err, fault.Corrupt) {
		err = fault.New(fault.Corrupt, op, "%w", fmt.Errorf("after %d bodies: %w", v.Bodies, err))
	}
	return v, err
}

// Damaged returns how many bodies were found damaged, by Verify or by whoever read them, and are not whole again.
func (s *Store) Damaged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.damaged)
}

// readBody returns the body of a row, and remembers whether it is damaged.
func (s *Store) readBody(row *badger.Item, sum digest) (body []byte, err error) {
	err = row.Value(func(v []byte) error {
		body, err = s.unpack(v, sum)
		return err
	})
	if err != nil && fault.KindOf(err) == fault.Other { // of the file that it is in
		err = damagedBody(sum, "%w", err)
	}
	if fault.Is(err, fault.Corrupt) {
		s.markDamaged(sum, true)
	}
	return body, err
}

// damagedBody is the error of one body that is not what it was.
func damagedBody(sum digest, why string, args ...any) error {
	return fault.New(fault.Corrupt, "", "the body %s is damaged: "+why+"; have the agents that reported it send their inventory again", append([]any{sum}, args...)...)
}
