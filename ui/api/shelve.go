package api

import (
	"bytes"
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// maxChunk is how many bytes of encoded advisories are proposed at once: one entry of the log.
const maxChunk = 1 << 20

// hold waits until no other ingest or import runs: their counts and the generation that ends each
// would otherwise be of both.
func (s *Server) hold(ctx context.Context) (release func(), err error) {
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Conflict, "", "another ingest or import is still running: try again when it has ended")
	}
}

// shelver proposes advisories in chunks and counts what they change. Records that are equal to the
// stored ones are not proposed at all.
type shelver struct {
	s     *Server
	stamp model.Stamp
	keep  bool // see model.Advisories
	dry   bool // only count

	created, updated, same, deleted int

	put    []model.Advisory
	remove []model.AdvisoryChange // removals: keys and cursors
	keys   map[model.AdvisoryKey]bool
	size   int
}

// add takes one record.
func (w *shelver) add(ctx context.Context, a model.Advisory) error {
	raw, err := model.Encode(a)
	if err != nil {
		return fault.New(fault.Invalid, "store advisory "+a.AdvisoryKey.String(), "%w", err)
	}
	if err := w.room(ctx, a.AdvisoryKey, len(raw)); err != nil {
		return err
	}
	w.put = append(w.put, a)
	return nil
}

// drop takes one removal, and the place that it has in the log of its origin.
func (w *shelver) drop(ctx context.Context, key model.AdvisoryKey, at model.Cursor) error {
	if err := w.room(ctx, key, len(key.Source)+len(key.ID)+32); err != nil {
		return err
	}
	w.remove = append(w.remove, model.AdvisoryChange{Key: key, Cursor: at})
	return nil
}

// room makes room for n bytes; a chunk never has the same record twice, so that each is compared
// with what was really there before it.
func (w *shelver) room(ctx context.Context, key model.AdvisoryKey, n int) error {
	if w.size > 0 && (w.size+n > maxChunk || w.keys[key]) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if w.keys == nil {
		w.keys = map[model.AdvisoryKey]bool{}
	}
	w.keys[key] = true
	w.size += n
	return nil
}

// flush proposes what has been taken. Counts rise only for what is durable.
func (w *shelver) flush(ctx context.Context) error {
	c := model.Advisories{Stamp: w.stamp, Keep: w.keep}
	created, updated, same := 0, 0, 0
	v, done := w.s.c.Store.View()
	for _, a := range w.put {
		was, ok, err := v.Advisory(a.AdvisoryKey)
		if err != nil {
			done()
			return err
		}
		switch {
		case !ok:
			created++
		case w.equal(was, a):
			same++
			continue
		default:
			updated++
		}
		c.Put = append(c.Put, a)
	}
	for _, r := range w.remove {
		was, ok, err := v.Advisory(r.Key)
		if err != nil {
			done()
			return err
		}
		switch {
		case !ok:
		case w.keep && was.Cursor.Compare(r.Cursor) > 0:
			same++ // it came back since: a bundle that is older than what is held takes nothing away
		default:
			c.Delete = append(c.Delete, r.Key)
		}
	}
	done()
	if !w.dry && len(c.Put)+len(c.Delete) > 0 {
		if err := w.s.c.Proposer.Propose(ctx, c); err != nil {
			return fault.Wrap("store advisories", err)
		}
	}
	w.created += created
	w.updated += updated
	w.same += same
	w.deleted += len(c.Delete)
	w.put, w.remove, w.keys, w.size = nil, nil, nil, 0
	return nil
}

// equal reports whether storing a in place of was would change nothing.
func (w *shelver) equal(was, a model.Advisory) bool {
	if w.keep && was.Cursor.Compare(a.Cursor) >= 0 {
		return true
	}
	if w.keep {
		return false
	}
	was.Cursor, a.Cursor = model.Cursor{}, model.Cursor{}
	x, err1 := model.Encode(was)
	y, err2 := model.Encode(a)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// changed reports whether anything durable was changed.
func (w *shelver) changed() bool { return !w.dry && w.created+w.updated+w.deleted > 0 }
