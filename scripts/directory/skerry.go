package main

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// skerry is our own store within this process, with its Raft log in front of the writes.
type skerry struct{ *group }

func (s *skerry) Name() string { return "Skerry" }

// Session returns the store itself: any number of goroutines read it.
func (s *skerry) Session(context.Context) (Session, error) { return inside{s.group}, nil }

// inside asks the store. Reading the text of a search is part of what is measured.
type inside struct{ g *group }

func (inside) Close() {}

func (i inside) Query(ctx context.Context, q fleet.Query) (Answer, error) {
	if q.Op == fleet.OpRollup {
		return i.rollup()
	}
	s, err := search(q, t0)
	if err != nil {
		return Answer{}, err
	}
	switch q.Op {
	case fleet.OpCount:
		n, err := i.g.store.Count(ctx, s.Where, s.Now)
		return Answer{Lines: func() ([]string, error) { return []string{countLine(n)}, nil }}, err
	case fleet.OpFacets:
		facets, total, err := i.g.store.Facets(ctx, s.Where, s.Now, facetFields, facetTop)
		return Answer{Lines: func() ([]string, error) { return facetLines(total, facetsOf(facets)), nil }}, err
	}
	page, err := i.g.store.Find(ctx, s)
	return Answer{Total: page.Total, Lines: func() ([]string, error) {
		lines := make([]string, len(page.Hosts))
		for i := range page.Hosts {
			h := &page.Hosts[i]
			lines[i] = rowLine(h.ID, h.Hostname, h.Status, int64(h.LastSeen), h.Exposure.Critical, h.Exposure.High, len(h.Tags))
		}
		return lines, nil
	}}, err
}

func facetsOf(in []query.Facet) map[string]facet {
	out := map[string]facet{}
	for _, f := range in {
		v := facet{distinct: f.Distinct, none: f.None}
		for _, c := range f.Values {
			v.values = append(v.values, facetValue{c.Value, c.N})
		}
		out[f.Field.String()] = v
	}
	return out
}

// rollup reads the aggregate row of each site.
func (i inside) rollup() (Answer, error) {
	v := i.g.store.View()
	defer v.Close()
	sites, err := v.Sites()
	if err != nil {
		return Answer{}, err
	}
	sums := make([]siteSums, 0, len(sites))
	for _, s := range sites {
		n, _, err := v.Counts(s.ID)
		if err != nil {
			return Answer{}, err
		}
		n.Site = s.ID
		sums = append(sums, sumsOf(n))
	}
	return rollupAnswer(sums), nil
}

func sumsOf(n model.SiteCounts) siteSums {
	by := func(s model.HostStatus) int64 { return n.ByStatus[string(s)] }
	return siteSums{
		site: n.Site, hosts: n.Hosts, up: by(model.HostUp), late: by(model.HostLate), down: by(model.HostDown), unknown: by(model.HostUnknown),
		critical: int64(n.Exposure.Critical), high: int64(n.Exposure.High), reboot: n.Reboot, updates: n.Updates,
		compliance: n.Compliance, complianceN: n.ComplianceN,
	}
}

// Writer returns the node itself.
func (s *skerry) Writer(context.Context) (Writer, error) { return proposer{s.group}, nil }

type proposer struct{ g *group }

func (proposer) Close() {}

// Prepare makes the items that the site would send. Each batch is one proposal, as the hub makes one of
// what a site sends in one piece.
func (p proposer) Prepare(d delivery) (func(context.Context) error, error) {
	c := model.Received{Stamp: model.Stamp{Actor: "site:" + d.SiteID}, Origin: model.NodeID(siteID(d.SiteID)), Epoch: model.Epoch(d.epoch)}
	for i, x := range d.Deltas {
		item, err := x.Item()
		if err != nil {
			return nil, err
		}
		item.Seq = model.Seq(d.Seq*10_000 + uint64(i))
		c.At = max(c.At, item.AsOf)
		c.Items = append(c.Items, item)
	}
	return func(ctx context.Context) error { return p.g.node.Propose(ctx, c) }, nil
}

// loaders is how many sites send their first sync at the same time.
const loaders = 4

// load brings the whole fleet in as first syncs do: every site sends its hosts in batches of 500.
func (s *skerry) load(ctx context.Context, f *fleet.Fleet) error {
	if err := s.found(ctx, f); err != nil {
		return err
	}
	eg, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	site := 0
	for range loaders {
		eg.Go(func() error {
			for {
				mu.Lock()
				n := site
				site++
				mu.Unlock()
				if n >= len(f.Sites) {
					return nil
				}
				if err := s.loadSite(ctx, f, n); err != nil {
					return fmt.Errorf("first sync of site %s: %w", f.Sites[n].Code, err)
				}
			}
		})
	}
	return eg.Wait()
}

func (s *skerry) loadSite(ctx context.Context, f *fleet.Fleet, site int) error {
	c := model.Received{Stamp: model.Stamp{Actor: "site:" + f.Sites[site].ID, At: t0}, Origin: model.NodeID(f.Sites[site].Model().ID), Epoch: 1}
	for n := range f.Sites[site].Hosts {
		item, err := f.Host(site, n).Item()
		if err != nil {
			return err
		}
		item.Seq = model.Seq(n + 1)
		c.Items = append(c.Items, item)
		if len(c.Items) == 500 || n+1 == f.Sites[site].Hosts {
			if err := s.node.Propose(ctx, c); err != nil {
				return err
			}
			c.Items = c.Items[:0]
		}
	}
	return nil
}

// open opens the store again after close.
func (s *skerry) open(ctx context.Context, cache int64) error {
	g, err := openGroup(ctx, s.dir, cache)
	if err != nil {
		return err
	}
	g.self, g.keys = s.self, s.keys
	s.group = g
	return nil
}
