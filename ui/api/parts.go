package api

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// together keeps a part until all of its set are here, and then returns the whole; nil: others are missing, which the answer says. The
// func closes the whole and, with the outcome of the import, forgets parts that are of no more use.
func (t *taking) together(ctx context.Context, r *bundle.Reader) (*bundle.Reader, func(error), error) {
	keep := func(error) {}
	if t.m.Split == nil {
		return r, keep, nil
	}
	dir, err := t.s.spool()
	if err != nil {
		return nil, keep, err
	}
	name := "parts"
	if t.how.DryRun { // what is only tried stays apart from what is to be imported
		name = "preview"
	}
	w := bundle.Waiting{Dir: filepath.Join(dir, name)}
	set := t.m.Split.Set
	if t.how.DryRun { // those that came to be imported are here, too
		if err := w.Borrow(&bundle.Waiting{Dir: filepath.Join(dir, "parts")}, set); err != nil {
			return nil, keep, err
		}
	}
	waited, err := w.Add(ctx, r, t.s.c.Now())
	if err != nil {
		return nil, keep, err
	}
	for _, gone := range waited.Dropped {
		t.s.c.Log.Warn("parts of a bundle that waited for others made room for newer ones", "set", gone)
	}
	t.result.BundleHash = set
	if t.may.max > 0 && waited.Bytes > t.may.max {
		err := fault.New(fault.TooLarge, "", "Bundle too large: its parts have %d bytes together, and at most %d are taken of %s; raise that bound, or export a smaller delta",
			waited.Bytes, t.may.max, t.may.name)
		return nil, keep, errors.Join(err, w.Drop(set))
	}
	if len(waited.Missing) > 0 {
		t.result.Waiting = &schema.BundleParts{Set: set, Of: waited.Of, Missing: waited.Missing}
		return nil, keep, nil
	}
	drop := func() {
		if err := w.Drop(set); err != nil {
			t.s.c.Log.Warn("parts of a bundle stay in the spool", "set", set, "err", err)
		}
	}
	held, err := w.Verify(ctx, set, t.trust)
	if err != nil {
		if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Corrupt) {
			drop()
		}
		return nil, keep, sent{err}
	}
	t.m = held.Manifest()
	return held.Reader, func(err error) {
		_ = held.Close()
		if err == nil || fault.Is(err, fault.Conflict) && t.run == nil {
			drop()
		}
	}, nil
}
