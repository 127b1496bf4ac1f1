package index

import (
	"slices"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// identities is the index by identity in memory, for whoever groups all records: some hundred bytes a record.
type identities struct {
	by   map[string][]merge.Record
	all  []string // in the order of the records, each once
	seen map[string]bool
}

func newIdentities() *identities {
	return &identities{by: map[string][]merge.Record{}, seen: map[string]bool{}}
}

// add takes records in the order of their keys.
func (x *identities) add(a model.Advisory) {
	r := merge.RecordOf(a)
	for _, id := range merge.Identities(a) {
		if len(x.by[id]) == 0 {
			x.all = append(x.all, id)
		}
		x.by[id] = append(x.by[id], r)
	}
}

// Having implements merge.Names.
func (x *identities) Having(identity string, most int) ([]merge.Record, error) {
	x.seen[identity] = true
	found := x.by[identity]
	if most > 0 {
		found = found[:min(len(found), most)]
	}
	return found, nil
}

// each calls fn with every group.
func (x *identities) each(fn func(merge.Group) error) error {
	written := map[string]bool{}
	for _, id := range x.all {
		if x.seen[id] {
			continue
		}
		groups, err := merge.Regroup(x, []string{id})
		if err != nil {
			return err
		}
		for _, g := range groups {
			if f := merge.Fold(g.ID); !written[f] {
				written[f] = true
				if err := fn(g); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// members returns the records of a group.
func (r *Reader) members(g merge.Group) ([]model.Advisory, error) {
	records := make([]model.Advisory, 0, len(g.Members))
	for _, e := range g.Members {
		a, ok, err := r.Advisory(e.AdvisoryKey)
		if err == nil && !ok {
			err = dangling(key.AdvisoryCanonical(e.AdvisoryKey, g.ID))
		}
		if err != nil {
			return nil, err
		}
		records = append(records, a)
	}
	return records, nil
}

// canonicals checks that the canonicals are what grouping all records anew makes of them, and that nothing but the parts of the
// open run is kept aside.
func (c *checker) canonicals() error {
	all := newIdentities()
	bad := 0
	err := c.r.scan(key.SpaceAdvisory.Prefix(), func(_, v []byte) error {
		var a model.Advisory
		if c.r.rows.decode(v, &a) != nil {
			bad++ // it is a fault already
			return nil
		}
		all.add(a)
		return nil
	})
	if err != nil || bad > 0 {
		return err
	}
	groups := 0
	err = all.each(func(g merge.Group) error {
		groups++
		was, ok, err := c.r.Canonical(g.ID)
		if err != nil || !ok {
			c.fault("there is no canonical %s, which %d records make: %v", g.ID, len(g.Members), err)
			return nil
		}
		members, err := c.r.members(g)
		if err != nil {
			return err
		}
		want := model.Canonical{ID: g.ID, Hash: merge.Hash(g.ID), Since: was.Since, Changed: was.Changed, Members: g.Members, Head: merge.Head(g.ID, members)}
		if was.ID != want.ID || was.Hash != want.Hash || was.Head != want.Head || !slices.Equal(was.Members, want.Members) {
			c.fault("the canonical %s is %+v, and its records make %+v", g.ID, was, want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n, err := c.r.count(key.SpaceCanonical.Prefix()); err != nil || n != groups {
		c.fault("there are %d canonicals, and the records make %d: %v", n, groups, err)
	}
	run, open, err := c.r.OpenRun()
	if err != nil {
		return err
	}
	parts := 0
	err = c.r.scan(key.SpaceStage.Prefix(), func(k, _ []byte) error {
		id, part, err := key.ReadStage(k)
		switch {
		case err != nil:
			return err
		case !open || id != run.ID || part >= run.Parts:
			c.fault("%s is of no run that is open", key.Describe(k))
		default:
			parts++
		}
		return nil
	})
	if err == nil && parts != run.Parts {
		c.fault("%d of the %d parts of run %q are there", parts, run.Parts, run.ID)
	}
	return err
}
