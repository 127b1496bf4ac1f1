package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// directory is what a memory has beside its rows to answer searches with.
type directory struct {
	lost    func(model.SiteID) bool // whether a site cannot be reached; nil: none
	slow    chan struct{}           // if set, a search waits until it is closed
	fail    func(q query.Search) error
	changes []model.HostID
	gap     uint64 // changes before it are forgotten
}

// shown is the host with its effective status, as the contract of Directory has it.
func (m *memory) shown(h model.Host) model.Host {
	if judged := m.counts[h.Site].JudgedAt; judged > h.StatusAt && h.Status != model.HostUnknown && h.Status != "" {
		h.StatusAt = judged
		if h.Status == model.HostUp {
			h.LastSeen = max(h.LastSeen, judged)
		}
	}
	if m.lost != nil && m.lost(h.Site) {
		h.Status = model.HostUnknown
	}
	return h
}

func (m *memory) env(now model.Time) query.Env {
	return query.Env{Now: now, Site: func(id model.SiteID) model.Site {
		if s, ok := m.sites[id]; ok {
			return s
		}
		return model.Site{ID: id, Name: m.self.Name}
	}}
}

// matching is every host that x matches, one after the other by the plain definition.
func (m *memory) matching(x query.Expr, now model.Time) []model.Host {
	if x == nil {
		x = query.All{}
	}
	var all []model.Host
	for _, h := range m.hosts {
		if h = m.shown(h); query.Match(x, &h, m.env(now)) {
			all = append(all, h)
		}
	}
	return all
}

func (m *memory) FindWritten(ctx context.Context, q query.Search, write query.Writer, page *query.Written) error {
	return findWritten(ctx, m, q, write, page)
}

// findWritten is FindWritten by way of Find.
func findWritten(ctx context.Context, d interface {
	Find(ctx context.Context, q query.Search) (query.Page, error)
}, q query.Search, write query.Writer, page *query.Written,
) error {
	p, err := d.Find(ctx, q)
	if err != nil {
		return err
	}
	page.Hosts, page.Total, page.Next = page.Hosts[:0], p.Total, p.Next
	for _, h := range p.Hosts {
		beat := h.Beat()
		h.SetBeat(model.HostBeat{})
		page.Hosts = append(page.Hosts, query.WrittenHost{Text: write(nil, &h), Beat: beat})
	}
	return nil
}

func (m *memory) Find(ctx context.Context, q query.Search) (query.Page, error) {
	if m.slow != nil {
		select {
		case <-m.slow:
		case <-ctx.Done():
			return query.Page{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(q); err != nil {
			return query.Page{}, err
		}
	}
	env := m.env(q.Now)
	all := m.matching(q.Where, q.Now)
	slices.SortFunc(all, func(a, b model.Host) int {
		switch {
		case query.Less(q.Sort, &a, &b, env):
			return -1
		case query.Less(q.Sort, &b, &a, env):
			return 1
		}
		return 0
	})
	p := query.Page{Total: len(all)}
	if q.After != nil { // its host stands at the end of the page before
		if i := slices.IndexFunc(all, func(h model.Host) bool { return h.ID == q.After.ID }); i >= 0 {
			all = all[i+1:]
		}
	}
	all = all[min(q.Skip, len(all)):]
	limit := cmp.Or(q.Limit, query.DefaultPage)
	p.Hosts = all[:min(limit, len(all))]
	if len(all) > limit {
		c := query.CursorOf(q.Sort, &all[limit-1], env)
		p.Next = &c
	}
	return p, nil
}

func (m *memory) Count(ctx context.Context, x query.Expr, now model.Time) (int, error) {
	p, err := m.Find(ctx, query.Search{Where: x, Now: now, Limit: 1})
	return p.Total, err
}

func value(f query.Field, h *model.Host, site model.Site) []string {
	switch f {
	case query.FieldStatus:
		return []string{string(statusOf(h.Status))}
	case query.FieldOS:
		return []string{strings.TrimSpace(h.OS.ID + " " + h.OS.Version)}
	case query.FieldSite:
		return []string{site.Name}
	case query.FieldRegion:
		return []string{site.Region}
	case query.FieldTag:
		return h.Tags
	case query.FieldSeverity:
		return []string{h.Worst()}
	}
	return nil
}

func (m *memory) Facets(ctx context.Context, x query.Expr, now model.Time, fields []query.Field, top int) ([]query.Facet, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hosts := m.matching(x, now)
	facets := make([]query.Facet, 0, len(fields))
	for _, f := range fields {
		facet, n := query.Facet{Field: f}, map[string]int{}
		for i := range hosts {
			values := slices.DeleteFunc(slices.Clone(value(f, &hosts[i], m.env(now).Site(hosts[i].Site))), func(v string) bool { return v == "" })
			for _, v := range values {
				n[v]++
			}
			if len(values) == 0 {
				facet.None++
			}
		}
		facet.Distinct = len(n)
		facet.Values = counts(n, top)
		facets = append(facets, facet)
	}
	return facets, len(hosts), ctx.Err()
}

func counts(n map[string]int, top int) []query.Count {
	var all []query.Count
	for _, v := range slices.Sorted(maps.Keys(n)) {
		all = append(all, query.Count{Value: v, N: n[v]})
	}
	slices.SortStableFunc(all, func(a, b query.Count) int { return b.N - a.N })
	return all[:min(top, len(all))]
}

func (m *memory) Group(ctx context.Context, x query.Expr, now model.Time, a, b query.Field, top int) (query.Grouped, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hosts, n := m.matching(x, now), map[string]int{}
	for i := range hosts {
		site := m.env(now).Site(hosts[i].Site)
		for _, va := range value(a, &hosts[i], site) {
			for _, vb := range value(b, &hosts[i], site) {
				n[va+"\x00"+vb]++
			}
		}
	}
	g := query.Grouped{Total: len(hosts), Distinct: len(n)}
	for _, c := range counts(n, top) {
		va, vb, _ := strings.Cut(c.Value, "\x00")
		g.Groups = append(g.Groups, query.Group{A: va, B: vb, N: c.N})
	}
	return g, ctx.Err()
}

func (m *memory) Values(f query.Field, prefix string, limit int) []query.Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := map[string]int{}
	for _, h := range m.hosts {
		for _, v := range value(f, &h, m.sites[h.Site]) {
			if strings.HasPrefix(query.Fold(v), query.Fold(prefix)) {
				n[v]++
			}
		}
	}
	return counts(n, limit)
}

func (m *memory) HostChanges(after uint64, most int) (ids []model.HostID, upto uint64, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	upto = uint64(len(m.changes))
	if most <= 0 {
		return nil, upto, false
	}
	if after < m.gap || after > upto {
		return nil, upto, true
	}
	for ; after < upto && len(ids) < most; after++ {
		if !slices.Contains(ids, m.changes[after]) {
			ids = append(ids, m.changes[after])
		}
	}
	return ids, after, false
}

// put writes a host as a commit would.
func (m *memory) put(h model.Host) {
	m.edit(func() {
		m.hosts[h.ID] = h
		m.changes = append(m.changes, h.ID)
	})
}

// drop removes a host likewise.
func (m *memory) drop(id model.HostID) {
	m.edit(func() {
		delete(m.hosts, id)
		m.changes = append(m.changes, id)
	})
}
