package apply

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// fromSite applies what rises from a site to its controller.
type fromSite struct {
	*applier
	site  model.SiteID
	stamp model.Stamp
}

func (s fromSite) take(item model.Item) error {
	switch item.Kind {
	case model.ItemStatus:
		return s.status(item)
	case model.ItemHost:
		return s.host(item)
	case model.ItemHostGone:
		id, err := model.ParseHostID(item.Key)
		if err != nil {
			return fault.New(fault.Invalid, "receive host", "%w", err)
		}
		was, ok, err := s.own(id)
		if err != nil || !ok {
			return err
		}
		return s.dropHost(was)
	case model.ItemJudged:
		t, err := s.tally(s.site)
		if err != nil {
			return err
		}
		t.judged(min(item.AsOf, s.stamp.At)) // a clock that is ahead must not make statuses look fresh for as long
		return nil
	case model.ItemExposure:
		var e model.Exposure
		if err := decode(item, &e); err != nil {
			return err
		}
		switch clean, err := inventory.CleanExposure(e, s.stamp.At); {
		case !s.since(RulesOfRefusals):
			if err != nil {
				s.lax()
			}
		case err != nil:
			return err
		default:
			e = clean
		}
		e.Site = s.site
		return s.tx.PutExposure(e)
	case model.ItemMove:
		var m model.Move
		if err := decode(item, &m); err != nil {
			return err
		}
		return s.moveFrom(s.site, m)
	case model.ItemCommandHeld:
		return s.held(item)
	case model.ItemAlerts:
		return s.alerts(item)
	case model.ItemAlertDone:
		return s.alertDone(item)
	case model.ItemPolicies:
		return s.policies(item)
	}
	return unexpected(item, "site")
}

// host stores a whole row.
func (s fromSite) host(item model.Item) error {
	h, err := hostIn(&item)
	if err != nil {
		return err
	}
	if h.ID.IsZero() || h.ID.String() != item.Key {
		return fault.New(fault.Invalid, "receive host", "the row is of host %s, its key says %q", h.ID, item.Key)
	}
	if h, err = inventory.Clean(h, s.stamp.At); err != nil {
		return err
	}
	h.Site = s.site // by the link, never by the payload
	was, ok, err := s.own(h.ID)
	if err != nil {
		return err
	}
	if err := s.tx.PutHost(h); err != nil {
		return err
	}
	if ok {
		if err := s.count(&was, -1); err != nil {
			return err
		}
	}
	return s.count(&h, 1)
}

// hostIn returns the row in an item.
func hostIn(item *model.Item) (model.Host, error) {
	if item.Host != nil {
		return *item.Host, nil
	}
	var h model.Host
	err := decode(*item, &h)
	return h, err
}

// status stores a host's beat. It came behind the whole row that it belongs to: the site sends in the
// order of its numbers, and a newer whole row brings its own beat.
func (s fromSite) status(item model.Item) error {
	const op = "receive status"
	id, err := model.ParseHostID(item.Key)
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	var b model.HostBeat
	if item.Beat != nil {
		b = *item.Beat
	} else if b, err = inventory.DecodeBeat(item.Payload); err != nil {
		return err
	}
	if b, err = inventory.CheckBeat(b, s.stamp.At); err != nil {
		return err
	}
	site, was, ok, err := s.tx.HostHead(id)
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.NotFound, op, "there is no host %s; its row is expected before its status", id)
	case site != s.site:
		return fault.New(fault.Denied, op, "host %s belongs to site %s; site %s may not write it", id, site, s.site)
	case was == b:
		return nil
	}
	return s.putBeat(id, site, was.Status, b, was.Status != b.Status, s.stamp.At)
}

// own returns the outline of a host of this site; ok is false where there is no such host. It refuses an id that
// belongs to another site: a site can never touch another's rows.
func (s fromSite) own(id model.HostID) (was model.Host, ok bool, err error) {
	was, ok, err = s.tx.HostOutline(id)
	if err == nil && ok && was.Site != s.site {
		if m, known, err := s.tx.Member(model.NodeID(was.Site)); err != nil || known && m.Status == model.MemberRemoved {
			return was, ok, err // its rows are about to go, and the host has come here
		}
		err = fault.New(fault.Denied, "receive host", "host %s belongs to site %s; site %s may not write it", id, was.Site, s.site)
	}
	return was, ok, err
}

// done keeps when the site's newest item was stored.
func (s fromSite) done() error {
	t, err := s.tally(s.site)
	if err != nil {
		return err
	}
	t.heard(s.stamp.At)
	return nil
}

func (s fromSite) held(item model.Item) error {
	id, err := model.ParseCommandID(item.Key)
	if err != nil {
		return fault.New(fault.Invalid, "receive command", "%w", err)
	}
	c, ok, err := s.tx.Command(id)
	if err != nil {
		return err
	}
	if !ok || c.Site != s.site {
		return fault.New(fault.NotFound, "receive command", "command %s was not dispatched to site %s", id, s.site)
	}
	if c.SiteAt != 0 {
		return nil
	}
	c.SiteAt = item.AsOf
	return s.tx.PutCommand(c)
}
