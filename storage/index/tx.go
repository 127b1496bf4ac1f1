package index

import (
	"encoding/binary"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
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

	atTop bool // as life.atTop, and as this transaction says it is to be

	*txRoom
	sites  []model.Site // that were put
	judged []judgement

	last lastAdvisory
}

// maxBatch bounds what one transaction writes, in bytes: Pebble takes 4 GiB, and all of it is in memory.
const maxBatch = 2 << 30

// lastAdvisory is the record that was read last: whoever replaces one has just looked at it.
type lastAdvisory struct {
	key model.AdvisoryKey
	row model.Advisory
	is  bool // there is such a row
	ok  bool // this is of use
}

// txRoom is what a transaction keeps of hosts. The next one uses it again.
type txRoom struct {
	hosts   map[model.HostID]*hostState
	states  []*[statesN]hostState // room for the states; the first used of them are
	used    int
	queue   []*hostState // to be written
	touched []*hostState // written, or to be written, at least once
	all     []search.Change
	changed []model.HostID // rows of hosts
	arena   []byte         // see keep
	scratch []byte
}

const (
	statesN = 64
	// keepStates and keepArena are how much room is kept for the next transaction.
	keepStates = 4096
	keepArena  = 1 << 20
)

var txRooms = sync.Pool{New: func() any { return &txRoom{hosts: map[model.HostID]*hostState{}} }}

// release forgets what was in the room.
func (m *txRoom) release() {
	if len(m.hosts) > keepStates || cap(m.arena) > keepArena {
		return // too much of it to keep, and maps do not shrink
	}
	clear(m.hosts)
	for i := range (m.used + statesN - 1) / statesN {
		*m.states[i] = [statesN]hostState{}
	}
	clear(m.queue)
	clear(m.touched)
	clear(m.all)
	m.used, m.queue, m.touched, m.all, m.changed, m.arena = 0, m.queue[:0], m.touched[:0], m.all[:0], m.changed[:0], m.arena[:0]
	txRooms.Put(m)
}

// Begin starts a transaction. The caller sees to it that there is one at a time. It panics on a
// closed store.
func (s *Store) Begin() *Tx {
	l := s.use()
	b := l.db.NewIndexedBatch()
	t := &Tx{Reader: Reader{from: b, rows: s.rows, memory: l.memory}, batch: b, store: s, life: l, atTop: l.atTop.Load(), txRoom: txRooms.Get().(*txRoom)}
	t.settle = t.writeHosts
	return t
}

// Discard drops everything written. It does nothing after Commit.
func (t *Tx) Discard() {
	if t.batch == nil {
		return
	}
	_ = t.batch.Close() // a batch that was not committed has nothing to lose
	t.end()
}

// runGrows is how many bytes a transaction writes for each byte of a run that it takes in: the records, and their entries in the indexes,
// the canonicals and the events that come of them.
const runGrows = 4

// makeRoom gives the transaction the room at once that taking in a run needs. Doubled again and again, the room before, and that
// before it, would be in memory as well.
func (t *Tx) makeRoom(n int) error {
	const step = 1 << 20 // below that it is not worth it
	if n = min(n, maxBatch); n < t.batch.Len()+step {
		return nil
	}
	giveBack(n)
	b := t.life.db.NewIndexedBatchWithSize(n)
	if err := caught(func() error { return b.Apply(t.batch, nil) }); err != nil {
		return err
	}
	old := t.batch
	t.batch, t.from = b, b
	return old.Close()
}

func (t *Tx) end() {
	t.batch = nil
	t.from = nil
	t.release()
	t.txRoom = &txRoom{} // what is done to an ended transaction by mistake must not reach another
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
	if err := t.writeHosts(); err != nil {
		return err
	}
	changes, rows := t.changes()
	if err := t.writeJournal(rows); err != nil {
		return err
	}
	if err := t.apply(changes, rows, durable); err != nil {
		return s.fail(op, err)
	}
	s.mu.Lock()
	s.applied = applied
	s.announceLocked()
	s.mu.Unlock()
	return nil
}

// apply commits the batch and brings the index in memory to it, and then waits for the disk where it is to
// be durable. Readers see a commit before it is durable either way; those who wait for it are only told
// afterwards.
func (t *Tx) apply(changes []search.Change, rows []model.HostID, durable bool) error {
	s, db := t.store, t.life.db
	size := t.batch.Len()
	large := size >= s.memBytes/2 // from there on Pebble keeps the batch itself as a table in memory
	if fn := s.tap.Load(); fn != nil {
		(*fn)(t.batch.Repr())
	}
	err := func() error {
		s.applying.Lock()
		defer s.applying.Unlock()
		s.begun.Add(1)
		defer s.done.Add(1)
		if err := caught(func() error { return t.batch.Commit(pebble.NoSync) }); err != nil {
			return err
		}
		t.life.atTop.Store(t.atTop)
		t.remember(changes, rows)
		s.recent.drop(rows)
		s.written.drop(rows)
		return nil
	}()
	if err == nil && durable {
		err = s.makeDurable(db)
	}
	if err == nil && large {
		s.writeOut(db)
		giveBack(size)
	}
	return err
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
	if t.batch.Len()+len(v) > maxBatch {
		return fault.New(fault.TooLarge, "write "+key.Describe(k), "one change writes more than %d MiB; make it in smaller pieces", maxBatch>>20)
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
