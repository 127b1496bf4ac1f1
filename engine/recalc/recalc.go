// Package recalc drains what is marked dirty and proposes what follows from it: the findings of
// inventories that changed or whose advisories did, and the site's roll-up.
//
// It keeps a table of all inventories in memory, made from the rows at the start: what each is matched by, and what is found of that.
// When advisories change, only the package versions that a changed record names, named before, or rates are judged again, and
// only the inventories that have any of those whose findings differ are counted again; the others are only told the new generation.
//
// It owns no rows and no decision that is not a function of them: a crash at any point leaves the
// marks, and the next run resumes from them. It never writes; it proposes.
package recalc

import (
	"context"
	"log/slog"
	"maps"
	"slices"
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
	// AdvisoriesAfter calls fn with the newest change of every record that changed after c.
	AdvisoriesAfter(c model.Cursor, fn func(model.AdvisoryChange) error) error
	Canonical(id string) (model.Canonical, bool, error)
	Acceptances() ([]model.Acceptance, error)
	Findings
	EachHost(fn func(model.Host) error) error
	Exposure(site model.SiteID) (model.Exposure, bool, error)
}

// Findings is the part of View about what was found so far.
type Findings interface {
	DirtyDigests(limit int) ([]string, error)
	EachMatchHead(fn func(m model.Match, hosts int) error) error
	MatchHead(digest string) (model.Match, bool, error)
	MatchParts(digest string) (model.Match, bool, error)
	Judged(id string) (model.Judged, bool, error)
	EachJudged(fn func(model.Judged) error) error
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

// Config is what a Recalc is built from; every field is needed, but for Holds and Scope.
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
	// Holds reports whether the signature of an acceptance holds, and Scope returns which hosts a search finds at that time. nil: no
	// acceptance counts.
	Holds func(v View, a model.Acceptance) bool
	Scope func(v View, search string, at model.Time) (func(*model.Host) bool, error)
	// Idle is after how long a run is made though nothing changed: acceptances end by the clock. Zero: half a minute.
	Idle time.Duration
}

// rest is how long a roll-up is put off after another where no inventory was matched: most changes of rows are beats, and going through
// all inventories for each burst of them would be most of what a quiet site does.
const rest = 5 * time.Second

const (
	// batch bounds the inventories read from their bodies per proposal, and headBatch those that the table has.
	batch     = 32
	headBatch = 512
)

