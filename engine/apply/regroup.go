package apply

import (
	"slices"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// around finds records by their identities, for merge.Regroup. What one search found is held until the next.
type around struct {
	*applier
	seen    map[string]bool // the identities that were asked for, in all searches
	records map[model.AdvisoryKey]merge.Record
	held    map[model.AdvisoryKey]model.Advisory // the first maxHeld of them
}

// maxHeld bounds the records of a search that are held as a whole: many more than a vulnerability has, and few beside what somebody
// may give one alias.
const maxHeld = 2048

func newAround(a *applier) *around {
	return &around{a, map[string]bool{}, map[model.AdvisoryKey]merge.Record{}, map[model.AdvisoryKey]model.Advisory{}}
}

func (n *around) forget() {
	clear(n.records)
	clear(n.held)
}

// Having implements merge.Names.
func (n *around) Having(identity string, most int) ([]merge.Record, error) {
	n.step()
	n.seen[identity] = true
	keys, err := n.tx.Identified(identity, most)
	if err != nil {
		return nil, err
	}
	records := make([]merge.Record, 0, len(keys))
	for _, k := range keys {
		r, ok := n.records[k]
		if !ok {
			a, err := n.advisory(k)
			if err != nil {
				return nil, err
			}
			r = merge.RecordOf(a)
			n.records[k] = r
		}
		records = append(records, r)
	}
	return records, nil
}

func (n *around) advisory(k model.AdvisoryKey) (model.Advisory, error) {
	a, ok := n.held[k]
	if ok {
		return a, nil
	}
	a, _, err := n.tx.Advisory(k)
	if len(n.held) < maxHeld {
		n.held[k] = a
	}
	return a, err
}

// regrouping brings the canonicals to the records that were changed. Each group is written once.
type regrouping struct {
	*shelving
	names   *around
	written map[string]bool            // folded ids of groups
	placed  map[model.AdvisoryKey]bool // records in them
	left    []string                   // ids of canonicals that a record may have left, in the order of finding
	leaving map[string]bool            // folded
	loose   []model.Edge               // that were in such a canonical
	events  []model.CanonicalEvent
}

func (s *shelving) regroup() error {
	if len(s.order) == 0 {
		return nil
	}
	r := &regrouping{
		shelving: s, names: newAround(s.applier),
		written: map[string]bool{}, placed: map[model.AdvisoryKey]bool{}, leaving: map[string]bool{},
	}
	for _, k := range s.order {
		if err := r.leave(k); err != nil {
			return err
		}
	}
	if err := r.search(s.seeds); err != nil {
		return err
	}
	for i := 0; i < len(r.left); i++ { // it may grow
		if !r.written[merge.Fold(r.left[i])] {
			was, _, err := s.tx.Canonical(r.left[i])
			if err != nil {
				return err
			}
			r.loose = append(r.loose, was.Members...)
		}
		if err := r.settle(); err != nil {
			return err
		}
	}
	for _, id := range r.left {
		if err := r.end(id); err != nil {
			return err
		}
	}
	return s.tx.PutEvents(r.events)
}

// settle writes the groups of records that left a canonical and are in no other yet.
func (r *regrouping) settle() error {
	loose := r.loose
	r.loose = nil
	for _, e := range loose {
		if r.placed[e.AdvisoryKey] {
			continue
		}
		a, ok, err := r.tx.Advisory(e.AdvisoryKey)
		if err != nil {
			return err
		}
		if ok {
			err = r.search(merge.Identities(a))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end removes a canonical that is no group any more.
func (r *regrouping) end(id string) error {
	if r.written[merge.Fold(id)] {
		return nil
	}
	was, ok, err := r.tx.Canonical(id)
	if err != nil || !ok {
		return err
	}
	r.done.CanonicalDeleted++
	at, err := r.lastPackage(was)
	if err != nil {
		return err
	}
	r.tellEvent(was, model.CanonicalDeleted, at)
	return r.tx.DeleteCanonical(id)
}

// lastPackage returns the first package URL that the records of a canonical name, also those that this change removed: nobody finds it
// afterwards.
func (r *regrouping) lastPackage(c model.Canonical) (string, error) {
	if !r.since(runsOfRecords) {
		return "", nil
	}
	for _, e := range c.Members {
		at, gone := r.named[e.AdvisoryKey]
		if !gone {
			a, _, err := r.tx.Advisory(e.AdvisoryKey)
			if err != nil {
				return "", err
			}
			at = firstPackage(a)
		}
		if at != "" {
			return at, nil
		}
	}
	return "", nil
}

// search writes the groups around identities.
func (r *regrouping) search(seeds []string) error {
	for _, seed := range seeds {
		if r.names.seen[seed] {
			continue // whatever is around it was found with another
		}
		r.names.forget()
		groups, err := merge.Regroup(r.names, []string{seed})
		if err != nil {
			return err
		}
		for _, g := range groups {
			if err := r.write(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave keeps that a record may not belong any more to the canonical that it is in.
func (r *regrouping) leave(k model.AdvisoryKey) error {
	r.step()
	id, ok, err := r.tx.CanonicalOf(k)
	if f := merge.Fold(id); err == nil && ok && !r.leaving[f] {
		r.leaving[f] = true
		r.left = append(r.left, id)
	}
	return err
}

// write makes a group the row of its canonical.
func (r *regrouping) write(g merge.Group) error {
	folded := merge.Fold(g.ID)
	if r.written[folded] {
		return nil
	}
	r.written[folded] = true
	was, known, err := r.tx.Canonical(g.ID)
	if err != nil {
		return err
	}
	at := r.stamp.At
	now := model.Canonical{ID: g.ID, Hash: merge.Hash(g.ID), Since: at, Changed: at, Members: g.Members}
	if known {
		now.Since = was.Since
	}
	dirty := !known || !slices.Equal(was.Members, now.Members) || was.ID != now.ID
	members := make([]model.Advisory, 0, len(g.Members))
	for _, e := range g.Members {
		r.placed[e.AdvisoryKey] = true
		dirty = dirty || r.changed[e.AdvisoryKey]
		a, err := r.names.advisory(e.AdvisoryKey)
		if err != nil {
			return err
		}
		members = append(members, a)
		if !slices.ContainsFunc(was.Members, func(o model.Edge) bool { return o.AdvisoryKey == e.AdvisoryKey }) {
			r.done.EdgesAdded++
			if err := r.leave(e.AdvisoryKey); err != nil {
				return err
			}
		}
	}
	if !dirty {
		return nil
	}
	now.Head = merge.Head(now.ID, members)
	if !r.since(runsOfRecords) {
		now.Since, now.Changed = Span(members)
	}
	if known {
		r.done.CanonicalUpdated++
		r.tellEvent(now, model.CanonicalUpdated, "")
		r.loose = append(r.loose, was.Members...)
	} else {
		r.done.CanonicalCreated++
		r.tellEvent(now, model.CanonicalCreated, "")
	}
	return r.tx.PutCanonical(now)
}

// Span returns when the first and when the last of records changed here, by their cursors: all that can be said of a canonical
// when nobody saw it change.
func Span(records []model.Advisory) (first, last model.Time) {
	for i, a := range records {
		if at := a.Cursor.At; i == 0 {
			first, last = at, at
		} else {
			first, last = min(first, at), max(last, at)
		}
	}
	return first, last
}

func (r *regrouping) tellEvent(c model.Canonical, action model.CanonicalAction, affects string) {
	if !r.since(runsOfRecords) {
		return
	}
	e := model.CanonicalEvent{ID: c.ID, Hash: c.Hash, Action: action, Run: r.run.Run, At: r.stamp.At, AffectsKey: affects}
	if i := r.run.Imported; i != nil {
		e.Bundle, e.Origin = i.BundleHash, i.Origin
	}
	r.events = append(r.events, e)
}
