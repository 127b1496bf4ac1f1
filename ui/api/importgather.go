package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
)

// gather reads the changes of the bundle into a run; with probe only to find what does not agree.
func (t *taking) gather(ctx context.Context, r *bundle.Reader, probe bool) error {
	run, err := t.s.newRun(ctx, model.RunImport, t.how.DryRun)
	if err != nil {
		return err
	}
	t.run = run
	if t.m.Origin != t.self {
		run.origin = t.m.Origin
	}
	run.probe, run.differs, run.keeps, run.kept = probe, t.conflict, t.keeps, map[model.AdvisoryKey]struct{}{}
	t.result.LeftOut = map[string]int{}
	lost, err := t.lost()
	if err != nil {
		return err
	}
	follow, err := t.follows()
	if err != nil {
		return err
	}
	var sums []uint64
	err = r.Each(ctx, func(c model.AdvisoryChange) error {
		delete(lost, c.Key)
		if follow {
			sums = append(sums, sumOf(c.Key))
		}
		switch {
		case !t.may.speaks(c.Key.Source):
			t.result.LeftOut[c.Key.Source]++
			return nil
		case c.Advisory == nil:
			return run.drop(ctx, c.Key)
		}
		return run.add(ctx, *c.Advisory)
	})
	for _, key := range slices.SortedFunc(maps.Keys(lost), model.AdvisoryKey.Compare) {
		if err == nil {
			err = run.drop(ctx, key)
		}
	}
	switch {
	case err == nil && probe:
		err = run.compare(ctx)
	case err == nil && follow && !t.how.DryRun:
		err = t.chain.add(t.m.From, t.m.To, sums)
	}
	return err
}

// follows reports whether it is to be kept what the bundle names: it begins, or goes on with, everything of an origin of which something
// is held already, and is not the last of that.
func (t *taking) follows() (bool, error) {
	if t.m.Origin == t.self {
		return false, nil
	}
	var err error
	if t.chain, err = t.s.chain(t.m.Origin); err != nil {
		return false, err
	}
	if !t.m.More {
		return false, nil
	}
	return t.m.From.IsZero() && !t.have.IsZero() || !t.m.From.IsZero() && t.chain.goesOn(t.m.From), nil
}

// lost returns the records that came from the bundle's origin, where the bundle has everything of it, alone or with those before it: what
// they do not name is of a life of the origin that ended when it was restored from a backup.
func (t *taking) lost() (map[model.AdvisoryKey]struct{}, error) {
	if t.m.More || t.have.IsZero() || t.m.Origin == t.self {
		return nil, nil
	}
	var before map[uint64]struct{}
	if !t.m.From.IsZero() {
		c, err := t.s.chain(t.m.Origin)
		if err != nil {
			return nil, err
		}
		var whole bool
		if before, whole = c.named(t.m.From); !whole {
			return nil, nil
		}
	}
	lost := map[model.AdvisoryKey]struct{}{}
	v, done := t.s.c.Store.View()
	defer done()
	return lost, v.EachAdvisory(func(a model.Advisory) error {
		if !a.HeldBy(t.m.Origin) {
			return nil
		}
		if _, named := before[sumOf(a.AdvisoryKey)]; !named {
			lost[a.AdvisoryKey] = struct{}{}
		}
		return nil
	})
}

// conflict decides between a record that is here from another origin and the bundle's.
func (t *taking) conflict(was model.Advisory, now *model.Advisory) (stays bool, err error) {
	found := []model.Difference{{AdvisoryKey: was.AdvisoryKey, Field: "record", Local: "held", Remote: "removed"}}
	if now != nil {
		found = merge.FieldDifferences(was, *now)
	}
	if t.how.OnConflict == failConflict {
		d := found[0]
		more := ""
		if len(found) > 1 {
			more = fmt.Sprintf(" (and %d more fields)", len(found)-1)
		}
		return false, fault.New(fault.Conflict, "import bundle", "a conflict: %s of %s is %q here and %q in the bundle%s; nothing was imported. Choose which of them is to win",
			d.Field, d.AdvisoryKey, d.Local, d.Remote, more)
	}
	t.n += len(found)
	resolution := t.how.OnConflict
	if t.gentle && !t.keeps.IsZero() && was.HeldBy(t.keeps) {
		resolution = preferLocal
	}
	if room := model.MaxDifferences - len(t.differs); room > 0 {
		hash, err := t.hashOf(was.AdvisoryKey)
		if err != nil {
			return false, err
		}
		for _, d := range found[:min(room, len(found))] {
			d.MergeHash, d.Resolution = hash, resolution
			t.differs = append(t.differs, d)
		}
	}
	return resolution == preferLocal, nil
}

// hashOf is the merge hash of the canonical that a record belongs to.
func (t *taking) hashOf(key model.AdvisoryKey) (string, error) {
	v, done := t.s.c.Store.View()
	defer done()
	id, ok, err := v.CanonicalOf(key)
	if err != nil || !ok {
		return "", err
	}
	return merge.Hash(id), nil
}
