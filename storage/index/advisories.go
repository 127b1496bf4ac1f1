package index

import (
	"cmp"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// advisoryGone is the row that remembers a removed advisory, so that a delta can tell others of it.
type advisoryGone struct {
	model.AdvisoryKey
	Cursor model.Cursor `json:"cursor"`
}

// Advisory returns one record of one source.
func (r *Reader) Advisory(k model.AdvisoryKey) (model.Advisory, bool, error) {
	return get[model.Advisory](r, key.Advisory(k))
}

// EachAdvisory calls fn with every record, by source and id.
func (r *Reader) EachAdvisory(fn func(model.Advisory) error) error {
	return each(r, key.SpaceAdvisory.Prefix(), fn)
}

// AdvisoriesOf calls fn with every record of a source whose id begins with prefix, by id.
func (r *Reader) AdvisoriesOf(source, prefix string, fn func(model.Advisory) error) error {
	return each(r, key.AdvisoriesOf(source, prefix), fn)
}

// AdvisoriesFor calls fn with every record that affects some version of a package. The names are
// compared exactly.
func (r *Reader) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	return r.scan(key.AdvisoriesFor(ecosystem, pkg), func(k, _ []byte) error {
		_, _, a, err := key.ReadAdvisoryPackage(k)
		if err != nil {
			return err
		}
		return r.pointedAdvisory(k, a, fn)
	})
}

// AdvisoriesNaming returns every record whose id, or an alias, upstream or related identifier of it, is
// identifier in whatever case.
func (r *Reader) AdvisoriesNaming(identifier string) ([]model.Advisory, error) {
	var all []model.Advisory
	err := r.scan(key.AdvisoriesNaming(identifier), func(k, _ []byte) error {
		_, a, err := key.ReadAdvisoryIdentifier(k)
		if err != nil {
			return err
		}
		return r.pointedAdvisory(k, a, func(a model.Advisory) error {
			all = append(all, a)
			return nil
		})
	})
	return all, err
}

func (r *Reader) pointedAdvisory(k []byte, a model.AdvisoryKey, fn func(model.Advisory) error) error {
	row, ok, err := r.Advisory(a)
	if err != nil {
		return err
	}
	if !ok {
		return dangling(k)
	}
	return fn(row)
}

// Advisory returns one record of one source.
func (t *Tx) Advisory(k model.AdvisoryKey) (model.Advisory, bool, error) {
	if t.last.ok && t.last.key == k {
		return t.last.row, t.last.is, nil
	}
	row, is, err := t.Reader.Advisory(k)
	t.last = lastAdvisory{k, row, is, err == nil}
	return row, is, err
}

// PutAdvisory implements apply.Tx.
func (t *Tx) PutAdvisory(a model.Advisory) error {
	old, err := t.advisoryEntriesNow(a.AdvisoryKey)
	t.last.ok = false
	if err != nil {
		return err
	}
	if err := t.reindex(old, advisoryEntries(a)); err != nil {
		return err
	}
	return t.put(key.Advisory(a.AdvisoryKey), a)
}

// DeleteAdvisory implements apply.Tx.
func (t *Tx) DeleteAdvisory(k model.AdvisoryKey, cursor model.Cursor) error {
	old, err := t.advisoryEntriesNow(k)
	t.last.ok = false
	if err != nil {
		return err
	}
	gone := advisoryGone{k, cursor}
	if err := t.reindex(old, goneEntries(gone)); err != nil {
		return err
	}
	if err := t.remove(key.Advisory(k)); err != nil {
		return err
	}
	return t.put(key.AdvisoryGone(k), gone)
}

// advisoryEntriesNow returns the index entries of the record, or of the memory of it, and removes that
// memory: whoever asks is about to write one of the two.
func (t *Tx) advisoryEntriesNow(k model.AdvisoryKey) ([][]byte, error) {
	old, ok, err := t.Advisory(k)
	if err != nil {
		return nil, err
	}
	if ok {
		return advisoryEntries(old), nil
	}
	gone, ok, err := get[advisoryGone](&t.Reader, key.AdvisoryGone(k))
	if err != nil || !ok {
		return nil, err
	}
	return goneEntries(gone), t.remove(key.AdvisoryGone(k))
}

// Shelf returns the state of the advisories as a whole; the zero value before there was any.
func (r *Reader) Shelf() (apply.Shelf, error) {
	s, _, err := get[apply.Shelf](r, key.Of(key.MetaShelf))
	return s, err
}

// PutShelf implements apply.Tx.
func (t *Tx) PutShelf(s apply.Shelf) error { return t.put(key.Of(key.MetaShelf), s) }

// Imports returns the newest imports, at most limit of them, newest first; 0 is all.
func (r *Reader) Imports(limit int) ([]model.ImportRecord, error) {
	return newest[model.ImportRecord](r, key.SpaceImport.Prefix(), nil, limit)
}

// EachImport calls fn with every bundle that was taken in, the oldest first, without what it differed in: those are the most of it.
func (r *Reader) EachImport(fn func(model.ImportHead) error) error {
	return each(r, key.SpaceImport.Prefix(), fn)
}

// PutImport implements apply.Tx.
func (t *Tx) PutImport(i model.Imported, at model.Time) error {
	prefix := key.SpaceImport.Prefix()
	var last uint64
	err := t.back(prefix, key.After(prefix), func(k, _ []byte) (err error) {
		last, err = key.ReadImport(k)
		return cmp.Or(err, errEnough)
	})
	if err := enough(err); err != nil {
		return err
	}
	return t.put(key.Import(last+1), model.ImportRecord{Imported: i, At: at})
}

// newest returns rows in descending key order, below upper (nil: all), at most limit (0: all).
func newest[T any](r *Reader, prefix, upper []byte, limit int) ([]T, error) {
	if upper == nil {
		upper = key.After(prefix)
	}
	var rows []T
	err := r.back(prefix, upper, func(k, v []byte) error {
		var row T
		if err := r.rows.decode(v, &row); err != nil {
			return readError(k, err)
		}
		rows = append(rows, row)
		if len(rows) == limit {
			return errEnough
		}
		return nil
	})
	return rows, enough(err)
}
