package apply

import (
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// matched stores findings. A match made against an older generation is kept, since it is better than
// none, but its inventory stays marked.
func (a *applier) matched(c model.Matched) error {
	shelf, err := a.tx.Shelf()
	if err != nil {
		return err
	}
	for _, j := range c.Judged {
		if err := a.tx.PutJudged(j); err != nil {
			return err
		}
	}
	for _, id := range c.Gone {
		if err := a.tx.DeleteJudged(id); err != nil {
			return err
		}
	}
	// What is said of hosts comes in place of what their inventories have, and not after it: a row that is written twice would go up twice.
	own := make(map[model.HostID]model.HostExposure, len(c.Hosts))
	for _, h := range c.Hosts {
		own[h.Host] = h
	}
	for _, m := range c.Matches {
		if err := a.match(c, m, shelf.Generation, own); err != nil {
			return err
		}
	}
	for _, h := range c.Hosts {
		was, ok, err := a.tx.Host(h.Host)
		if err != nil {
			return err
		}
		if ok && was.PackagesDigest == h.Digest {
			if err := a.exposed(c, was, ownMatch(h)); err != nil {
				return err
			}
		}
	}
	return nil
}

func ownMatch(h model.HostExposure) model.Match {
	return model.Match{Digest: h.Digest, At: h.At, Counts: h.Counts, FixableN: &h.FixableN}
}

// match stores one match and what it says of the hosts that have its inventory.
func (a *applier) match(c model.Matched, m model.Match, generation uint64, own map[model.HostID]model.HostExposure) error {
	var hosts []model.Host
	err := a.tx.HostsWithPackages(m.Digest, func(h model.Host) error { hosts = append(hosts, h); return nil })
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return a.forget(m.Digest)
	}
	if m.PartN > 0 && m.Parts == nil {
		was, ok, err := a.tx.MatchHead(m.Digest)
		if err != nil || !ok || was.PartN != m.PartN {
			return err // its parts went when no host had it for a moment: it stays marked
		}
		err = a.tx.PutMatchHead(m)
		if err != nil {
			return err
		}
	} else if err := a.tx.PutMatch(m); err != nil {
		return err
	}
	if m.Generation == generation {
		if err := a.tx.ClearDirty(m.Digest); err != nil {
			return err
		}
	}
	for _, was := range hosts {
		if x, ok := own[was.ID]; ok && x.Digest == m.Digest {
			continue
		}
		if err := a.exposed(c, was, m); err != nil {
			return err
		}
	}
	return nil
}

// exposed gives a host the counts of a match, and sends its row up where that changed it.
func (a *applier) exposed(c model.Matched, was model.Host, m model.Match) error {
	h, changed := inventory.Exposure(was, m)
	if !changed {
		return nil
	}
	if err := a.putHost(&was, h); err != nil {
		return err
	}
	return a.emit(model.ItemHost, h.ID.String(), c.At, h)
}
