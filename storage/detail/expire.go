package detail

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Retention is how long what is no longer the newest of its host is kept, by kind. Zero: the default.
type Retention struct {
	Inventory time.Duration // packages and certificates, from when another one came in their place; default 365 days
	OSFacts   time.Duration // the same of the facts of the system; default 90 days
	Output    time.Duration // from when it came; default 90 days
	Audit     time.Duration // from when it came; default 731 days
	Retired   time.Duration // everything but Audit of a host that is not in the directory any more; default 30 days
}

const day = 24 * time.Hour

func (r Retention) withDefaults() Retention {
	return Retention{
		Inventory: cmp.Or(r.Inventory, 365*day), OSFacts: cmp.Or(r.OSFacts, 90*day), Output: cmp.Or(r.Output, 90*day),
		Audit: cmp.Or(r.Audit, 731*day), Retired: cmp.Or(r.Retired, 30*day),
	}
}

// of returns for how many milliseconds what was replaced, or happened, is kept.
func (r Retention) of(k Kind) int64 {
	d := r.Inventory
	switch k {
	case OSFacts:
		d = r.OSFacts
	case Output:
		d = r.Output
	case Audit:
		d = r.Audit
	}
	return d.Milliseconds()
}

// Expired is what one pass of Expire removed.
type Expired struct{ Versions, Events, Hosts int }

// Expire removes the versions that were replaced longer ago than their kind is kept, the events that are
// older than that, the oldest of more than MaxEvents, and what is held of hosts that have been gone for
// Retention.Retired. The newest version of a host that exists is never removed. Age is told by the store's
// own clock: see aging. It ends early with the cause of ctx.
func (s *Store) Expire(ctx context.Context) (gone Expired, err error) {
	const op = "expire host detail"
	if err := s.saveAge(); err != nil {
		return gone, err
	}
	now := s.aging.now()
	if gone.Hosts, err = s.retire(ctx, now); err != nil {
		return gone, fault.Wrap(op, err)
	}
	for _, part := range []struct {
		prefix byte
		find   func(it *badger.Iterator, now int64, most int) ([]named, error)
		n      *int
	}{{prefixVersion, s.replaced, &gone.Versions}, {prefixEvent, s.over, &gone.Events}} {
		from := []byte{part.prefix}
		for from != nil {
			if ctx.Err() != nil {
				return gone, context.Cause(ctx)
			}
			var old []named
			err := s.db.View(func(tx *badger.Txn) error {
				it := tx.NewIterator(badger.IteratorOptions{Prefix: []byte{part.prefix}, PrefetchValues: true, PrefetchSize: 64})
				defer it.Close()
				it.Seek(from)
				var err error
				if old, err = part.find(it, now, sweepBatch); err != nil {
					return err
				}
				from = nil
				if it.Valid() {
					from = it.Item().KeyCopy(nil)
				}
				return nil
			})
			if err == nil {
				err = s.drop(op, old)
			}
			if err != nil {
				return gone, fault.Wrap(op, err)
			}
			*part.n += len(old)
		}
	}
	if gone != (Expired{}) {
		s.log.Info("old host detail was removed", "folder", s.dir, "versions", gone.Versions, "events", gone.Events, "hosts", gone.Hosts)
	}
	return gone, nil
}

// named is a record's key and the body that it names.
type named struct {
	key []byte
	sum digest
	age int64
}

// replaced returns versions from where it stands whose successor is old enough, about most of them.
func (s *Store) replaced(it *badger.Iterator, now int64, most int) (old []named, err error) {
	var last named
	var lastHost model.HostID
	var lastKind Kind
	for ; it.Valid(); it.Next() {
		host, kind, _, ok := recordKey(it.Item().Key())
		if !ok {
			return nil, oddKey(it.Item().Key())
		}
		r, err := readRecord(it.Item())
		if err != nil {
			return nil, err
		}
		if last.key != nil && host == lastHost && kind == lastKind && now-r.age > s.keep.of(kind) {
			old = append(old, last)
		}
		if len(old) >= most {
			return old, nil // the next round begins with this one
		}
		last, lastHost, lastKind = named{key: it.Item().KeyCopy(nil), sum: r.sum}, host, kind
	}
	return old, nil
}

// over returns events from where it stands that are old enough, and the oldest of hosts with too many. It stops
// between hosts, so that it counts each of them whole.
func (s *Store) over(it *badger.Iterator, now int64, most int) (old []named, err error) {
	var one []named // of one host and kind, not old
	var of []byte
	flush := func() {
		if extra := len(one) - MaxEvents; extra > 0 {
			slices.SortStableFunc(one, func(a, b named) int { return cmp.Compare(a.age, b.age) })
			old = append(old, one[:extra]...)
		}
		one = one[:0]
	}
	for ; it.Valid(); it.Next() {
		k := it.Item().Key()
		_, kind, _, ok := recordKey(k)
		if !ok {
			return nil, oddKey(k)
		}
		if !bytes.Equal(of, k[:18]) {
			if flush(); len(old) >= most {
				return old, nil
			}
			of = bytes.Clone(k[:18])
		}
		r, err := readRecord(it.Item())
		if err != nil {
			return nil, err
		}
		e := named{bytes.Clone(k), r.sum, r.age}
		if now-r.age > s.keep.of(kind) {
			old = append(old, e)
		} else {
			one = append(one, e)
		}
	}
	flush()
	return old, nil
}

