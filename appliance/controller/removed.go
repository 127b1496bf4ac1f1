package controller

import (
	"cmp"
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/index"
)

const (
	clearEvery = 5 * time.Second
	clearPause = 50 * time.Millisecond // between two batches, so that others have their turn
)

// clearRemoved takes out the rows of sites that were removed, batch by batch, and the controllers that the group took out
// from the registry, until ctx ends. The leader does it.
func (k *controller) clearRemoved(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(k.clears, clearEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if leads, _ := k.group.Load().Leader(); !leads {
			continue
		}
		if err := k.clearSites(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("the rows of a site that was removed are still there; trying again", "reason", err.Error())
		}
		if err := k.retireDead(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("a controller that the group took out is still in the registry; trying again", "reason", err.Error())
		}
	}
}

// clearSites does it once.
func (k *controller) clearSites(ctx context.Context) error {
	sites, err := k.leftovers()
	for _, site := range sites {
		if err == nil {
			err = k.clear(ctx, site)
		}
	}
	return err
}

// leftovers returns the sites that were removed and have rows.
func (k *controller) leftovers() (out []model.SiteID, err error) {
	v := k.rows.Store.View()
	defer v.Close()
	rows, err := rowsOf(v)
	if err != nil {
		return nil, err
	}
	err = v.EachMember(model.MemberSite, func(m model.Member) error {
		if m.Status != model.MemberRemoved {
			return nil
		}
		site := model.SiteID(m.ID)
		n, _, err := v.Counts(site)
		if err != nil {
			return err
		}
		items, _, err := v.Directives(m.ID, 0, 1, 1, false)
		if err != nil {
			return err
		}
		more, err := rows(site)
		if n.Hosts > 0 || len(items) > 0 || more {
			out = append(out, site)
		}
		return err
	})
	return out, err
}

// rowsOf returns what reports whether there is something of a site that model.ClearSite takes away.
func rowsOf(v *index.View) (func(model.SiteID) (bool, error), error) {
	named := map[model.SiteID]bool{} // by an open command, or by a policy
	if err := v.OpenCommands(func(c model.Command) error { named[c.Site] = true; return nil }); err != nil {
		return nil, err
	}
	policies, err := v.Policies()
	if err != nil {
		return nil, err
	}
	for _, p := range policies {
		for _, site := range p.Sites {
			named[site] = true
		}
	}
	return func(site model.SiteID) (bool, error) {
		_, exposure, err := v.Exposure(site)
		if err != nil {
			return false, err
		}
		_, alerts, err := v.AlertCounts(site)
		if err != nil {
			return false, err
		}
		_, held, err := v.PoliciesHeld(site)
		return named[site] || exposure || alerts || held, err
	}, nil
}

// clear takes out what there is of one site. Its hosts go first: groups with a node of an older version take that as well.
func (k *controller) clear(ctx context.Context, site model.SiteID) error {
	if err := k.clearHosts(ctx, site); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if more, err := k.hasRows(site); err != nil || !more {
			return err
		}
		stamp := model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}
		if err := k.group.Load().Propose(ctx, model.ClearSite{Stamp: stamp, Site: site}); err != nil {
			return err
		}
		pause(ctx)
	}
	return nil
}

func (k *controller) hasRows(site model.SiteID) (bool, error) {
	v := k.rows.Store.View()
	defer v.Close()
	rows, err := rowsOf(v)
	if err != nil {
		return false, err
	}
	return rows(site)
}

// pause lets others have their turn.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(clearPause):
	}
}

func (k *controller) clearHosts(ctx context.Context, site model.SiteID) error {
	where := query.Term{Field: query.FieldSite, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: site.String()}}
	for ctx.Err() == nil {
		stamp := model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}
		page, err := k.rows.Store.Find(ctx, query.Search{Where: where, Sort: query.Sort{Field: query.FieldID}, Limit: min(query.MaxPage, model.MaxRetire), Now: stamp.At})
		if err != nil {
			return err
		}
		var hosts []model.HostID
		for _, h := range page.Hosts {
			if h.Site == site { // a name could be that of another
				hosts = append(hosts, h.ID)
			}
		}
		changes := []model.Change{model.SetMemberStatus{Stamp: stamp, Member: model.NodeID(site), Status: model.MemberRemoved}}
		if len(hosts) > 0 {
			changes = append(changes, model.RetireHosts{Stamp: stamp, Hosts: hosts})
		}
		if err := k.group.Load().Propose(ctx, changes...); err != nil || len(hosts) == 0 {
			return err
		}
		pause(ctx)
	}
	return nil
}
