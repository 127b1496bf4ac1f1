package index

import (
	"bytes"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// The log of changes is read in batches: its entries in their order, then the rows and the canonicals that they name in the order of
// their keys, by one iterator each. One point read for each row would need the block cache, and Pebble lends that to
// whatever large commit is not a table file yet, or whose memory an iterator still holds: behind the commit of a whole catalogue every such read
// unpacks an index block of 256 KiB. For the same reason no iterator is open while the caller works.
const (
	leastChanges = 16      // entries of the first batch, for who wants one; each further has twice as many
	mostChanges  = 1024    // of any
	changesRoom  = 4 << 20 // bytes of rows that a batch holds; a row that finds no room is read when its turn comes
)

// changeBatch is a piece of the log. Its room is used again for the next.
type changeBatch struct {
	changes []loggedChange
	order   []*loggedChange // by key
	rows    []byte
	last    []byte // key of the last entry
}

// loggedChange is an entry of the log with what it names.
type loggedChange struct {
	model.AdvisoryChange
	key  []byte // of the record
	at   int    // where its row is in the batch, and of how many bytes; 0: there is none
	n    int
	late bool // it found no room
}

// AdvisoriesAfter calls fn with the newest change of every record that changed after c, in cursor order
// (and by key, where two origins used the same sequence). The zero cursor is before every change. Fn must not write.
func (r *Reader) AdvisoriesAfter(c model.Cursor, fn func(model.AdvisoryChange) error) error {
	return r.changesAfter(c, func(change *model.AdvisoryChange, row []byte) error {
		change.Advisory = new(model.Advisory)
		return r.rows.decode(row, change.Advisory)
	}, fn)
}

// ChangesAfter is AdvisoriesAfter with the records as they are stored, which costs a tenth. They are valid until fn returns.
func (r *Reader) ChangesAfter(c model.Cursor, fn func(model.AdvisoryChange) error) error {
	return r.changesAfter(c, func(change *model.AdvisoryChange, row []byte) (err error) {
		change.Raw, err = r.rows.json(row)
		return err
	}, fn)
}

// changesAfter calls fn with every change; take puts the record into it, where there is one.
func (r *Reader) changesAfter(c model.Cursor, take func(*model.AdvisoryChange, []byte) error, fn func(model.AdvisoryChange) error) error {
	lower := key.AdvisoriesFrom(0)
	if !c.IsZero() {
		lower = key.AdvisoriesFrom(c.Seq + 1)
	}
	var b changeBatch
	for most := leastChanges; ; most = min(2*most, mostChanges) {
		if err := b.read(r, lower, most); err != nil {
			return err
		}
		for i := range b.changes {
			change := &b.changes[i]
			row, err := b.row(r, change)
			if err == nil && len(row) > 0 {
				if err = take(&change.AdvisoryChange, row); err != nil {
					err = readError(change.key, err)
				}
			}
			if err != nil {
				return err
			}
			if err := fn(change.AdvisoryChange); err != nil {
				return err
			}
		}
		if len(b.changes) < most {
			return nil
		}
		lower = append(slices.Clone(b.last), 0)
	}
}

// read takes in at most most entries, from the key lower on, and what they name.
func (b *changeBatch) read(r *Reader, lower []byte, most int) error {
	b.changes, b.order, b.rows = b.changes[:0], b.order[:0], b.rows[:0]
	err := r.scanRange(lower, key.After(key.SpaceAdvisoryCursor.Prefix()), func(k, _ []byte) error {
		at, id, err := key.ReadAdvisoryCursor(k)
		if err != nil {
			return err
		}
		b.changes = append(b.changes, loggedChange{AdvisoryChange: model.AdvisoryChange{Key: id, Cursor: at}, key: key.Advisory(id)})
		b.last = append(b.last[:0], k...)
		if len(b.changes) == most {
			return errEnough
		}
		return nil
	})
	if enough(err) != nil || len(b.changes) == 0 {
		return enough(err)
	}
	for i := range b.changes {
		b.order = append(b.order, &b.changes[i])
	}
	slices.SortFunc(b.order, func(x, y *loggedChange) int { return bytes.Compare(x.key, y.key) })
	if err := r.iterate(key.SpaceAdvisory.Prefix(), key.After(key.SpaceAdvisory.Prefix()), b.fetch); err != nil {
		return err
	}
	of := key.SpaceAdvisoryCanonical.Prefix()
	return r.iterate(of, key.After(of), func(it *pebble.Iterator) error {
		for _, c := range b.order {
			var err error
			if c.n == 0 && !c.late {
				continue
			}
			if c.Canonical, err = canonicalAt(it, c.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

// fetch takes the rows from it.
func (b *changeBatch) fetch(it *pebble.Iterator) error {
	for _, c := range b.order {
		if !it.SeekGE(c.key) {
			return it.Error() // nothing has this key, nor one of those behind it
		}
		if !bytes.Equal(it.Key(), c.key) {
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return readError(c.key, err)
		}
		if c.late = len(b.rows)+len(v) > changesRoom; !c.late {
			c.at, c.n = len(b.rows), len(v)
			b.rows = append(b.rows, v...)
		}
	}
	return nil
}

// row returns the row of c; empty: there is none.
func (b *changeBatch) row(r *Reader, c *loggedChange) ([]byte, error) {
	if !c.late {
		return b.rows[c.at : c.at+c.n], nil
	}
	row, _, err := r.raw(c.key, nil)
	return row, err
}

// canonicalAt is CanonicalOf by an iterator over that index.
func canonicalAt(it *pebble.Iterator, a model.AdvisoryKey) (string, error) {
	prefix := key.CanonicalsOf(a)
	if !it.SeekGE(prefix) || !bytes.HasPrefix(it.Key(), prefix) {
		return "", it.Error()
	}
	_, id, err := key.ReadAdvisoryCanonical(it.Key())
	return id, err
}
