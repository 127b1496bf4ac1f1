// Package recalc drains what is marked dirty and proposes what follows from it: the findings of
// inventories that changed or whose advisories did, and the site's roll-up.
//
// It owns no rows and no decision that is not a function of them: a crash at any point leaves the
// marks, and the next run resumes from them. It never writes; it proposes.
package recalc

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// View is a consistent look at the rows.
type View interface {
	exposure.Shelf
	Shelf() (apply.Shelf, error)
	DirtyDigests(limit int) ([]string, error)
	EachMatchHead(fn func(m model.Match, hosts int) error) error
	Match(digest string) (model.Match, bool, error)
	Exposure(site model.SiteID) (model.Exposure, bool, error)
}

// Inventories gives the body of an inventory by its digest, from the detail tier. An error of kind
// fault.Corrupt is of that body alone.
type Inventories interface {
	Inventory(digest string) (model.Inventory, bool, error)
}

// Proposer makes changes durable. Propose returns when they are.
type Proposer interface {
	Propose(ctx context.Context, changes ...model.Change) error
}

// Config is what a Recalc is built from; every field is needed.
type Config struct {
	Site        model.SiteID
	View        func() (v View, done func())
	Wait        func(ctx context.Context, after uint64) (uint64, error) // blocks until the rows changed
	Inventories Inventories
	Proposer    Proposer
	Now         func() time.Time
	// Settle delays a run after a change, so that a burst is one run; it returns early with ctx's error.
	Settle func(ctx context.Context) error
	Log    *slog.Logger
}

// batch bounds the inventories matched per proposal: each one's findings are a few hundred KB at most.
const batch = 16

// Run works until ctx ends and then returns nil. An error of the store or of a proposal ends it.
func Run(ctx context.Context, c Config) error {
	r := &recalc{Config: c, missing: map[string]bool{}}
	r.forget()
	var seen uint64
	for {
		// The counter is read before the rows, so that no change falls between them unseen.
		v, err := c.Wait(ctx, seen)
		if err == nil {
			err = c.Settle(ctx)
		}
		if err == nil {
			seen, err = v, r.drain(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.Is(err, fault.ReadOnly):
			c.Log.Warn("findings are not up to date: this node cannot write now", "err", err)
		case err != nil:
			return fault.Wrap("recalculate findings", err)
		}
	}
}

type recalc struct {
	Config
	missing map[string]bool // digests whose body was reported missing or damaged
	// matcher is kept while the advisories are those of shelf.
	matcher *exposure.Matcher
	shelf   apply.Shelf
	// known spares the roll-up reading findings that have not changed, by digest; of at most maxKnown entries.
	known     map[string]summary
	knownN    int // of entries
	summaries *exposure.Summaries
}

// summary is what the roll-up needs of one match.
type summary struct {
	at         model.Time
	generation uint64
	exposure.Summary
}

// maxKnown bounds what is kept for roll-ups, in entries of four bytes: an inventory has some hundred to some thousand.
const maxKnown = 16 << 20

// forget drops what is kept for roll-ups.
func (r *recalc) forget() {
	r.known, r.knownN, r.summaries = map[string]summary{}, 0, exposure.NewSummaries()
}

// matching returns the matcher for a snapshot of the advisories: the present one, unless they have changed.
func (r *recalc) matching(view View, shelf apply.Shelf) *exposure.Matcher {
	same := r.shelf.Generation == shelf.Generation && r.shelf.AdvisoryN == shelf.AdvisoryN && r.shelf.Cursor == shelf.Cursor
	if r.matcher == nil || !same {
		r.matcher, r.shelf = exposure.NewMatcher(view), shelf
	}
	r.matcher.On(view)
	return r.matcher
}

// drain matches every dirty inventory, then brings the roll-up up to date.
func (r *recalc) drain(ctx context.Context) error {
	for {
		n, err := r.match(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return r.rollup(ctx)
		}
	}
}

// match matches up to batch dirty inventories and returns how many it could.
func (r *recalc) match(ctx context.Context) (int, error) {
	view, done := r.View()
	defer done()
	shelf, err := view.Shelf()
	if err != nil || shelf.AdvisoryN == 0 {
		return 0, err // nothing to compare with: "not matched" is the truth, "no findings" is not
	}
	digests, err := view.DirtyDigests(batch + len(r.missing))
	if err != nil {
		return 0, err
	}
	change := model.Matched{Stamp: r.stamp()}
	matcher := r.matching(view, shelf)
	for _, d := range digests {
		if len(change.Matches) == batch {
			break
		}
		inv, ok, err := r.Inventories.Inventory(d)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return 0, err
		}
		if err != nil || !ok {
			if !r.missing[d] {
				r.Log.Warn("an inventory is missing in the detail tier or damaged; its hosts stay unmatched until they report again", "digest", d, "err", err)
			}
			r.missing[d] = true
			continue
		}
		delete(r.missing, d)
		findings, counts, err := matcher.Match(inv)
		if err != nil {
			return 0, err
		}
		change.Matches = append(change.Matches, model.Match{
			Digest: d, Generation: shelf.Generation, At: change.At, Counts: counts,
			FixableN: new(exposure.FixableN(findings)), Findings: findings,
		})
		r.keep(d, change.At, shelf.Generation, findings) // the roll-up need not read them again
	}
	if len(change.Matches) == 0 {
		return 0, nil
	}
	return len(change.Matches), r.Proposer.Propose(ctx, change)
}