// Run works until ctx ends and then returns nil. An error of the store or of a proposal ends it.
func Run(ctx context.Context, c Config) error {
	if c.Idle <= 0 {
		c.Idle = 30 * time.Second
	}
	r := newRecalc(c)
	r.rest = rest
	var seen uint64
	for {
		// The counter is read before the rows, so that no change falls between them unseen.
		idle := c.Idle
		if r.owed {
			idle = min(idle, rest)
		}
		waiting, cancel := context.WithTimeout(ctx, idle)
		v, err := c.Wait(waiting, seen)
		if err != nil && ctx.Err() == nil && waiting.Err() != nil {
			v, err = seen, nil
		}
		cancel()
		if err == nil {
			err = c.Settle(ctx)
		}
		if err == nil {
			if seen, err = v, r.drain(ctx); err != nil {
				r.forget() // the table may be ahead of the rows
			}
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
	table   *table          // nil: it must be made from the rows
	touched map[string]bool // inventories that are to be counted again though nothing marks them
	// matcher is kept while the advisories are those of shelf.
	matcher *exposure.Matcher
	shelf   apply.Shelf
	facts   map[uint32]fact // of vulnerabilities, by their number in the table

	scope     *scope // of the acceptances; nil: there are none
	accepting bool   // rows of hosts may be marked by acceptances
	rolled    uint64 // fingerprint of what the newest roll-up was made of

	rest     time.Duration // see the constant; zero: none
	rolledAt time.Time
	owed     bool // a roll-up was put off
}

func newRecalc(c Config) *recalc {
	return &recalc{Config: c, missing: map[string]bool{}, touched: map[string]bool{}, facts: map[uint32]fact{}, accepting: true}
}

func (r *recalc) forget() {
	r.table, r.touched, r.rolled, r.matcher = nil, map[string]bool{}, 0, nil
	clear(r.facts)
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

// drain matches every inventory that is marked or touched, then brings the roll-up up to date.
func (r *recalc) drain(ctx context.Context) error {
	all := 0
	for {
		n, err := r.match(ctx)
		if err != nil {
			return err
		}
		if all += n; n == 0 {
			break
		}
	}
	r.matcher = nil // what it remembers is in the table, or read again
	if err := r.accept(ctx); err != nil {
		return err
	}
	now := r.Now()
	if r.owed = all == 0 && now.Sub(r.rolledAt).Abs() < r.rest; r.owed {
		return nil
	}
	r.rolledAt = now
	return r.rollup(ctx)
}

// match matches some of the inventories that are marked or touched and returns how many.
func (r *recalc) match(ctx context.Context) (int, error) {
	view, done := r.View()
	defer done()
	shelf, err := view.Shelf()
	if err != nil || shelf.AdvisoryN == 0 {
		return 0, err // nothing to compare with: "not matched" is the truth, "no findings" is not
	}
	digests, err := view.DirtyDigests(0)
	if err != nil {
		return 0, err
	}
	if r.table == nil {
		if err := r.load(view); err != nil {
			return 0, err
		}
	}
	if t := r.table; len(digests)+len(r.touched) == 0 {
		return 0, nil
	} else if t.cursor != shelf.Cursor || t.generation != shelf.Generation {
		if shelf.Generation < t.generation || shelf.Cursor.Compare(t.cursor) < 0 {
			t.cursor = model.Cursor{} // the advisories are those of a backup: all of them may differ
		}
		if err := r.renew(ctx, view, shelf); err != nil {
			return 0, err
		}
	}
	if err := r.see(view, shelf); err != nil {
		return 0, err
	}
	marked := make(map[string]bool, len(digests))
	for _, d := range digests {
		marked[d] = true
	}
	for _, d := range slices.Sorted(maps.Keys(r.touched)) {
		if !marked[d] {
			digests = append(digests, d)
		}
	}
	known := digests[:0:0]
	var unread []string
	for _, d := range digests {
		if _, ok := r.table.invs[d]; ok {
			known = append(known, d)
		} else if !r.missing[d] || marked[d] {
			unread = append(unread, d)
		}
	}
	if len(known) > 0 {
		return r.recount(ctx, view, shelf, known[:min(headBatch, len(known))])
	}
	return r.first(ctx, view, shelf, unread)
}

// recount proposes what inventories of the table have now.
func (r *recalc) recount(ctx context.Context, view View, shelf apply.Shelf, digests []string) (int, error) {
	change := model.Matched{Stamp: r.stamp()}
	for _, d := range digests {
		head, ok, err := view.MatchHead(d)
		if err != nil {
			return 0, err
		}
		h := r.table.invs[d]
		m := r.head(d, h, shelf, change.At)
		if !ok || head.PartN != m.PartN {
			m.Parts = r.table.parts(h)
		}
		change.Matches = append(change.Matches, m)
		change.Hosts = append(change.Hosts, r.hosts(d, h, change.At)...)
	}
	if err := r.Proposer.Propose(ctx, change); err != nil {
		return 0, err
	}
	for _, d := range digests {
		delete(r.touched, d)
	}
	return len(digests), nil
}

// first matches up to batch inventories that the table does not have, and returns how many it could.
func (r *recalc) first(ctx context.Context, view View, shelf apply.Shelf, digests []string) (int, error) {
	change := model.Matched{Stamp: r.stamp()}
	matcher := r.matching(view, shelf)
	t := r.table
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
			delete(r.touched, d)
			continue
		}
		delete(r.missing, d)
		err = r.judge(matcher, t.hold(d, exposure.Parts(inv)), func(i uint32, v exposure.Verdicts) error {
			h := &t.lookups[i]
			h.found, h.leans = t.entries(v.Findings), t.leans(v.Leans)
			change.Judged = append(change.Judged, model.Judged{
				ID: h.id, Lookup: h.Lookup, At: change.At, Findings: bare(v.Findings), Leans: v.Leans, Cut: change.At,
			})
			return nil
		})
		if err != nil {
			return 0, err
		}
		m := r.head(d, t.invs[d], shelf, change.At)
		m.Parts = t.parts(t.invs[d])
		change.Matches = append(change.Matches, m)
		change.Hosts = append(change.Hosts, r.hosts(d, t.invs[d], change.At)...)
		delete(r.touched, d)
	}
	if len(change.Matches) == 0 {
		return 0, nil
	}
	return len(change.Matches), r.Proposer.Propose(ctx, change)
}

// head returns the match of an inventory without its parts.
func (r *recalc) head(digest string, h *holding, shelf apply.Shelf, at model.Time) model.Match {
	c := r.table.count(h, nil, nil)
	return model.Match{
		Digest: digest, Generation: shelf.Generation, Cursor: shelf.Cursor, At: at, Counts: c.SeverityCounts, FixableN: &c.fixable, PartN: len(h.parts),
	}
}

func (r *recalc) stamp() model.Stamp {
	return model.Stamp{Actor: "system", At: model.TimeOf(r.Now())}
}
