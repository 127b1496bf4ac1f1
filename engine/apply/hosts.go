package apply

import (
	"reflect"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// fromAgent applies what rises from an agent to its site.
type fromAgent struct {
	*applier
	member model.Member
	stamp  model.Stamp
}

func (s fromAgent) take(item model.Item) error {
	item.AsOf = inventory.Capped(item.AsOf, s.stamp.At)
	switch item.Kind {
	case model.ItemFacts:
		var report model.FactsReport
		if err := decode(item, &report); err != nil {
			return err
		}
		f := report.Facts
		if err := inventory.CheckFacts(&f); err != nil {
			return err
		}
		f.BootedAt = inventory.Capped(f.BootedAt, s.stamp.At)
		return s.fold(item, func(h model.Host) (model.Host, bool) {
			h, looked := inventory.Looked(h, report.Looked, s.stamp.At)
			h, changed := inventory.Facts(h, f, item.AsOf)
			return h, changed || looked
		})
	case model.ItemPackages:
		var ref model.InventoryRef
		if err := decode(item, &ref); err != nil {
			return err
		}
		return s.fold(item, func(h model.Host) (model.Host, bool) { return inventory.Packages(h, ref, item.AsOf) })
	case model.ItemCertificates:
		var ref model.CertificatesRef
		if err := decode(item, &ref); err != nil {
			return err
		}
		return s.fold(item, func(h model.Host) (model.Host, bool) { return inventory.Certificates(h, ref, item.AsOf) })
	case model.ItemMove:
		var m model.Move
		if err := decode(item, &m); err != nil {
			return err
		}
		if _, err := s.hostOf(m.Host); err != nil {
			return err
		}
		self, err := s.self()
		if err != nil {
			return err
		}
		return s.moveFrom(model.SiteID(self), m)
	case model.ItemOSFacts:
		var ref model.OSFactsRef
		if err := decode(item, &ref); err != nil {
			return err
		}
		// The body is in the detail tier, and nothing of it in the row: that the agent was heard is all.
		return s.fold(item, func(h model.Host) (model.Host, bool) { return h, false })
	case model.ItemOutput:
		return s.output(item)
	}
	return unexpected(item, "agent")
}

// output takes in that the output of a command is in the detail tier. The move that ends the task says the same, and
// how much there is; here it is only judged whether the agent may speak of it.
func (s fromAgent) output(item model.Item) error {
	const op = "receive output"
	var ref model.OutputRef
	if err := decode(item, &ref); err != nil {
		return err
	}
	if _, err := s.hostOf(ref.Host); err != nil {
		return err
	}
	_, ok, err := s.tx.Task(ref.Command, ref.Host)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, op, "command %s was not sent to host %s", ref.Command, ref.Host)
	}
	return err
}

// hostOf returns the host's row, nil where there is none yet, where this agent may write it: an agent
// speaks for the host of its own id, a gateway for those it reported first.
func (s fromAgent) hostOf(id model.HostID) (*model.Host, error) {
	if s.member.Kind == model.MemberHost && model.NodeID(id) != s.member.ID {
		return nil, fault.New(fault.Denied, "receive report", "agent %q of host %s may not report host %s", s.member.Name, s.member.ID, id)
	}
	h, ok, err := s.tx.Host(id)
	if err != nil || !ok {
		return nil, err
	}
	if h.Agent != s.member.ID {
		return nil, fault.New(fault.Denied, "receive report", "host %s is reported by agent %s; agent %q may not report it", id, h.Agent, s.member.Name)
	}
	return &h, nil
}

// fold changes the host's row by one report. That a report came at all is a sign of life.
func (s fromAgent) fold(item model.Item, by func(model.Host) (model.Host, bool)) error {
	id, err := model.ParseHostID(item.Key)
	if err != nil {
		return fault.New(fault.Invalid, "receive report", "%w", err)
	}
	row, err := s.hostOf(id)
	if err != nil {
		return err
	}
	var was model.Host
	if row != nil {
		was = *row
	} else {
		self, err := s.self()
		if err != nil {
			return err
		}
		was = model.Host{ID: id, Site: model.SiteID(self), Agent: s.member.ID, Status: model.HostUnknown, FirstSeen: s.stamp.At}
	}
	h, changed := by(was)
	beat, news := inventory.Beat(was.Beat(), model.HostUp, s.stamp.At, s.stamp.At)
	if row != nil && !changed {
		return s.putBeat(id, was.Site, was.Status, beat, news, s.stamp.At)
	}
	h.SetBeat(beat)
	if h.PackagesDigest != was.PackagesDigest {
		if h, err = s.switchInventory(h); err != nil {
			return err
		}
	}
	if err := s.putHost(row, h); err != nil {
		return err
	}
	if h.PackagesDigest != was.PackagesDigest {
		if err := s.forget(was.PackagesDigest); err != nil {
			return err
		}
	}
	if row != nil && !inventory.NewsOf(was, h) {
		return nil
	}
	return s.emit(model.ItemHost, h.ID.String(), s.stamp.At, h)
}

