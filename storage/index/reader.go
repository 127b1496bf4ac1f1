package index

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
)

// Reader holds every read. View and Tx embed it, so that the two can never differ in what they find.
//
// Iterations are in ascending key order and stop at the first error of fn, which they return as it is.
// All other errors are of the store: kind fault.Corrupt for bytes that do not decode.
type Reader struct {
	from   pebble.Reader
	rows   *rowCodec
	memory *search.Index
	// settle writes the hosts that a transaction still holds back, before from is read; nil in a View.
	settle func() error
}

// View is a consistent snapshot; it never changes. It may be used by several goroutines.
type View struct {
	Reader
	snap  *pebble.Snapshot
	store *Store
	life  *life
}

// Close ends the view. A second Close does nothing.
func (v *View) Close() error {
	if v.snap == nil {
		return nil
	}
	err := v.snap.Close()
	v.snap, v.from = nil, nil
	v.store.unuse(v.life)
	return fault.Wrap("close view", err)
}

// read calls fn with the value at k, which is only valid until fn returns; false: there is none. Errors of
// fn are about the value.
func (r *Reader) read(k []byte, fn func(v []byte) error) (bool, error) {
	if err := r.settled(k); err != nil {
		return false, err
	}
	return readFrom(r.from, k, fn)
}

// settled sees to it that from holds what this transaction wrote to the keyspace of k; nil is all of them.
func (r *Reader) settled(k []byte) error {
	if r.settle == nil {
		return nil
	}
	if len(k) > 0 {
		switch key.Space(k[0]) {
		case key.SpaceHost, key.SpaceHostBeat, key.SpaceHostPackages:
		default:
			return nil
		}
	}
	return r.settle()
}

func readFrom(from pebble.Reader, k []byte, fn func(v []byte) error) (bool, error) {
	v, closer, err := from.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(k, err)
	}
	defer closer.Close()
	if err := fn(v); err != nil {
		return false, readError(k, err)
	}
	return true, nil
}

// get reads one row.
func get[T any](r *Reader, k []byte) (row T, ok bool, err error) {
	ok, err = r.read(k, func(v []byte) error { return r.rows.decode(v, &row) })
	return row, ok, err
}

// has reports whether there is a row at k.
func (r *Reader) has(k []byte) (bool, error) {
	return r.read(k, func([]byte) error { return nil })
}

// number reads a meta number; 0 if it was never written.
func (r *Reader) number(m key.Meta) (n uint64, err error) {
	_, err = r.read(key.Of(m), func(v []byte) error {
		if len(v) != 8 {
			return fault.New(fault.Corrupt, "", "%d bytes are not a number", len(v))
		}
		n = binary.BigEndian.Uint64(v)
		return nil
	})
	return n, err
}

// scan calls fn with every key that starts with prefix, and its value. Both are only valid until fn
// returns.
func (r *Reader) scan(prefix []byte, fn func(k, v []byte) error) error {
	return r.scanRange(prefix, key.After(prefix), fn)
}

// scanRange is scan for the keys from lower to, but not including, upper.
func (r *Reader) scanRange(lower, upper []byte, fn func(k, v []byte) error) error {
	return r.walk(lower, upper, (*pebble.Iterator).First, (*pebble.Iterator).Next, fn)
}

// back is scanRange in descending order.
func (r *Reader) back(lower, upper []byte, fn func(k, v []byte) error) error {
	return r.walk(lower, upper, (*pebble.Iterator).Last, (*pebble.Iterator).Prev, fn)
}

// walk calls fn with each key of a range and its value, from where start leads, as far as step does.
func (r *Reader) walk(lower, upper []byte, start, step func(*pebble.Iterator) bool, fn func(k, v []byte) error) error {
	return r.iterate(lower, upper, func(it *pebble.Iterator) error {
		for ok := start(it); ok; ok = step(it) {
			v, err := it.ValueAndErr()
			if err != nil {
				return readError(it.Key(), err)
			}
			if err := fn(it.Key(), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// iterate opens an iterator for fn and reports its error behind fn's own.
func (r *Reader) iterate(lower, upper []byte, fn func(*pebble.Iterator) error) error {
	if err := r.settled(lower); err != nil {
		return err
	}
	it, err := r.from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return readError(lower, err)
	}
	err = fn(it)
	if e := it.Close(); err == nil && e != nil {
		err = readError(lower, e)
	}
	return err
}

// each calls fn with every row whose key starts with prefix.
func each[T any](r *Reader, prefix []byte, fn func(T) error) error {
	return r.scan(prefix, func(k, v []byte) error {
		var row T
		if err := r.rows.decode(v, &row); err != nil {
			return readError(k, err)
		}
		return fn(row)
	})
}

// errEnough stops an iteration that has what it came for.
var errEnough = errors.New("enough")

// enough turns errEnough into success.
func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// count returns how many keys start with prefix.
func (r *Reader) count(prefix []byte) (int, error) {
	n := 0
	err := r.iterate(prefix, key.After(prefix), func(it *pebble.Iterator) error {
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		return nil
	})
	return n, err
}

// dangling is the error of an index entry whose row is not there.
func dangling(k []byte) error {
	return fault.New(fault.Corrupt, "read "+key.Describe(k), "the index names a row that is not there; restore this folder from a snapshot")
}

func readError(k []byte, err error) error {
	op := "read the rows"
	if len(k) > 0 {
		op = "read " + key.Describe(k)
	}
	if pebble.IsCorruptionError(err) || fault.Is(err, fault.Corrupt) {
		return fault.New(fault.Corrupt, op, "%w; restore this folder from a snapshot", line{err})
	}
	return fault.New(fault.KindOf(err), op, "%w", err)
}

// raw appends the value at k to buf.
func (r *Reader) raw(k, buf []byte) ([]byte, bool, error) {
	ok, err := r.read(k, func(v []byte) error {
		buf = append(buf, v...)
		return nil
	})
	return buf, ok, err
}
