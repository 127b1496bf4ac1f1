package index

import (
	"context"
	"slices"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/key"
)

// FindWritten is Find for who shows hosts in a form of their own: each row is written once and kept so until it
// changes. The store keeps one form, so every call must bring the same write. The page is filled anew; what its
// Hosts had room for is used again.
func (s *Store) FindWritten(ctx context.Context, q query.Search, write query.Writer, page *query.Written) error {
	page.Hosts, page.Total, page.Next = page.Hosts[:0], 0, nil
	// Done is read first: see find.
	done := s.done.Load()
	if begun := s.begun.Load(); begun == done {
		if moved, err := s.findWritten(ctx, q, write, page, begun); err != nil || !moved {
			return err
		}
		page.Hosts = page.Hosts[:0]
	}
	// Rows are being changed: each must be looked at again, and nothing is taken from what is kept.
	p, err := s.Find(ctx, q)
	if err != nil {
		return err
	}
	page.Total, page.Next = p.Total, p.Next
	for i := range p.Hosts {
		h := &p.Hosts[i]
		beat := h.Beat()
		h.SetBeat(model.HostBeat{})
		page.Hosts = append(page.Hosts, query.WrittenHost{Text: write(nil, h), Beat: beat})
	}
	return nil
}

// findWritten answers where nothing is committed meanwhile, and reports where it was.
func (s *Store) findWritten(ctx context.Context, q query.Search, write query.Writer, page *query.Written, begun uint64) (moved bool, err error) {
	found, v, err := s.ask(ctx, q, false)
	if err != nil {
		return false, err
	}
	defer v.Close()
	if found.Loose || s.begun.Load() != begun {
		return true, nil
	}
	page.Total = found.Total
	page.Hosts = slices.Grow(page.Hosts, len(found.Hits))
	last := -1
	for i := range found.Hits {
		text, ok, err := v.writtenRow(found.Hits[i].ID, write, begun)
		if err != nil {
			return false, err
		}
		if ok {
			page.Hosts = append(page.Hosts, query.WrittenHost{Text: text, Beat: found.Hits[i].Beat})
			last = i
		}
	}
	if !found.More {
		return false, nil
	}
	if last < 0 {
		return true, nil
	}
	var h model.Host
	if ok, err := v.recentRow(found.Hits[last].ID, &h, begun); err != nil || !ok {
		return !ok, err
	}
	h.SetBeat(found.Hits[last].Beat)
	c := query.CursorOf(q.Sort, &h, query.Env{Now: q.Now, Site: v.siteNames()})
	page.Next = &c
	return false, nil
}

// writtenRow returns a host's row as it is written. Begun is what recentRow wants.
func (v *View) writtenRow(id model.HostID, write query.Writer, begun uint64) (text []byte, ok bool, err error) {
	c := v.store.written
	if text := c.get(id, begun); text != nil {
		return text, true, nil
	}
	var h model.Host
	if value := v.store.recent.get(id, begun); value == nil {
		ok, err = v.row(id, &h)
	} else if err = v.rows.readHost(value, id, &h); err != nil {
		err = readError(key.Host(id), err)
	} else {
		ok = true
	}
	if err != nil || !ok {
		return nil, false, err
	}
	h.SetBeat(model.HostBeat{}) // that of a row of schema 1
	text = write(nil, &h)
	c.put(id, text, begun)
	return text, true, nil
}