// rollup proposes the site's roll-up where it says something else than the stored one.
func (r *recalc) rollup(ctx context.Context) error {
	view, done := r.View()
	defer done()
	shelf, err := view.Shelf()
	if err != nil || shelf.AdvisoryN == 0 {
		return err
	}
	sum := r.summaries.Rollup()
	n := 0
	err = view.EachMatchHead(func(head model.Match, hosts int) error {
		n++
		s, err := r.summary(view, head)
		if err == nil {
			sum.AddSummary(s, hosts)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(r.known) > 2*n+64 {
		defer r.forget() // most of it is of inventories that are gone
	}
	next := sum.Result()
	next.Site, next.Generation, next.AdvisoryN = r.Site, shelf.Generation, shelf.AdvisoryN
	was, ok, err := view.Exposure(r.Site)
	if err != nil {
		return err
	}
	next.At = was.At
	if same, err := equal(was, next); err != nil || ok && same {
		return err
	}
	s := r.stamp()
	next.At = s.At
	return r.Proposer.Propose(ctx, model.Rollup{Stamp: s, Exposure: next})
}

// summary returns what the roll-up needs of the match that head is of.
func (r *recalc) summary(view View, head model.Match) (exposure.Summary, error) {
	if s, ok := r.known[head.Digest]; ok && s.at == head.At && s.generation == head.Generation {
		return s.Summary, nil
	}
	m, _, err := view.Match(head.Digest)
	if err != nil {
		return exposure.Summary{}, err
	}
	return r.keep(m.Digest, m.At, m.Generation, m.Findings), nil
}

// keep remembers the summary of findings, where there is room, and returns it.
func (r *recalc) keep(digest string, at model.Time, generation uint64, found []model.Finding) exposure.Summary {
	s := summary{at, generation, r.summaries.Of(found)}
	was, had := r.known[digest]
	r.knownN -= was.Len()
	if had || r.knownN+s.Len() <= maxKnown {
		r.known[digest] = s
		r.knownN += s.Len()
	}
	return s.Summary
}

// equal compares as the rows do, where a missing list and an empty one are the same.
func equal(a, b model.Exposure) (bool, error) {
	x, err := model.Encode(a)
	if err != nil {
		return false, err
	}
	y, err := model.Encode(b)
	return bytes.Equal(x, y), err
}

func (r *recalc) stamp() model.Stamp {
	return model.Stamp{Actor: "system", At: model.TimeOf(r.Now())}
}
