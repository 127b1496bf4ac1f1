// Package plain is the directory as a map, for tests: it answers with query.Match and query.Less, slowly and
// right by its looks, and draws the hosts, sites and questions that an index is held against it with.
//
// It owns no index and is never part of a program.
package plain

import (
	"slices"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Directory is the directory as a map, answering with query.Match and query.Less: slow, and right by its looks.
type Directory struct {
	Hosts  map[model.HostID]model.Host
	Sites  map[model.SiteID]model.Site
	Lost   map[model.SiteID]bool
	Judged map[model.SiteID]model.Time
}

// Shown is a host as it is shown.
func (p *Directory) Shown(h model.Host) model.Host {
	judged := p.Judged[h.Site]
	if h.Status != model.HostUnknown {
		h.StatusAt = max(h.StatusAt, judged)
	}
	if h.Status == model.HostUp {
		h.LastSeen = max(h.LastSeen, judged)
	}
	if p.Lost[h.Site] {
		h.Status = model.HostUnknown
	}
	return h
}

// Env is what query.Match must know beside the row.
func (p *Directory) Env() query.Env {
	return query.Env{Now: Now, Site: func(id model.SiteID) model.Site { return p.Sites[id] }}
}

// Now is the time of all questions.
const Now model.Time = 1_800_000_000_000

// Find returns the hosts that match, in order.
func (p *Directory) Find(where query.Expr, s query.Sort) []model.Host {
	var out []model.Host
	for _, h := range p.Hosts {
		if h = p.Shown(h); query.Match(where, &h, p.Env()) {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b model.Host) int {
		switch {
		case query.Less(s, &a, &b, p.Env()):
			return -1
		case query.Less(s, &b, &a, p.Env()):
			return 1
		}
		return 0
	})
	return out
}

// New returns an empty directory.
func New() *Directory {
	return &Directory{map[model.HostID]model.Host{}, map[model.SiteID]model.Site{}, map[model.SiteID]bool{}, map[model.SiteID]model.Time{}}
}

// Values are what a host counts for in a facet, folded; "" is no value.
func (p *Directory) Values(f query.Field, h *model.Host) []string {
	var out []string
	query.EachValue(f, h, p.Env(), func(v string) { out = append(out, query.Fold(v)) })
	if out == nil {
		return []string{""}
	}
	return out
}
