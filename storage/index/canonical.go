package index

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Identified returns the first records, by source and id, that have a folded identity (see engine/merge), at most most;
// 0 is all.
func (r *Reader) Identified(identity string, most int) (keys []model.AdvisoryKey, err error) {
	err = r.scan(key.AdvisoriesWith(identity), func(k, _ []byte) error {
		_, a, err := key.ReadAdvisoryIdentity(k)
		if err != nil {
			return err
		}
		keys = append(keys, a)
		if len(keys) == most {
			return errEnough
		}
		return nil
	})
	return keys, enough(err)
}

// Having implements merge.Names.
func (r *Reader) Having(identity string, most int) ([]merge.Record, error) {
	keys, err := r.Identified(identity, most)
	if err != nil {
		return nil, err
	}
	records := make([]merge.Record, 0, len(keys))
	for _, k := range keys {
		a, ok, err := r.Advisory(k)
		if err == nil && !ok {
			err = dangling(key.AdvisoryIdentity(identity, k))
		}
		if err != nil {
			return nil, err
		}
		records = append(records, merge.RecordOf(a))
	}
	return records, nil
}

// KeysNaming returns the keys of the records that AdvisoriesNaming returns, without reading them.
func (r *Reader) KeysNaming(identifier string) (keys []model.AdvisoryKey, err error) {
	err = r.scan(key.AdvisoriesNaming(identifier), func(k, _ []byte) error {
		_, a, err := key.ReadAdvisoryIdentifier(k)
		keys = append(keys, a)
		return err
	})
	return keys, err
}

// Canonical returns the canonical with an id, in whatever case.
func (r *Reader) Canonical(id string) (model.Canonical, bool, error) {
	return get[model.Canonical](r, key.Canonical(id))
}

// HasCanonical reports whether there is a canonical with an id, in whatever case: the read of one row that is not decoded, which other
// lookups are measured by.
func (r *Reader) HasCanonical(id string) (bool, error) { return r.has(key.Canonical(id)) }

// CanonicalHashed returns the canonical with a merge hash: "sha256:" and the hex digest.
func (r *Reader) CanonicalHashed(hash string) (c model.Canonical, ok bool, err error) {
	err = r.scan(key.CanonicalsHashed(hash), func(k, _ []byte) error {
		_, id, err := key.ReadCanonicalHash(k)
		if err != nil {
			return err
		}
		c, ok, err = r.Canonical(id)
		if err == nil && !ok {
			err = dangling(k)
		}
		if err != nil {
			return err
		}
		return errEnough
	})
	return c, ok, enough(err)
}

// CanonicalOf returns the id of the canonical that a record belongs to.
func (r *Reader) CanonicalOf(a model.AdvisoryKey) (id string, ok bool, err error) {
	err = r.scan(key.CanonicalsOf(a), func(k, _ []byte) error {
		if _, id, err = key.ReadAdvisoryCanonical(k); err != nil {
			return err
		}
		ok = true
		return errEnough
	})
	return id, ok, enough(err)
}

// EachCanonical calls fn with every canonical whose id is behind after in the order of folded ids; after "" is from the
// first on.
func (r *Reader) EachCanonical(after string, fn func(model.Canonical) error) error {
	prefix := key.SpaceCanonical.Prefix()
	lower := prefix
	if after != "" {
		lower = key.After(key.Canonical(after))
	}
	return r.scanRange(lower, key.After(prefix), func(k, v []byte) error {
		var c model.Canonical
		if err := r.rows.decode(v, &c); err != nil {
			return readError(k, err)
		}
		return fn(c)
	})
}

// EachAdvisoryJSON calls fn with every record as it is stored, by source and id; raw is valid until fn returns. It costs a tenth of
// EachAdvisory: who wants them all can decode several at a time.
func (r *Reader) EachAdvisoryJSON(fn func(raw []byte) error) error {
	return r.scan(key.SpaceAdvisory.Prefix(), func(k, v []byte) error {
		raw, err := r.rows.json(v)
		if err != nil {
			return readError(k, err)
		}
		return fn(raw)
	})
}

// PutCanonical implements apply.Tx.
func (t *Tx) PutCanonical(c model.Canonical) error {
	if merge.Fold(c.ID) == "" || len(c.Members) == 0 {
		return fault.New(fault.Invalid, "store canonical", "the canonical %q needs an id and a record", c.ID)
	}
	was, ok, err := t.Canonical(c.ID)
	if err != nil {
		return err
	}
	var old [][]byte
	if ok {
		old = canonicalEntries(was)
	}
	if err := t.reindex(old, canonicalEntries(c)); err != nil {
		return err
	}
	return t.put(key.Canonical(c.ID), c)
}

// DeleteCanonical implements apply.Tx; one that is not there is no error.
func (t *Tx) DeleteCanonical(id string) error {
	was, ok, err := t.Canonical(id)
	if err != nil || !ok {
		return err
	}
	if err := t.reindex(canonicalEntries(was), nil); err != nil {
		return err
	}
	return t.remove(key.Canonical(id))
}

// Events returns the events of canonicals behind a place in their stream, the oldest first, at most limit; 0 is all. Those
// that were behind it and are not kept any more are left out: EventBounds says so.
func (r *Reader) Events(after model.Seq, limit int) (events []model.CanonicalEvent, err error) {
	err = r.scanRange(key.CanonicalEvent(after+1), key.After(key.SpaceCanonicalEvent.Prefix()), func(k, v []byte) error {
		var e model.CanonicalEvent
		if err := r.rows.decode(v, &e); err != nil {
			return readError(k, err)
		}
		events = append(events, e)
		if len(events) == limit {
			return errEnough
		}
		return nil
	})
	return events, enough(err)
}

// EventBounds returns the places of the oldest and of the newest event that are kept; 0, 0 where there is none.
func (r *Reader) EventBounds() (oldest, newest model.Seq, err error) {
	prefix := key.SpaceCanonicalEvent.Prefix()
	err = r.iterate(prefix, key.After(prefix), func(it *pebble.Iterator) error {
		if !it.First() {
			return nil
		}
		if oldest, err = key.ReadCanonicalEvent(it.Key()); err != nil || !it.Last() {
			return err
		}
		newest, err = key.ReadCanonicalEvent(it.Key())
		return err
	})
	return oldest, newest, err
}

// PutEvents implements apply.Tx.
func (t *Tx) PutEvents(events []model.CanonicalEvent) error {
	oldest, last, err := t.EventBounds()
	if err != nil || len(events) == 0 {
		return err
	}
	for _, e := range events {
		last++
		e.Seq = last
		if err := t.put(key.CanonicalEvent(e.Seq), e); err != nil {
			return err
		}
	}
	if oldest == 0 || last < oldest+model.MaxEvents {
		return nil
	}
	return t.batch.DeleteRange(key.CanonicalEvent(0), key.CanonicalEvent(last-model.MaxEvents+1), nil)
}
