package api

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

type hostsInput struct {
	Query  string `query:"q" maxLength:"256" doc:"part of a host name, FQDN or address, or an exact id"`
	Site   string `query:"site" maxLength:"64" doc:"only hosts of this site (id or name)"`
	Status string `query:"status" enum:"up,down,unknown"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	After  string `query:"after" doc:"next of the page before"`
}

func (s *Server) listHosts(_ context.Context, in *hostsInput) (*out[schema.Hosts], error) {
	v, done := s.c.Store.View()
	defer done()
	q := model.HostQuery{Text: in.Query, Status: model.HostStatus(in.Status), Limit: in.Limit}
	if in.After != "" {
		id, err := model.ParseHostID(in.After)
		if err != nil {
			return nil, fault.New(fault.Invalid, "list hosts", "after: %w", err)
		}
		q.After = id
	}
	if in.Site != "" {
		site, err := s.findSite(v, in.Site)
		if err != nil {
			return nil, err
		}
		q.Site = site.ID
	}
	w, err := s.witness(v)
	if err != nil {
		return nil, err
	}
	page, err := w.query(v, q)
	if err != nil {
		return nil, err
	}
	body := schema.Hosts{Hosts: make([]schema.Host, 0, len(page.Hosts)), Total: page.Total, AsOf: s.c.Now().UTC().Truncate(time.Millisecond)}
	for _, h := range page.Hosts {
		body.Hosts = append(body.Hosts, w.row(h))
	}
	if !page.Next.IsZero() {
		body.Next = page.Next.String()
	}
	return &out[schema.Hosts]{Body: body}, nil
}

type hostInput struct {
	Host string `path:"host" maxLength:"255" doc:"id, or a host name that only one host has"`
}

func (s *Server) getHost(_ context.Context, in *hostInput) (*out[schema.Host], error) {
	v, done := s.c.Store.View()
	defer done()
	h, err := findHost(v, in.Host)
	if err != nil {
		return nil, err
	}
	w, err := s.witness(v)
	if err != nil {
		return nil, err
	}
	return &out[schema.Host]{Body: w.row(h)}, nil
}

// findHost finds a host by its id, or by an exact host name or FQDN that only one host has.
func findHost(v View, name string) (model.Host, error) {
	if id, err := model.ParseHostID(name); err == nil {
		h, ok, err := v.Host(id)
		if err != nil {
			return h, err
		}
		if !ok {
			return h, fault.New(fault.NotFound, "", "there is no host %s here; `skerry hosts list` finds hosts by name or address", id)
		}
		return h, nil
	}
	var found []model.Host
	q := model.HostQuery{Text: name, Limit: 1000}
	for {
		page, err := v.Hosts(q)
		if err != nil {
			return model.Host{}, err
		}
		for _, h := range page.Hosts {
			if strings.EqualFold(h.Hostname, name) || strings.EqualFold(h.FQDN, name) {
				found = append(found, h)
			}
		}
		if page.Next.IsZero() || len(found) > 1 {
			break
		}
		q.After = page.Next
	}
	switch len(found) {
	case 0:
		return model.Host{}, fault.New(fault.NotFound, "", "no host is named %q; `skerry hosts list -q %s` finds hosts by a part of the name", name, name)
	case 1:
		return found[0], nil
	}
	return model.Host{}, fault.New(fault.Conflict, "", "more than one host is named %q (%s and %s): give the id", name, found[0].ID, found[1].ID)
}

// witness judges what a host's row is worth now: while the link of its site is down, nobody can say
// whether the host is up.
type witness struct {
	judged map[model.SiteID]model.Time // when the site last said that all its statuses hold
	names  map[model.SiteID]string
	lost   map[model.SiteID]reach
	order  []model.SiteID
}

func (s *Server) witness(v View) (*witness, error) {
	rows, err := s.siteRows(v)
	if err != nil {
		return nil, err
	}
	w := &witness{judged: map[model.SiteID]model.Time{}, names: map[model.SiteID]string{}, lost: map[model.SiteID]reach{}}
	for _, row := range rows {
		w.names[row.ID] = row.Name
		w.order = append(w.order, row.ID)
		n, _, err := v.Counts(row.ID)
		if err != nil {
			return nil, err
		}
		w.judged[row.ID] = n.JudgedAt
		if s.c.Role == model.RoleSite {
			continue // a site needs no link to its own hosts
		}
		link, err := s.reach(v, model.Member{ID: model.NodeID(row.ID)})
		if err != nil {
			return nil, err
		}
		if link.word != linkUp {
			w.lost[row.ID] = link
		}
	}
	return w, nil
}

func (w *witness) row(h model.Host) schema.Host {
	if judged := w.judged[h.Site]; judged > h.StatusAt && h.Status != model.HostUnknown && h.Status != "" {
		// The site has said since that the status still holds; and up means heard until then.
		h.StatusAt = judged
		if h.Status == model.HostUp {
			h.LastSeen = max(h.LastSeen, judged)
		}
	}
	row := hostRow(h, w.names[h.Site])
	if link, ok := w.lost[h.Site]; ok {
		was := row.Status
		row.Status = string(model.HostUnknown)
		row.StatusReason = "site " + w.names[h.Site] + " cannot be reached"
		if !link.since.IsZero() {
			row.StatusReason += " since " + link.since.UTC().Format(time.RFC3339)
		}
		row.StatusReason += "; it last said " + was
	}
	return row
}

// query is View.Hosts with the status that is shown, not the one that is stored: a host of a lost
// site is found under unknown. Where that makes a difference the sites are asked one by one, and
// their pages merged.
func (w *witness) query(v View, q model.HostQuery) (model.HostPage, error) {
	if q.Status == "" || len(w.lost) == 0 {
		return v.Hosts(q)
	}
	sites := w.order
	if !q.Site.IsZero() {
		sites = []model.SiteID{q.Site}
	}
	var all model.HostPage
	for _, site := range sites {
		one := q
		one.Site = site
		if _, lost := w.lost[site]; lost {
			if q.Status != model.HostUnknown {
				continue
			}
			one.Status = ""
		}
		page, err := v.Hosts(one)
		if err != nil {
			return model.HostPage{}, err
		}
		all.Hosts = append(all.Hosts, page.Hosts...)
		all.Total += page.Total
		if !page.Next.IsZero() {
			all.Next = page.Next
		}
	}
	slices.SortFunc(all.Hosts, func(a, b model.Host) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	more := !all.Next.IsZero()
	if len(all.Hosts) > q.Limit {
		all.Hosts, more = all.Hosts[:q.Limit], true
	}
	all.Next = model.HostID{}
	if more && len(all.Hosts) > 0 {
		all.Next = all.Hosts[len(all.Hosts)-1].ID
	}
	return all, nil
}
