package queue

import (
	"bytes"
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

// Append stores items, in this order and all or none, numbered from Head()+1 on; it returns the
// number of the last one, or Head() where items is empty. The Seq that they carry is ignored. Each
// takes the place of a waiting item of the same key and the same family of kinds, and a whole row that of
// its status; events (model.ItemKind.Event) never take a place nor lose one. On return they are durable.
//
// It fails with fault.Invalid or fault.TooLarge for an item that could never be sent.
func (q *Queue) Append(items []model.Item) (model.Seq, error) {
	const what = "append to the outbox"
	if len(items) == 0 {
		return q.Head(), nil
	}
	values, size, err := encodeItems(what, items)
	if err != nil {
		return 0, err
	}
	var last model.Seq
	err = q.submit(what, size, func(tx *bbolt.Tx, s *state) error {
		if err := putAll(tx, s, items, values); err != nil {
			return storeError{err}
		}
		last = s.head
		return nil
	})
	if err != nil {
		return 0, err
	}
	return last, nil
}

// encodeItems returns the values of items and their size, and refuses what could never be sent.
func encodeItems(what string, items []model.Item) (values [][]byte, size int, err error) {
	values = make([][]byte, len(items))
	for i, it := range items {
		switch {
		case it.Kind == "" || bytes.IndexByte([]byte(it.Kind), 0) >= 0:
			return nil, 0, fault.New(fault.Invalid, what, "item %d has no proper kind", i)
		case len(it.Key) > model.MaxItemKey:
			return nil, 0, fault.New(fault.TooLarge, what, "the key of a %s item is %d bytes, the limit is %d", it.Kind, len(it.Key), model.MaxItemKey)
		case len(it.Payload) > model.MaxPayload:
			return nil, 0, fault.New(fault.TooLarge, what, "the %s item %q is %d bytes, the limit is %d", it.Kind, it.Key, len(it.Payload), model.MaxPayload)
		}
		v, err := encodeItem(it)
		if err != nil {
			return nil, 0, fault.New(fault.Invalid, what, "the %s item %q is not JSON: %w", it.Kind, it.Key, err)
		}
		values[i] = v
		size += len(v)
	}
	return values, size, nil
}

// putAll stores items behind the newest one.
func putAll(tx *bbolt.Tx, s *state, items []model.Item, values [][]byte) error {
	for i, it := range items {
		s.head++
		if err := put(tx, s, s.head, it, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// put stores one item at seq and removes those whose place it takes.
func put(tx *bbolt.Tx, s *state, seq model.Seq, it model.Item, value []byte) error {
	if !it.Kind.Event() {
		at := placeKey(it)
		if _, err := vacate(tx, s, at); err != nil {
			return err
		}
		places := tx.Bucket(bucketKeys)
		if p := part(it.Kind); p != "" {
			at := place(p, it.Key)
			taken, err := vacate(tx, s, at)
			if err == nil && taken {
				err = places.Delete(at)
			}
			if err != nil {
				return err
			}
		}
		if err := places.Put(at, seqKey(seq)); err != nil {
			return err
		}
	}
	rows := tx.Bucket(bucketItems)
	rows.FillPercent = 0.95 // keys only rise
	s.count++
	s.bytes += uint64(len(value))
	return rows.Put(seqKey(seq), value)
}

// vacate removes the waiting item that holds a place, if there is one; taken says that the place was held.
func vacate(tx *bbolt.Tx, s *state, at []byte) (taken bool, err error) {
	old := tx.Bucket(bucketKeys).Get(at)
	if old == nil {
		return false, nil
	}
	rows := tx.Bucket(bucketItems)
	v := rows.Get(old)
	if v == nil {
		return true, nil
	}
	s.count--
	s.bytes -= uint64(len(v))
	return true, rows.Delete(bytes.Clone(old))
}

// After returns waiting items with a Seq above seq, rising: at most maxItems, and no more than
// maxBytes of keys and payloads, but at least one where there is one. Limits below one count as one.
func (q *Queue) After(seq model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	var out []model.Item
	err := q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		size := 0
		for k, v := c.Seek(seqKey(seq + 1)); k != nil; k, v = c.Next() {
			it, err := decodeItem(k, v)
			if err != nil {
				return err
			}
			size += len(it.Key) + len(it.Payload)
			if len(out) > 0 && size > maxBytes {
				return nil
			}
			out = append(out, it)
			if len(out) >= maxItems {
				return nil
			}
		}
		return nil
	})
	return out, fault.Wrap("read the outbox", err)
}

// Keys calls fn with the key of every waiting item that has the place of a kind, or of one of its family: those of
// model.ItemHost and model.ItemHostGone for either. Events have no place. It returns fn's error.
func (q *Queue) Keys(kind model.ItemKind, fn func(key string) error) error {
	prefix := place(family(kind), "")
	return fault.Wrap("read the outbox", q.view(func(tx *bbolt.Tx) error {
		rows := tx.Bucket(bucketItems)
		c := tx.Bucket(bucketKeys).Cursor()
		for k, seq := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, seq = c.Next() {
			if rows.Get(seq) == nil {
				continue
			}
			if err := fn(string(k[len(prefix):])); err != nil {
				return err
			}
		}
		return nil
	}))
}

// DropThrough removes every item with a Seq up to seq, because the receiver durably holds them. A
// number that was dropped before changes nothing. A number above Head is refused with
// fault.Conflict: the receiver then holds what this queue never numbered, which is what a queue
// restored from a backup looks like. That is remembered: every later call fails too, until SetEpoch.
// For as Head grows it comes past that number, and the receiver's position would then cover items
// that it never saw.
func (q *Queue) DropThrough(seq model.Seq) error {
	const what = "drop from the outbox"
	if s := q.snapshot(); !s.overtaken && seq <= s.dropped {
		return nil
	}
	overtaken, epoch, head := false, model.Epoch(0), model.Seq(0)
	err := q.submit(what, 0, func(tx *bbolt.Tx, s *state) error {
		if s.overtaken || seq > s.head {
			overtaken, epoch, head = true, s.epoch, s.head
			if s.overtaken {
				return nil
			}
			s.overtaken = true
			if err := tx.Bucket(bucketMeta).Put(keyOvertaken, seqKey(seq)); err != nil {
				return storeError{err}
			}
			return nil
		}
		if seq <= s.dropped {
			return nil
		}
		rows, places := tx.Bucket(bucketItems), tx.Bucket(bucketKeys)
		c := rows.Cursor()
		end := seqKey(seq)
		for k, v := c.First(); k != nil && bytes.Compare(k, end) <= 0; k, v = c.First() {
			it, err := decodeItem(k, v)
			if err != nil {
				return storeError{err}
			}
			if !it.Kind.Event() {
				place := placeKey(it)
				if bytes.Equal(places.Get(place), k) {
					if err := places.Delete(place); err != nil {
						return storeError{err}
					}
				}
			}
			s.count--
			s.bytes -= uint64(len(v))
			if err := c.Delete(); err != nil {
				return storeError{err}
			}
		}
		s.dropped = seq
		return nil
	})
	if err == nil && overtaken {
		return fault.New(fault.Conflict, what, "the receiver holds items that were never numbered here in epoch %d (the newest is %d): "+
			"this queue was restored from an older state and needs a new epoch", epoch, head)
	}
	return err
}

// SetEpoch begins the life numbered e. What waits keeps its items and its order, and the numbers go on rising behind it
// with one left out: a receiver holds nothing of a new epoch and expects gaps, and whoever noted the head sees that it is
// another. So it costs the same however much waits, and is done whole or not at all. The present epoch changes nothing, an
// older one is refused with fault.Conflict.
func (q *Queue) SetEpoch(e model.Epoch) error {
	return q.submit("set the outbox's epoch", 0, func(tx *bbolt.Tx, s *state) error {
		if e == s.epoch {
			return nil
		}
		if e < s.epoch {
			return fault.New(fault.Conflict, "", "the epoch is %d already and cannot go back to %d", s.epoch, e)
		}
		if err := tx.Bucket(bucketMeta).Delete(keyOvertaken); err != nil {
			return storeError{err}
		}
		s.epoch, s.dropped, s.overtaken = e, 0, false
		s.head++
		return nil
	})
}

// Wait blocks until Head is above after, and then returns nil. It returns ctx's error where ctx ends
// first, and a fault.ReadOnly where the queue is closed.
func (q *Queue) Wait(ctx context.Context, after model.Seq) error {
	for {
		q.mu.Lock()
		head, moved := q.state.head, q.moved
		q.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-moved:
		case <-q.quit:
			return errClosed("wait for the outbox")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
