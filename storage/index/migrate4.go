package index

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// pieces writes rows in batches that memory holds.
type pieces struct {
	db   *pebble.DB
	rows *rowCodec
	b    *pebble.Batch
}

// pieceSize is from how many bytes on a piece is written.
const pieceSize = 1 << 20

func newPieces(db *pebble.DB, rows *rowCodec) *pieces {
	return &pieces{db: db, rows: rows, b: db.NewBatch()}
}

func (p *pieces) close() { _ = p.b.Close() } // it holds nothing that counts any more

// full writes what has gathered where it has that many bytes.
func (p *pieces) full(limit int) error {
	if p.b.Len() < limit {
		return nil
	}
	if err := p.b.Commit(pebble.NoSync); err != nil {
		return err
	}
	p.b = p.db.NewBatch()
	return nil
}

func (p *pieces) put(k []byte, row any) error {
	v, err := p.rows.encode(row, false)
	if err != nil {
		return err
	}
	if err := p.b.Set(k, v, nil); err != nil {
		return err
	}
	return p.full(pieceSize)
}

func (p *pieces) mark(k []byte) error {
	if err := p.b.Set(k, nil, nil); err != nil {
		return err
	}
	return p.full(pieceSize)
}

func (p *pieces) remove(k []byte) error {
	if err := p.b.Delete(k, nil); err != nil {
		return err
	}
	return p.full(pieceSize)
}

// migrateCanonicals gives the records of before schema 4 what they have since: an index by identity, canonicals, and, at a
// site, cursors of its own log. Each step ends on the disk before the next reads it.
func migrateCanonicals(db *pebble.DB, rows *rowCodec) error {
	r := &Reader{from: db, rows: rows}
	self, known, err := r.Self()
	if err != nil {
		return err
	}
	if known && self.Role == model.RoleSite {
		if err := ownCursors(db, r); err != nil {
			return err
		}
	} else if err := tellShelf(db, r); err != nil {
		return err
	}
	p := newPieces(db, rows)
	defer p.close()
	all := newIdentities()
	err = r.EachAdvisory(func(a model.Advisory) error {
		all.add(a)
		for _, id := range merge.Identities(a) {
			if err := p.mark(key.AdvisoryIdentity(id, a.AdvisoryKey)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = all.each(func(g merge.Group) error {
		members, err := r.members(g)
		if err != nil {
			return err
		}
		c := model.Canonical{ID: g.ID, Hash: merge.Hash(g.ID), Members: g.Members, Head: merge.Head(g.ID, members)}
		c.Since, c.Changed = apply.Span(members)
		for _, e := range canonicalEntries(c) {
			if err := p.mark(e); err != nil {
				return err
			}
		}
		return p.put(key.Canonical(c.ID), c)
	})
	if err != nil {
		return err
	}
	return p.full(0)
}

// ownCursors numbers the changes of a site's log anew, in the order in which they came: until then records kept the cursors
// of the controller's. What was held of the controller's log is in Shelf.Imported, and stays.
func ownCursors(db *pebble.DB, r *Reader) error {
	shelf, err := r.Shelf()
	if err != nil {
		return err
	}
	// Whoever imported from this site has cursors of before, and takes what is above them.
	at := model.Cursor{Seq: max(shelf.Cursor.Seq, shelf.Floor)}
	prefix := key.SpaceAdvisoryCursor.Prefix()
	err = r.back(prefix, key.After(prefix), func(k, _ []byte) error {
		was, _, err := key.ReadAdvisoryCursor(k)
		at.Seq = max(at.Seq, was.Seq)
		if err == nil {
			err = errEnough
		}
		return err
	})
	if err := enough(err); err != nil {
		return err
	}
	var origin model.NodeID
	if len(shelf.Imported) == 1 { // whose bundles they are
		for id := range shelf.Imported {
			if origin, err = model.ParseNodeID(id); err != nil {
				return err
			}
		}
	}
	snap := db.NewSnapshot()
	defer snap.Close()
	old := &Reader{from: snap, rows: r.rows}
	p := newPieces(db, r.rows)
	defer p.close()
	changed := false
	err = old.scan(prefix, func(k, _ []byte) error {
		was, id, err := key.ReadAdvisoryCursor(k)
		if err != nil {
			return err
		}
		changed = true
		at = model.Cursor{At: max(at.At, was.At), Seq: at.Seq + 1}
		if err := p.remove(k); err != nil {
			return err
		}
		if err := p.mark(key.AdvisoryCursor(at, id)); err != nil {
			return err
		}
		a, ok, err := old.Advisory(id)
		if err != nil {
			return err
		}
		if !ok {
			return p.put(key.AdvisoryGone(id), advisoryGone{id, at})
		}
		a.Cursor, a.Origin = at, origin
		return p.put(key.Advisory(id), a)
	})
	if err != nil || !changed {
		return err
	}
	shelf.Cursor = model.Cursor{At: max(at.At, shelf.Cursor.At), Seq: at.Seq}
	if err := p.put(key.Of(key.MetaShelf), shelf); err != nil {
		return err
	}
	return p.full(0)
}

// tellShelf drops the directives that said records down one by one. The newest one that ended such a run becomes the one that says
// how far the advisories go, with its number: a site that had not come to it hears of that, and fetches what it lacks.
func tellShelf(db *pebble.DB, r *Reader) error {
	snap := db.NewSnapshot()
	defer snap.Close()
	old := &Reader{from: snap, rows: r.rows}
	p := newPieces(db, r.rows)
	defer p.close()
	err := old.scan(key.SpaceDirective.Prefix(), func(k, v []byte) error {
		var d directive
		if err := old.rows.decode(v, &d); err != nil {
			return readError(k, err)
		}
		to, seq, err := key.ReadDirective(k)
		if err != nil || !ended(d.Kind) {
			return err
		}
		k = bytes.Clone(k)
		if err := p.remove(key.DirectiveKey(to, d.Key, seq)); err != nil {
			return err
		}
		if d.Kind != model.ItemGeneration {
			return p.remove(k)
		}
		if err := p.mark(key.DirectiveKey(to, shelfItem, seq)); err != nil {
			return err
		}
		return p.put(k, directive{Kind: model.ItemShelf, Key: shelfItem, AsOf: d.AsOf})
	})
	if err != nil {
		return err
	}
	return p.full(0)
}

// shelfItem is the key of the directive that says how far the advisories go, as engine/apply says it.
const shelfItem = "shelf"
