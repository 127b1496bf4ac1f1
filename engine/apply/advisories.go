package apply

import (
	"github.com/skerryhq/skerry/engine/model"
)

// runsOfRecords is the version of entries that brought runs and canonicals. What earlier entries do to canonicals is what a
// node that came to them later makes of the records by itself: no times of their own, and no events.
const runsOfRecords = 6

// advisories applies what logs and programs of before there were runs hold: records that become visible piece by piece.
func (a *applier) advisories(c model.Advisories) error {
	s, err := a.shelve(c.Stamp)
	if err != nil {
		return err
	}
	s.keep = c.Keep && a.env.Role == model.RoleController
	for _, adv := range c.Put {
		if err := s.put(adv); err != nil {
			return err
		}
	}
	for _, k := range c.Delete {
		if err := s.remove(k); err != nil {
			return err
		}
	}
	if err := s.regroup(); err != nil {
		return err
	}
	return a.tx.PutShelf(s.shelf)
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
		if err := a.note(c.Stamp, "bundle.import", i.BundleHash, true, "", importDetail(i)); err != nil {
			return err
		}
	}
	if err := a.turn(&shelf, c.At); err != nil {
		return err
	}
	return a.tx.PutShelf(shelf)
}

// importDetail is what the audit record says of an import.
func importDetail(i *model.Imported) map[string]string {
	return map[string]string{
		"origin": i.OriginName, "from": i.From.String(), "to": i.To.String(), "signer": i.Signer, "forced": yes(i.Forced),
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// turn begins a new generation: at a site, every inventory is to be matched again; a controller tells those below how far
// its advisories go now.
func (a *applier) turn(shelf *Shelf, at model.Time) error {
	shelf.Generation++
	if a.since(runsOfRecords) {
		if err := a.tx.PutTurn(Turn{shelf.Generation, shelf.Cursor}); err != nil {
			return err
		}
	}
	if a.env.Role != model.RoleSite {
		return a.tell(model.ItemShelf, "shelf", at)
	}
	return a.tx.EachDigest(a.tx.MarkDirty)
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
