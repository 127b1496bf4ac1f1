package apply

import (
	"reflect"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

func (a *applier) advisories(c model.Advisories) error {
	shelf, err := a.tx.Shelf()
	if err != nil {
		return err
	}
	for _, adv := range c.Put {
		if adv.Source == "" || adv.ID == "" {
			return fault.New(fault.Invalid, "store advisory", "record %q needs a source and an id", adv.AdvisoryKey)
		}
		was, ok, err := a.tx.Advisory(adv.AdvisoryKey)
		if err != nil {
			return err
		}
		if c.Keep {
			if ok && was.Cursor.Compare(adv.Cursor) >= 0 {
				continue
			}
		} else {
			if adv.Cursor = was.Cursor; ok && reflect.DeepEqual(was, adv) {
				continue
			}
			adv.Cursor = advance(&shelf, c.At)
		}
		if err := a.storeAdvisory(&shelf, adv, ok); err != nil {
			return err
		}
		if err := a.tell(model.ItemAdvisory, adv.AdvisoryKey.String(), adv.Cursor.At); err != nil {
			return err
		}
	}
	for _, key := range c.Delete {
		_, ok, err := a.tx.Advisory(key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		at := advance(&shelf, c.At)
		if err := a.removeAdvisory(&shelf, key, at); err != nil {
			return err
		}
		if err := a.tell(model.ItemAdvisoryGone, key.String(), at.At); err != nil {
			return err
		}
	}
	return a.tx.PutShelf(shelf)
}

// tell sends a directive to every member below a controller; a site's agents hold no advisories.
func (a *applier) tell(kind model.ItemKind, key string, asOf model.Time) error {
	if a.env.Role != model.RoleController {
		return nil
	}
	return a.tx.PutDirective(model.NodeID{}, kind, key, asOf)
}

// advance gives the next cursor. Its time never goes back, even where the clock did.
func advance(s *Shelf, at model.Time) model.Cursor {
	s.Cursor = model.Cursor{At: max(at, s.Cursor.At), Seq: max(s.Cursor.Seq, s.Floor) + 1}
	return s.Cursor
}

// raise keeps how far the advisories of an origin are held.
func raise(s *Shelf, origin model.NodeID, to model.Cursor) {
	if s.Imported == nil {
		s.Imported = map[string]model.Cursor{}
	}
	if key := origin.String(); s.Imported[key].Compare(to) < 0 {
		s.Imported[key] = to
	}
}

// storeAdvisory puts a record; known says whether there is one of that key.
func (a *applier) storeAdvisory(shelf *Shelf, adv model.Advisory, known bool) error {
	if !known {
		shelf.AdvisoryN++
	}
	return a.tx.PutAdvisory(adv)
}

// removeAdvisory removes a record that is there.
func (a *applier) removeAdvisory(shelf *Shelf, key model.AdvisoryKey, at model.Cursor) error {
	shelf.AdvisoryN--
	return a.tx.DeleteAdvisory(key, at)
}

func (a *applier) generation(c model.Generation) error {
	shelf, err := a.tx.Shelf()
	if err != nil {
		return err
	}
	if i := c.Imported; i != nil {
		raise(&shelf, i.Origin, i.To)
		if err := a.tx.PutImport(*i, c.At); err != nil {
			return err
		}
		if err := a.note(c.Stamp, "bundle.import", i.BundleHash, true, "", map[string]string{
			"origin": i.OriginName, "from": i.From.String(), "to": i.To.String(), "signer": i.Signer, "forced": yes(i.Forced),
		}); err != nil {
			return err
		}
	}
	if err := a.turn(&shelf); err != nil {
		return err
	}
	if err := a.tell(model.ItemGeneration, "generation", c.At); err != nil {
		return err
	}
	return a.tx.PutShelf(shelf)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// turn begins a new generation: at a site, every inventory is to be matched again.
func (a *applier) turn(shelf *Shelf) error {
	shelf.Generation++
	if a.env.Role != model.RoleSite {
		return nil
	}
	return a.tx.EachDigest(a.tx.MarkDirty)
}

// matched stores findings. A match made against an older generation is kept, since it is better than
// none, but its inventory stays marked.
func (a *applier) matched(c model.Matched) error {
	shelf, err := a.tx.Shelf()
	if err != nil {
		return err
	}
	for _, m := range c.Matches {
		var hosts []model.Host
		err := a.tx.HostsWithPackages(m.Digest, func(h model.Host) error { hosts = append(hosts, h); return nil })
		if err != nil {
			return err
		}
		if len(hosts) == 0 {
			if err := a.forget(m.Digest); err != nil {
				return err
			}
			continue
		}
		if err := a.tx.PutMatch(m); err != nil {
			return err
		}
		if m.Generation == shelf.Generation {
			if err := a.tx.ClearDirty(m.Digest); err != nil {
				return err
			}
		}
		for _, was := range hosts {
			h, changed := inventory.Exposure(was, m)
			if !changed {
				continue
			}
			if err := a.putHost(&was, h); err != nil {
				return err
			}
			if err := a.emit(model.ItemHost, h.ID.String(), c.At, h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applier) rollup(c model.Rollup) error {
	self, err := a.self()
	if err != nil {
		return err
	}
	e := c.Exposure
	e.Site = model.SiteID(self)
	if err := a.tx.PutExposure(e); err != nil {
		return err
	}
	return a.emit(model.ItemExposure, "exposure", e.At, e)
}
