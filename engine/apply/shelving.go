package apply

import (
	"reflect"
	"slices"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// shelving is one change of the records: what it does to the shelf, and which canonicals it concerns.
type shelving struct {
	*applier
	stamp model.Stamp
	shelf Shelf
	keep  bool         // see model.Advisories
	run   model.Commit // zero: it is none
	done  RunResult

	changed map[model.AdvisoryKey]bool
	order   []model.AdvisoryKey // changed, as it came
	seeds   []string            // the identities of what was changed, as it was and as it is

	named map[model.AdvisoryKey]string // the first package URL of records that were removed; of those that name one
}

func (a *applier) shelve(stamp model.Stamp) (*shelving, error) {
	shelf, err := a.tx.Shelf()
	return &shelving{applier: a, stamp: stamp, shelf: shelf, changed: map[model.AdvisoryKey]bool{}}, err
}

// checkKey refuses what names no record.
func checkKey(k model.AdvisoryKey) error {
	if k.Source == "" || k.ID == "" {
		return fault.New(fault.Invalid, "store advisory", "record %q needs a source and an id", k)
	}
	return nil
}

// put stores a record, with the next cursor of this server's log. One that is as it is stays as it is.
func (s *shelving) put(adv model.Advisory) error {
	s.step()
	if err := checkKey(adv.AdvisoryKey); err != nil {
		return err
	}
	was, known, err := s.tx.Advisory(adv.AdvisoryKey)
	if err != nil {
		return err
	}
	if s.keep {
		if known && was.Cursor.Compare(adv.Cursor) >= 0 {
			s.done.Skipped++
			return nil
		}
	} else {
		origin, also := adv.Origin, adv.Also
		adv.Cursor, adv.Origin, adv.Also = was.Cursor, was.Origin, was.Also
		if known && reflect.DeepEqual(was, adv) {
			s.done.Skipped++
			return nil
		}
		adv.Origin, adv.Also = origin, also
		adv.Cursor = advance(&s.shelf, s.stamp.At)
	}
	if known {
		s.done.Updated++
		s.mark(was)
	} else {
		s.done.Created++
		s.shelf.AdvisoryN++
	}
	s.mark(adv)
	if err := s.tx.PutAdvisory(adv); err != nil {
		return err
	}
	return s.tellOld(model.ItemAdvisory, adv.AdvisoryKey, adv.Cursor)
}

// remove removes a record; one that is not there is no error.
func (s *shelving) remove(k model.AdvisoryKey) error {
	s.step()
	was, known, err := s.tx.Advisory(k)
	if err != nil || !known {
		return err
	}
	s.done.Deleted++
	s.shelf.AdvisoryN--
	s.mark(was)
	if at := firstPackage(was); at != "" {
		if s.named == nil {
			s.named = map[model.AdvisoryKey]string{}
		}
		s.named[k] = at
	}
	at := advance(&s.shelf, s.stamp.At)
	if err := s.tx.DeleteAdvisory(k, at); err != nil {
		return err
	}
	return s.tellOld(model.ItemAdvisoryGone, k, at)
}

// firstPackage returns the first package URL that a record names; empty: none.
func firstPackage(a model.Advisory) string {
	for _, f := range a.Affected {
		if at := exposure.PackageURLOf(f.Ecosystem, f.Name); at != "" {
			return at
		}
	}
	return ""
}

// holders keeps of records that stay as they are by whom else they are held. For others nothing has changed, so they keep their
// cursors.
func (s *shelving) holders(c model.Commit, p Part) error {
	if len(p.Alike)+len(p.Left) == 0 {
		return nil
	}
	var origin model.NodeID // of what is ingested here
	if c.Imported != nil {
		self, _, err := s.tx.Self()
		if err != nil {
			return err
		}
		if c.Imported.Origin != self.Self {
			origin = c.Imported.Origin
		}
	}
	for i, list := range [][]model.AdvisoryKey{p.Alike, p.Left} {
		for _, k := range list {
			s.step()
			a, known, err := s.tx.Advisory(k)
			if err != nil {
				return err
			}
			if !known || a.HeldBy(origin) == (i == 0) {
				continue
			}
			switch others := slices.DeleteFunc(slices.Clone(a.Also), func(id model.NodeID) bool { return id == origin }); {
			case i == 0 && len(a.Also) < model.MaxAlso:
				a.Also = append(slices.Clone(a.Also), origin)
			case i == 1 && a.Origin != origin:
				a.Also = others
			case i == 1 && len(others) > 0:
				a.Origin, a.Also = others[0], others[1:]
			default:
				continue
			}
			if len(a.Also) == 0 {
				a.Also = nil
			}
			if err := s.tx.PutAdvisory(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellOld says a record down as entries of early versions do: what is said so is not sent any more, but has its number.
func (s *shelving) tellOld(kind model.ItemKind, k model.AdvisoryKey, at model.Cursor) error {
	if s.since(runsOfRecords) {
		return nil
	}
	return s.tell(kind, k.String(), at.At)
}

// mark keeps that a record changed, and by which identities it is found.
func (s *shelving) mark(a model.Advisory) {
	if !s.changed[a.AdvisoryKey] {
		s.changed[a.AdvisoryKey] = true
		s.order = append(s.order, a.AdvisoryKey)
	}
	s.seeds = append(s.seeds, merge.Identities(a)...)
}
