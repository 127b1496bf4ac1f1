package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/model"
)

// edition is the version of a document that is held, or was taken in by the run itself.
type edition struct {
	at       model.Time
	revision string
	ids      []string // of its records
}

// held returns which version of a document is there, and its records.
func (r *run) held(d *canonical.Document) (edition, error) {
	key := model.AdvisoryKey{Source: d.Source, ID: d.ID}
	if e, ok := r.docs[key]; ok {
		return e, nil
	}
	var e edition
	now := r.stamp().At
	take := func(a model.Advisory) error {
		if !d.Has(&a) {
			return nil
		}
		e.ids = append(e.ids, a.ID)
		if at, revision := d.Version(&a, now); at > e.at || at == e.at && canonical.CompareRevisions(e.revision, revision) < 0 {
			e.at, e.revision = at, revision
		} else if at == e.at && e.revision == "" {
			e.revision = revision
		}
		return nil
	}
	v, done := r.s.c.Store.View()
	defer done()
	if d.Own != "" {
		a, ok, err := v.Advisory(model.AdvisoryKey{Source: d.Source, ID: d.Own})
		if err == nil && ok {
			err = take(a)
		}
		if err != nil {
			return e, err
		}
	}
	if d.Prefix == "" {
		return e, nil
	}
	return e, v.AdvisoriesOf(d.Source, d.Prefix, take)
}

// document takes in a version of a document: its records take the place of all that an earlier version had. A version that
// is older than what is there is left out and counted.
//
// Where a part of it cannot be read, nobody knows which record that would be, and so none is removed. A version that speaks of
// nothing any more leaves its records as withdrawn, so that a version before it is still told from one after it.
func (r *run) document(ctx context.Context, d *canonical.Document, records []model.Advisory) error {
	was, err := r.held(d)
	if err != nil {
		return err
	}
	if d.Older(was.at, was.revision) {
		r.older += max(1, len(records))
		return nil
	}
	now := edition{at: d.At, revision: d.Revision}
	if now.at > r.stamp().At.Add(canonical.Ahead) { // a wrong date, which nothing is held against
		now.at, now.revision = 0, ""
	}
	there := make(map[string]bool, len(records))
	for _, a := range records {
		if err := r.add(ctx, a); err != nil {
			return err
		}
		there[a.ID] = true
		now.ids = append(now.ids, a.ID)
	}
	for _, id := range was.ids {
		if there[id] {
			continue
		}
		if !d.Whole {
			now.ids = append(now.ids, id)
			continue
		}
		kept, err := r.takenBack(ctx, d, model.AdvisoryKey{Source: d.Source, ID: id}, len(records) == 0)
		if err != nil {
			return err
		}
		if kept {
			now.ids = append(now.ids, id)
		}
	}
	if r.docs == nil {
		r.docs = map[model.AdvisoryKey]edition{}
	}
	r.docs[model.AdvisoryKey{Source: d.Source, ID: d.ID}] = now
	return nil
}

// takenBack removes a record that its document does not have any more, or, where the document has none at all, keeps it as withdrawn.
func (r *run) takenBack(ctx context.Context, d *canonical.Document, key model.AdvisoryKey, empty bool) (kept bool, err error) {
	if empty && !d.At.IsZero() {
		v, done := r.s.c.Store.View()
		a, ok, err := v.Advisory(key)
		done()
		if err != nil {
			return false, err
		}
		if ok {
			if a.Withdrawn.IsZero() {
				a.Withdrawn = d.At
			}
			a.Modified, a.Revision = d.At, d.Revision
			return true, r.add(ctx, a)
		}
	}
	return false, r.drop(ctx, key)
}

// isOlder reports whether a, which says by itself when it was last changed, is an earlier version of what is held. What is held of a
// time to come has a wrong date, and nothing is earlier.
func (r *run) isOlder(a *model.Advisory) (bool, error) {
	v, done := r.s.c.Store.View()
	defer done()
	was, ok, err := v.Advisory(a.AdvisoryKey)
	return ok && !a.Modified.IsZero() && a.Modified < was.Modified && was.Modified <= r.stamp().At.Add(canonical.Ahead), err
}