func oddKey(k []byte) error {
	return fault.New(fault.Corrupt, "", "a record's key is %d bytes; restore the folder from a backup", len(k))
}

// drop removes records, a batch at a time.
func (s *Store) drop(op string, old []named) error {
	for batch := range slices.Chunk(old, 4*sweepBatch) {
		s.loosen()
		if err := s.update(op, func(tx *badger.Txn) error {
			for _, r := range batch {
				if err := dropRecord(tx, r.key, r.sum); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// retire removes what is held of hosts that have been missed for long, and returns how many they were. A host
// is missed from the first pass that does not find it.
func (s *Store) retire(ctx context.Context, now int64) (n int, err error) {
	if s.exists == nil {
		return 0, nil
	}
	hosts, err := s.hosts()
	if err != nil {
		return 0, err
	}
	for _, h := range hosts {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		there, err := s.exists(h)
		if err != nil {
			return n, err
		}
		since, missed, err := s.missedSince(h)
		switch {
		case err != nil:
			return n, err
		case there && !missed:
		case there:
			err = s.update("keep host detail", func(tx *badger.Txn) error { return tx.Delete(hostKey(prefixRetired, h)) })
		case !missed:
			err = s.update("mark host detail", func(tx *badger.Txn) error {
				return tx.Set(hostKey(prefixRetired, h), binary.BigEndian.AppendUint64(nil, uint64(now)))
			})
		case now-since > s.keep.Retired.Milliseconds():
			n++
			err = s.Delete(h)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Store) missedSince(h model.HostID) (age int64, missed bool, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		row, err := tx.Get(hostKey(prefixRetired, h))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		missed = true
		return row.Value(func(v []byte) error {
			if len(v) == 8 {
				age = int64(binary.BigEndian.Uint64(v))
			}
			return nil
		})
	})
	return age, missed, err
}

// hosts returns every host that something but Audit is held of.
func (s *Store) hosts() (out []model.HostID, err error) {
	seen := map[model.HostID]bool{}
	err = s.db.View(func(tx *badger.Txn) error {
		for _, prefix := range []byte{prefixPointer, prefixEvent} {
			it := tx.NewIterator(badger.IteratorOptions{Prefix: []byte{prefix}})
			for it.Rewind(); it.Valid(); it.Next() {
				k := it.Item().Key()
				if len(k) < 18 || Kind(k[17]) == Audit {
					continue
				}
				if h := model.HostID(k[1:17]); !seen[h] {
					seen[h] = true
					out = append(out, h)
				}
			}
			it.Close()
		}
		return nil
	})
	return out, err
}

// Delete removes everything that is held of the host but Audit, durable on return; bodies that nobody else
// has go with the next GC. An unknown host is no error. Where it fails, calling it again goes on.
func (s *Store) Delete(host model.HostID) error {
	const op = "delete host detail"
	var old []named
	seen := map[Kind]uint64{} // the number of the newest
	err := s.db.View(func(tx *badger.Txn) error {
		for _, prefix := range []byte{prefixVersion, prefixEvent} {
			it := tx.NewIterator(badger.IteratorOptions{Prefix: hostKey(prefix, host), PrefetchValues: true, PrefetchSize: 64})
			for it.Rewind(); it.Valid(); it.Next() {
				k := it.Item().KeyCopy(nil)
				_, kind, _, ok := recordKey(k)
				if !ok {
					it.Close()
					return oddKey(k)
				}
				if kind == Audit {
					continue
				}
				r, err := readRecord(it.Item())
				if err != nil {
					it.Close()
					return err
				}
				old = append(old, named{key: k, sum: r.sum})
			}
			it.Close()
		}
		for _, kind := range states {
			p, found, err := getPointer(tx, host, kind)
			if err != nil {
				return err
			}
			if found {
				seen[kind] = p.n
			}
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := s.drop(op, old); err != nil {
		return err
	}
	return s.update(op, func(tx *badger.Txn) error {
		for _, kind := range states {
			p, found, err := getPointer(tx, host, kind)
			if err != nil {
				return err
			}
			if n, was := seen[kind]; found && was && n == p.n { // else its agent has just reported: that stays
				if err := tx.Delete(pointerKey(host, kind)); err != nil {
					return err
				}
			}
		}
		return tx.Delete(hostKey(prefixRetired, host))
	})
}
