package api

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// catalog is what searches of canonicals look through: one small entry for each, in memory, because a search by words looks at all of
// them. It is made at the first search and brought up to the rows by the stream of what changed, before each.
type catalog struct {
	mu    sync.Mutex // held while it is brought up to the rows; guards building alone
	state sync.RWMutex
	ready bool
	last  model.CanonicalEvent     // up to which it holds
	rows  []*catalogued            // by folded id
	named map[string][]*catalogued // by "ecosystem\x00package", ecosystem without its release
	bases map[string]int           // ecosystem with its release -> entries that name it
}

// catalogued is one canonical in the catalog. It is never changed, only replaced.
type catalogued struct {
	id, fold string
	hash     string
	changed  model.Time
	head     model.CanonicalHead
	text     string   // what words are looked for in, in lower case
	sources  []string // sorted
	packages []string // keys of catalog.named
	systems  []string // keys of catalog.bases
}

// maxFollowed is how many events are followed one by one; beyond that making the catalog anew is quicker.
const maxFollowed = 20_000

// entry makes the entry of a canonical. intern keeps one copy of texts that come again and again.
func entry(v View, c model.Canonical, intern map[string]string) (*catalogued, error) {
	one := func(text string) string {
		if was, ok := intern[text]; ok {
			return was
		}
		intern[text] = text
		return text
	}
	x := &catalogued{id: c.ID, fold: merge.Fold(c.ID), hash: c.Hash, changed: c.Changed, head: c.Head}
	words := []string{c.ID, c.Head.Summary}
	records, err := members(v, c)
	if err != nil {
		return nil, err
	}
	for _, a := range records {
		x.sources = append(x.sources, one(a.Source))
		words = append(words, merge.RecordOf(a).IDs...)
		for _, f := range a.Affected {
			base, _, _ := strings.Cut(f.Ecosystem, ":")
			x.packages = append(x.packages, one(packageKey(base, f.Name)))
			x.systems = append(x.systems, one(f.Ecosystem))
		}
	}
	x.sources, x.packages, x.systems = slices.Clip(distinct(x.sources)), slices.Clone(distinct(x.packages)), slices.Clone(distinct(x.systems))
	seen := map[string]bool{}
	words = slices.DeleteFunc(words, func(w string) bool { was := seen[w]; seen[w] = true; return was })
	x.text = strings.ToLower(strings.Join(words, "\n"))
	return x, nil
}

func packageKey(base, name string) string { return base + "\x00" + model.PackageName(base, name) }

// update brings the catalog to the rows of v.
func (g *catalog) update(ctx context.Context, v View) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	oldest, newest, err := v.EventBounds()
	if err != nil {
		return err
	}
	if !g.ready || newest < g.last.Seq || g.last.Seq+1 < oldest || newest-g.last.Seq > maxFollowed {
		return g.build(ctx, v, newest)
	}
	if newest == g.last.Seq {
		return nil
	}
	var events []model.CanonicalEvent
	for after := max(g.last.Seq, 1) - 1; ; {
		some, err := v.Events(after, 2000)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			break
		}
		events, after = append(events, some...), some[len(some)-1].Seq
	}
	if g.last.Seq > 0 { // the rows may be others than they were, as after a restore
		if len(events) == 0 || events[0] != g.last {
			return g.build(ctx, v, newest)
		}
		events = events[1:]
	}
	changed := map[string]*catalogued{}
	for _, e := range events {
		fold := merge.Fold(e.ID)
		if _, done := changed[fold]; done {
			continue
		}
		changed[fold] = nil
		c, ok, err := v.Canonical(e.ID)
		if err != nil {
			return err
		}
		if ok {
			if changed[fold], err = entry(v, c, map[string]string{}); err != nil {
				return err
			}
		}
	}
	g.state.Lock()
	defer g.state.Unlock()
	for fold, x := range changed {
		g.replace(fold, x)
	}
	if len(events) > 0 {
		g.last = events[len(events)-1]
	}
	return nil
}

// build makes the catalog of all rows.
func (g *catalog) build(ctx context.Context, v View, newest model.Seq) error {
	fresh := catalog{named: map[string][]*catalogued{}, bases: map[string]int{}}
	intern := map[string]string{}
	err := v.EachCanonical("", func(c model.Canonical) error {
		x, err := entry(v, c, intern)
		if err != nil {
			return err
		}
		fresh.rows = append(fresh.rows, x)
		fresh.index(x)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	slices.SortFunc(fresh.rows, func(a, b *catalogued) int { return strings.Compare(a.fold, b.fold) })
	if newest > 0 {
		events, err := v.Events(newest-1, 1)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			fresh.last = events[0]
		}
	}
	g.state.Lock()
	defer g.state.Unlock()
	g.rows, g.named, g.bases, g.last, g.ready = fresh.rows, fresh.named, fresh.bases, fresh.last, true
	return nil
}

func (g *catalog) index(x *catalogued) {
	for _, k := range x.packages {
		g.named[k] = append(g.named[k], x)
	}
	for _, e := range x.systems {
		g.bases[e]++
	}
}

// replace puts x in the place of the entry with that folded id; nil takes it away.
func (g *catalog) replace(fold string, x *catalogued) {
	i, there := g.find(fold)
	if there {
		was := g.rows[i]
		for _, k := range was.packages {
			g.named[k] = slices.DeleteFunc(g.named[k], func(y *catalogued) bool { return y == was })
			if len(g.named[k]) == 0 {
				delete(g.named, k)
			}
		}
		for _, e := range was.systems {
			if g.bases[e]--; g.bases[e] == 0 {
				delete(g.bases, e)
			}
		}
	}
	switch {
	case x == nil && there:
		g.rows = slices.Delete(g.rows, i, i+1)
	case x != nil && there:
		g.rows[i] = x
	case x != nil:
		g.rows = slices.Insert(g.rows, i, x)
	}
	if x != nil {
		g.index(x)
	}
}

func (g *catalog) find(fold string) (int, bool) {
	return slices.BinarySearchFunc(g.rows, fold, func(x *catalogued, fold string) int { return strings.Compare(x.fold, fold) })
}
