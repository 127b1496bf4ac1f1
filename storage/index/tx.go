package index

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

var _ apply.Tx = (*Tx)(nil)

// Tx is one transaction: its writes become visible and durable together, or not at all. Its reads see
// its own writes. An iteration sees the rows as they were when it began, whatever fn writes. It is
// for one goroutine and ends with Commit or Discard; after that it must not be used.
type Tx struct {
	Reader
	batch *pebble.Batch
	store *Store
	life  *life
	// directive is the highest Seq given to a directive; 0 until the first one of this transaction.
	directive model.Seq
}

// Begin starts a transaction. The caller sees to it that there is one at a time. It panics on a
// closed store.
func (s *Store) Begin() *Tx {
	l := s.use()
	b := l.db.NewIndexedBatch()
	return &Tx{Reader: Reader{from: b, rows: s.rows}, batch: b, store: s, life: l}
}

// Discard drops everything written. It does nothing after Commit.
func (t *Tx) Discard() {
	if t.batch == nil {
		return
	}
	_ = t.batch.Close() // a batch that was not committed has nothing to lose
	t.end()
}

func (t *Tx) end() {
	t.batch = nil
	t.from = nil
	t.store.unuse(t.life)
}

// Commit makes the writes visible, together with applied, the position in the log that they reach. With
// durable it returns after the fsync; without, a power cut may lose this commit and those after it,
// but never a part of one, and never one before it.
//
// A failure is final: it has kind fault.ReadOnly, and every later Commit fails too, until the store is
// opened anew. The transaction has ended in any case.
func (t *Tx) Commit(applied uint64, durable bool) error {
	const op = "commit to the index"
	if t.batch == nil {
		return fault.New(fault.Conflict, op, "the transaction has ended already")
	}
	s := t.store
	defer t.Discard()
	s.mu.Lock()
	failed, current := s.failed, s.life == t.life
	s.mu.Unlock()
	if failed != nil {
		return failed
	}
	if !current {
		return fault.New(fault.Conflict, op, "the store was closed or replaced during the transaction; begin again")
	}
	if t.directive != 0 {
		if err := t.setNumber(key.MetaDirective, uint64(t.directive)); err != nil {
			return err
		}
	}
	if err := t.setNumber(key.MetaApplied, applied); err != nil {
		return err
	}
	mode := pebble.NoSync
	if durable {
		mode = pebble.Sync
	}
	if err := caught(func() error { return t.batch.Commit(mode) }); err != nil {
		err = fault.New(fault.ReadOnly, op, "%s did not take the write: %w; nothing more is written until the disk is well and this node restarts", s.dir, err)
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
		return err
	}
	s.mu.Lock()
	s.applied = applied
	s.announceLocked()
	s.mu.Unlock()
	return nil
}

func (t *Tx) setNumber(m key.Meta, n uint64) error {
	return t.batch.Set(key.Of(m), binary.BigEndian.AppendUint64(nil, n), nil)
}

// put writes a row.
func (t *Tx) put(k []byte, row any) error {
	v, err := t.rows.encode(row, false)
	if err != nil {
		return fault.Wrap("write "+key.Describe(k), err)
	}
	return t.batch.Set(k, v, nil)
}

func (t *Tx) mark(k []byte) error { return t.batch.Set(k, nil, nil) }

func (t *Tx) remove(k []byte) error { return t.batch.Delete(k, nil) }

// reindex writes and removes the difference between what a row's index entries were and what they are
// to be; both lists are sorted and distinct.
func (t *Tx) reindex(old, now [][]byte) error {
	for len(old) > 0 || len(now) > 0 {
		var err error
		switch c := compareHeads(old, now); {
		case c < 0:
			err = t.remove(old[0])
			old = old[1:]
		case c > 0:
			err = t.mark(now[0])
			now = now[1:]
		default:
			old, now = old[1:], now[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}
