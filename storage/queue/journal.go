package queue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

// KeepOrders is how many journal records in a terminal state are kept, newest first.
const KeepOrders = 1000

// pruneSlack is how many more may pile up before they are pruned, so that not every order costs a
// walk over the journal.
const pruneSlack = 100

// JournalRecord is an order that this node took, and how far it got with it.
type JournalRecord struct {
	Order model.Order        `json:"order"`
	State model.CommandState `json:"state"`
	At    model.Time         `json:"at"` // when it reached State
}

func terminal(s model.CommandState) bool {
	switch s {
	case model.CommandQueued, model.CommandDelivered, model.CommandRunning:
		return false
	}
	return true
}

// Held returns how far this node durably holds what origin sent down; zero if nothing.
//
//	0     4        12
//	| epoch | seq  |     the value in the bucket "held", big-endian
func (q *Queue) Held(origin model.NodeID) (model.Position, error) {
	var p model.Position
	err := q.view(func(tx *bbolt.Tx) (err error) {
		p, err = held(tx, origin)
		return err
	})
	return p, fault.Wrap("read the inbox", err)
}

func held(tx *bbolt.Tx, origin model.NodeID) (model.Position, error) {
	v := tx.Bucket(bucketHeld).Get(origin[:])
	switch len(v) {
	case 0:
		return model.Position{}, nil
	case 12:
		return model.Position{Epoch: model.Epoch(binary.BigEndian.Uint32(v)), Seq: model.Seq(binary.BigEndian.Uint64(v[4:]))}, nil
	}
	return model.Position{}, fault.New(fault.Corrupt, "", "the position held of %s is %d bytes, not 12; restore the queue from a backup", origin, len(v))
}

// Take stores a run of items that came down from origin. Orders that are not in the journal yet enter
// it in the state delivered; other kinds mean nothing to an agent and are passed over; what Held
// covers is skipped. On return the orders and the position of the last item are durable, together.
//
// An order that does not decode is logged and passed over, as one that came in vain: its task expires
// at the site, where people see it, and it must not stop the orders behind it.
func (q *Queue) Take(origin model.NodeID, epoch model.Epoch, items []model.Item) error {
	if len(items) == 0 {
		return nil
	}
	size := 0
	for _, it := range items {
		size += len(it.Payload)
	}
	return q.submit("take orders", size, func(tx *bbolt.Tx, s *state) error {
		at, err := held(tx, origin)
		if err != nil {
			return err
		}
		start := at
		for _, it := range items {
			if at.Covers(epoch, it.Seq) {
				continue
			}
			if it.Kind == model.ItemOrder {
				if err := q.enter(tx, it); err != nil {
					return storeError{err}
				}
			}
			at = model.Position{Epoch: epoch, Seq: it.Seq}
		}
		if at == start {
			return nil
		}
		v := binary.BigEndian.AppendUint32(nil, uint32(at.Epoch))
		if err := tx.Bucket(bucketHeld).Put(origin[:], binary.BigEndian.AppendUint64(v, uint64(at.Seq))); err != nil {
			return storeError{err}
		}
		return nil
	})
}

// enter puts the order of an item into the journal, unless it is there.
func (q *Queue) enter(tx *bbolt.Tx, it model.Item) error {
	rec := JournalRecord{State: model.CommandDelivered, At: model.TimeOf(q.now())}
	if err := model.Decode(it.Payload, &rec.Order); err != nil || rec.Order.Command.ID.IsZero() {
		q.log.Error("an order could not be read and is not run", "key", it.Key, "seq", it.Seq, "err", err)
		return nil
	}
	if tx.Bucket(bucketJournal).Get(rec.Order.Command.ID[:]) != nil {
		return nil
	}
	return putRecord(tx, rec)
}

func putRecord(tx *bbolt.Tx, rec JournalRecord) error {
	v, err := model.Encode(rec)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketJournal).Put(rec.Order.Command.ID[:], seal(v))
}

