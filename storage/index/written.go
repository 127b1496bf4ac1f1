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

// findWritten answers where nothing is committed meanwhile, and reports where it was. Begun is what Store.begun
// was while no commit was under way. As long as it stays so, the index in memory, the rows that are kept and a view
// that is opened at any moment are all of one state.
func (s *Store) findWritten(ctx context.Context, q query.Search, write query.Writer, page *query.Written, begun uint64) (moved bool, err error) {
	memory, _ := s.present()
	found, err := memory.Find(ctx, q)
	if err != nil {
		return false, err
	}
	if found.Loose || s.begun.Load() != begun {
		return true, nil
	}
	rows := pageRows{store: s, begun: begun}
	defer rows.close()
	page.Total = found.Total
	page.Hosts = slices.Grow(page.Hosts, len(found.Hits))
	last := -1
	for i := range found.Hits {
		text, ok, err := rows.written(found.Hits[i].ID, write)
		if err != nil || rows.moved {
			return rows.moved, err
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
	if ok, err := rows.read(found.Hits[last].ID, &h, true); err != nil || !ok {
		return rows.moved || !ok, err
	}
	h.SetBeat(found.Hits[last].Beat)
	c := query.CursorOf(q.Sort, &h, query.Env{Now: q.Now, Site: rows.siteNames()})
	page.Next = &c
	return rows.moved, nil
}

// pageRows reads the rows of one page. Nearly always all of them are kept, and no view is needed.
type pageRows struct {
	store *Store
	begun uint64
	view  *View // nil: none was needed yet
	moved bool  // a commit began before the view was open
}

// open returns a view of the state that begun names, nil where it has passed.
func (p *pageRows) open() *View {
	if p.view == nil && !p.moved {
		p.view = p.store.View()
		p.moved = p.store.begun.Load() != p.begun
	}
	if p.moved {
		return nil
	}
	return p.view
}

func (p *pageRows) close() {
	if p.view != nil {
		_ = p.view.Close()
	}
}

// written returns a host's row as it is written; false: there is none, or the state has passed.
func (p *pageRows) written(id model.HostID, write query.Writer) (text []byte, ok bool, err error) {
	c := p.store.written
	if text := c.get(id, p.begun); text != nil {
		return text, true, nil
	}
	var h model.Host
	if ok, err := p.read(id, &h, false); err != nil || !ok {
		return nil, false, err
	}
	h.SetBeat(model.HostBeat{}) // that of a row of schema 1
	text = write(nil, &h)
	c.put(id, text, p.begun)
	return text, true, nil
}

// read reads a host's row, and keeps its value if asked to.
func (p *pageRows) read(id model.HostID, h *model.Host, keep bool) (bool, error) {
	if value := p.store.recent.get(id, p.begun); value != nil {
		if err := p.store.rows.readHost(value, id, h); err != nil {
			return false, readError(key.Host(id), err)
		}
		return true, nil
	}
	v := p.open()
	if v == nil {
		return false, nil
	}
	if keep {
		return v.recentRow(id, h, p.begun)
	}
	return v.row(id, h)
}

// siteNames is Reader.siteNames of a view that is opened when a name is asked for.
func (p *pageRows) siteNames() func(model.SiteID) model.Site {
	return func(id model.SiteID) model.Site {
		if v := p.open(); v != nil {
			site, _, _ := v.Site(id)
			return site
		}
		return model.Site{}
	}
}