// putBeat replaces a host's beat alone, and sends it up where the status is news.
func (a *applier) putBeat(id model.HostID, site model.SiteID, was model.HostStatus, b model.HostBeat, news bool, at model.Time) error {
	if err := a.tx.PutHostBeat(id, b); err != nil {
		return err
	}
	if !news {
		return nil
	}
	if err := a.countStatus(site, was, b.Status); err != nil || a.env.Role != model.RoleSite {
		return err
	}
	return a.emit(model.ItemStatus, id.String(), at, b)
}

// switchInventory gives a host the counts of its new inventory where that was matched before, and
// else marks the inventory to be matched.
func (a *applier) switchInventory(h model.Host) (model.Host, error) {
	m, ok, err := a.tx.MatchHead(h.PackagesDigest)
	if err != nil {
		return h, err
	}
	if ok {
		h, _ = inventory.Exposure(h, m)
		return h, nil
	}
	return h, a.tx.MarkDirty(h.PackagesDigest)
}

// forget removes what is known of an inventory that no host has any more.
func (a *applier) forget(digest string) error {
	if digest == "" {
		return nil
	}
	used := false
	err := a.tx.HostsWithPackages(digest, func(model.Host) error { used = true; return errStop })
	if err != nil && err != errStop {
		return err
	}
	if used {
		return nil
	}
	if err := a.tx.ClearDirty(digest); err != nil {
		return err
	}
	return a.tx.DeleteMatch(digest)
}

// errStop ends an iteration early.
var errStop = fault.New(fault.Other, "", "stop")

// putHost stores a host in place of was, nil for a new one, and moves its site's counts with it.
// Where nothing but the beat differs, as in a resync, the row itself is not written again.
func (a *applier) putHost(was *model.Host, h model.Host) error {
	if was != nil {
		same := *was
		same.SetBeat(h.Beat())
		switch {
		case !reflect.DeepEqual(same, h):
		case was.Beat() == h.Beat():
			return nil
		default:
			if err := a.tx.PutHostBeat(h.ID, h.Beat()); err != nil || was.Status == h.Status {
				return err
			}
			return a.countStatus(h.Site, was.Status, h.Status)
		}
	}
	if err := a.tx.PutHost(h); err != nil {
		return err
	}
	if was != nil {
		if err := a.count(was, -1); err != nil {
			return err
		}
	}
	return a.count(&h, 1)
}

// dropHost removes a host that is there. It rose from a site, which has its inventory.
func (a *applier) dropHost(was model.Host) error {
	if err := a.tx.DeleteHost(was.ID); err != nil {
		return err
	}
	return a.count(&was, -1)
}

func (a *applier) hostStatuses(c model.HostStatuses) error {
	for _, s := range c.Hosts {
		site, was, ok, err := a.tx.HostHead(s.Host)
		if err != nil {
			return err
		}
		if !ok {
			continue // removed since it was judged
		}
		beat, news := inventory.Beat(was, s.Status, s.LastSeen, c.At)
		if err := a.putBeat(s.Host, site, was.Status, beat, news, c.At); err != nil {
			return err
		}
	}
	if !c.All {
		return nil
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	t, err := a.tally(model.SiteID(self))
	if err != nil {
		return err
	}
	t.judged(c.At)
	return a.emit(model.ItemJudged, "judged", c.At, nil)
}

func (a *applier) resync(c model.Resync) error {
	self, err := a.self()
	if err != nil {
		return err
	}
	err = a.tx.EachHost(func(h model.Host) error {
		return a.emit(model.ItemHost, h.ID.String(), c.At, h)
	})
	if err != nil {
		return err
	}
	e, ok, err := a.tx.Exposure(model.SiteID(self))
	if err != nil {
		return err
	}
	if ok {
		if err := a.emit(model.ItemExposure, "exposure", c.At, e); err != nil {
			return err
		}
	}
	if err := a.resendAlerts(model.SiteID(self), c.At); err != nil {
		return err
	}
	if err := a.sendHeld(c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "site.resync", self.String(), true, "", nil)
}
