package index

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
)

// present returns the index in memory of the current database, and the number of changes that those before
// it counted.
func (s *Store) present() (*search.Index, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		panic("index: use of the closed store " + s.dir)
	}
	return s.life.memory, s.before
}

// Find returns one page of hosts, with the status that is shown: unknown for the hosts of a site that nobody
// can vouch for now (SetReach). Errors have the kind fault.Invalid for a limit, an order or a cursor that
// cannot be, and fault.Busy for a search that takes more time or work than it may; ctx bounds the time.
func (s *Store) Find(ctx context.Context, q query.Search) (query.Page, error) {
	from := time.Now()
	for steady := false; ; steady = true {
		p, moved, err := s.find(ctx, q, steady)
		if err != nil && !moved || !moved || steady || time.Since(from) > steadyTime {
			return p, err
		}
	}
}

// steadyTime is how long a search may take for being done again, while commits wait, where one came in
// between the index in memory and the rows. A page that is not is right for each host on it, but may lack
// one that changed in that moment.
const steadyTime = 5 * time.Millisecond

// noCommit is no number of commits: the cache of rows neither gives nor takes anything for it.
const noCommit = ^uint64(0)

// find is Find. Where it is not steady, it reports whether anything was committed meanwhile; the hosts that
// no longer match are left out then.
func (s *Store) find(ctx context.Context, q query.Search, steady bool) (page query.Page, moved bool, err error) {
	// Done is read first: where the two are equal, no commit was under way when begun was read.
	done := s.done.Load()
	begun := s.begun.Load()
	moved = begun != done
	if moved {
		begun = noCommit
	}
	found, v, err := s.ask(ctx, q, steady)
	if err != nil {
		return page, false, err
	}
	defer v.Close()
	moved = found.Loose || !steady && (moved || s.begun.Load() != begun)
	env := query.Env{Now: q.Now, Site: v.siteNames()}
	page.Total = found.Total
	page.Hosts = make([]model.Host, len(found.Hits))
	n := 0
	var last *model.Host // of the hits whose rows read, shown or not
	for i := range found.Hits {
		h := &page.Hosts[n]
		ok, err := v.recentRow(found.Hits[i].ID, h, begun)
		if err != nil {
			return query.Page{}, false, err
		}
		if !ok {
			continue
		}
		h.SetBeat(found.Hits[i].Beat)
		last = h
		if !moved || q.Where == nil || query.Match(q.Where, h, env) {
			n++
		} else if i == len(found.Hits)-1 {
			behind := *h
			last = &behind
		}
	}
	page.Hosts = page.Hosts[:n]
	if !found.More {
		return page, moved, nil
	}
	if last == nil {
		return query.Page{}, !steady, fault.New(fault.Busy, "search hosts", "all hosts of the page went while it was read; try again")
	}
	c := query.CursorOf(q.Sort, last, env)
	page.Next = &c
	return page, moved, nil
}

// recentRow is row through the cache of rows. Begun is what Store.begun was before the view was opened; where
// a commit was under way then, the cache is not asked.
func (v *View) recentRow(id model.HostID, h *model.Host, begun uint64) (bool, error) {
	c := v.store.recent
	if value := c.get(id, begun); value != nil {
		if err := v.rows.readHost(value, id, h); err != nil {
			return false, readError(key.Host(id), err)
		}
		return true, nil
	}
	return v.read(key.Host(id), func(value []byte) error {
		if err := v.rows.readHost(value, id, h); err != nil {
			return err
		}
		c.put(id, value, begun)
		return nil
	})
}

// ask finds the hosts and opens a view of their rows. Steady, commits wait meanwhile, so that it must not wait
// for anything itself.
func (s *Store) ask(ctx context.Context, q query.Search, steady bool) (found search.Found, v *View, err error) {
	if steady {
		s.applying.RLock()
		defer s.applying.RUnlock()
	}
	open := s.View()
	defer func() {
		if v == nil {
			open.Close()
		}
	}()
	find := open.memory.Find
	if steady {
		find = open.memory.FindAtOnce
	}
	if found, err = find(ctx, q); err != nil {
		return found, nil, err
	}
	return found, open, nil
}

// siteNames returns a function that reads sites, each once; a site that does not read is one that is not
// known, whose hosts are shown all the same.
func (r *Reader) siteNames() func(model.SiteID) model.Site {
	known := map[model.SiteID]model.Site{}
	return func(id model.SiteID) model.Site {
		site, ok := known[id]
		if !ok {
			site, _, _ = r.Site(id)
			known[id] = site
		}
		return site
	}
}

// Count returns how many hosts match. Errors are those of Find.
func (s *Store) Count(ctx context.Context, where query.Expr, now model.Time) (int, error) {
	m, _ := s.present()
	return m.Count(ctx, where, now)
}

// Facets counts the values of fields among the hosts that match, at most top of each, and how many hosts
// match. Errors are those of Find, and fault.Invalid for a field that is not counted.
func (s *Store) Facets(ctx context.Context, where query.Expr, now model.Time, fields []query.Field, top int) ([]query.Facet, int, error) {
	m, _ := s.present()
	return m.Facets(ctx, where, now, fields, top)
}

// Group counts the pairs of values of two fields among the hosts that match, at most top pairs. Errors are
// those of Facets.
func (s *Store) Group(ctx context.Context, where query.Expr, now model.Time, a, b query.Field, top int) (query.Grouped, error) {
	m, _ := s.present()
	return m.Group(ctx, where, now, a, b, top)
}

// Values returns the most frequent values of a field that begin with prefix, for completion.
func (s *Store) Values(f query.Field, prefix string, limit int) []query.Count {
	m, _ := s.present()
	return m.Values(f, prefix, limit)
}

// HostChanges returns the hosts that changed (other than by being heard again) or went since a place, at
// most limit of them, and the place behind those; with limit 0 only the newest place. Lost says that some
// cannot be told any more, so that everything must be looked at again. The places are of this process.
func (s *Store) HostChanges(after uint64, limit int) (ids []model.HostID, upto uint64, lost bool) {
	m, before := s.present()
	if limit > 0 && after < before {
		_, upto, _ = m.Changes(0, 0)
		return nil, before + upto, true
	}
	ids, upto, lost = m.Changes(after-before, limit)
	return ids, before + upto, lost
}

// SetReach says whether the hosts of a site are shown with the status that the site gave them, or as
// unknown, because nobody can vouch for it now. It is kept in memory only: after a start, and of a site that is
// new, Options.Vouched says which of the two is taken to be so. When it returns all of them are shown so; commits,
// and searches that wait for none, go on meanwhile.
func (s *Store) SetReach(site model.SiteID, up bool) {
	s.reaching.Lock()
	defer s.reaching.Unlock()
	s.applying.Lock() // one writer of the index in memory at a time
	m, _ := s.present()
	s.reached[site] = up
	step := m.ReachInSteps(site, up)
	s.applying.Unlock()
	for more := true; more; {
		s.applying.Lock()
		more = step()
		s.applying.Unlock()
	}
}

// HostsOfSite calls fn with every host of a site that the view has, by id. It reads every host there is, and
// waits for nobody.
func (v *View) HostsOfSite(site model.SiteID, fn func(model.Host) error) error {
	return v.EachHost(func(h model.Host) error {
		if h.Site != site {
			return nil
		}
		return fn(h)
	})
}
