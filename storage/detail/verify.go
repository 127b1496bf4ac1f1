package detail

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerryhq/skerry/engine/fault"
)

// Verify reads the whole store: every table by its sums, and every body by its digest. The kind is Corrupt where
// something is not what it was; the error names the first such body and says how many there are. It takes as long as
// reading the folder does, and ends early with the cause of ctx.
func (s *Store) Verify(ctx context.Context) (err error) {
	op := "verify the detail tier " + s.dir
	// Badger reads through maps of its files: of one that was cut short, the end is a fault of memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Corrupt, op, "a file of it makes no sense: %v", r)
		}
	}()
	if err := s.db.VerifyChecksum(); err != nil {
		return fault.New(fault.Corrupt, op, "a table is not what its sums say: %w", err)
	}
	var first error
	damaged, read := 0, 0
	err = s.db.View(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = []byte{prefixBody}
		o.PrefetchSize = 16
		it := tx.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if read++; read%64 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var sum digest
			if copy(sum[:], it.Item().Key()[1:]) != len(sum) {
				return fault.New(fault.Corrupt, op, "a key of it has %d bytes", len(it.Item().Key()))
			}
			err := it.Item().Value(func(v []byte) error {
				_, err := s.unpack(v, sum)
				return err
			})
			if err != nil {
				if damaged++; first == nil {
					first = err
				}
			}
		}
		return nil
	})
	if err == nil && first != nil {
		err = fault.New(fault.Corrupt, op, "%d of %d bodies are damaged; the first: %w", damaged, read, first)
	}
	if err != nil && ctx.Err() == nil && !fault.Is(err, fault.Corrupt) {
		err = fault.New(fault.Corrupt, op, "%w", fmt.Errorf("after %d bodies: %w", read, err))
	}
	return err
}