// Orders returns the journal in the order of the command ids, which is the order of their making.
func (q *Queue) Orders() ([]JournalRecord, error) {
	var out []JournalRecord
	err := q.view(func(tx *bbolt.Tx) error {
		return eachRecord(tx, func(rec JournalRecord) { out = append(out, rec) })
	})
	return out, fault.Wrap("read the journal", err)
}

func eachRecord(tx *bbolt.Tx, fn func(JournalRecord)) error {
	return tx.Bucket(bucketJournal).ForEach(func(_, v []byte) error {
		rec, err := decodeRecord(v)
		if err == nil {
			fn(rec)
		}
		return err
	})
}

func decodeRecord(v []byte) (JournalRecord, error) {
	var rec JournalRecord
	raw, err := unseal(v)
	if err != nil {
		return rec, err
	}
	if err := model.Decode(raw, &rec); err != nil {
		return rec, fault.New(fault.Corrupt, "", "a journal record does not decode (%w); restore the queue from a backup", err)
	}
	return rec, nil
}

// MarkOrder moves an order to a state and appends the items that report it, both together, durable on
// return: before the order is run, and after. So the journal and what the tier above is told cannot
// differ, wherever a crash comes. The state that it has already changes nothing, and appends nothing.
// It fails with fault.NotFound for an order that is not in the journal, with fault.Conflict for one
// that has ended, and as Append does.
//
// The states that an agent can reach are running, succeeded, failed, cancelled and expired; any other
// is fault.Invalid.
func (q *Queue) MarkOrder(id model.CommandID, to model.CommandState, at model.Time, report ...model.Item) error {
	what := "mark order " + id.String()
	switch to {
	case model.CommandRunning, model.CommandSucceeded, model.CommandFailed, model.CommandCancelled, model.CommandExpired:
	default:
		return fault.New(fault.Invalid, what, "%q is not a state that an agent can reach", to)
	}
	values, size, err := encodeItems(what, report)
	if err != nil {
		return err
	}
	return q.submit(what, size, func(tx *bbolt.Tx, s *state) error {
		v := tx.Bucket(bucketJournal).Get(id[:])
		if v == nil {
			return fault.New(fault.NotFound, "", "it is not in the journal")
		}
		rec, err := decodeRecord(v)
		switch {
		case err != nil:
			return err
		case rec.State == to:
			return nil
		case terminal(rec.State):
			return fault.New(fault.Conflict, "", "it has ended as %s and cannot become %s", rec.State, to)
		}
		rec.State, rec.At = to, at
		if err := putRecord(tx, rec); err != nil {
			return storeError{err}
		}
		if err := putAll(tx, s, report, values); err != nil {
			return storeError{err}
		}
		if !terminal(to) {
			return nil
		}
		if s.terminal++; s.terminal <= KeepOrders+pruneSlack {
			return nil
		}
		if err := prune(tx, s); err != nil {
			return storeError{err}
		}
		return nil
	})
}

// prune removes the oldest records in a terminal state until KeepOrders are left.
func prune(tx *bbolt.Tx, s *state) error {
	type ended struct {
		id model.CommandID
		at model.Time
	}
	var all []ended
	err := eachRecord(tx, func(rec JournalRecord) {
		if terminal(rec.State) {
			all = append(all, ended{rec.Order.Command.ID, rec.At})
		}
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b ended) int { // newest first
		if c := cmp.Compare(b.at, a.at); c != 0 {
			return c
		}
		return bytes.Compare(b.id[:], a.id[:])
	})
	for i := KeepOrders; i < len(all); i++ {
		if err := tx.Bucket(bucketJournal).Delete(all[i].id[:]); err != nil {
			return err
		}
	}
	s.terminal = min(len(all), KeepOrders)
	return nil
}

func countTerminal(tx *bbolt.Tx) (int, error) {
	n := 0
	err := eachRecord(tx, func(rec JournalRecord) {
		if terminal(rec.State) {
			n++
		}
	})
	return n, err
}
