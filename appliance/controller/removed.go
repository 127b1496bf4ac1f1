package controller

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

const (
	clearEvery = 5 * time.Second
	clearPause = 50 * time.Millisecond // between two batches, so that others have their turn
)

// clearRemoved takes out the rows of sites that were removed, batch by batch, until ctx ends. The leader does it.
func (k *controller) clearRemoved(ctx context.Context) error {
	tick := time.NewTicker(clearEvery)
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
		sites, err := k.leftovers()
		for _, site := range sites {
			if err = k.clear(ctx, site); err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			k.log.Warn("the rows of a site that was removed are still there; trying again", "reason", err.Error())
		}
	}
}

// leftovers returns the sites that were removed and have rows.
func (k *controller) leftovers() (out []model.SiteID, err error) {
	v := k.rows.Store.View()
	defer v.Close()
	members, err := v.Members(model.MemberSite)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Status != model.MemberRemoved {
			continue
		}
		n, _, err := v.Counts(model.SiteID(m.ID))
		if err != nil {
			return nil, err
		}
		items, _, err := v.Directives(m.ID, 0, 1, 1, false)
		if err != nil {
			return nil, err
		}
		if n.Hosts > 0 || len(items) > 0 {
			out = append(out, model.SiteID(m.ID))
		}
	}
	return out, nil
}

func (k *controller) clear(ctx context.Context, site model.SiteID) error {
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
		select {
		case <-ctx.Done():
		case <-time.After(clearPause):
		}
	}
	return nil
}
