package api

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// catalog is what searches of canonicals look through: one small entry for each, in memory, because a search by words looks at all of
// them; and for each package what records say of its versions. It is made when the server begins to answer, and brought up to the rows by
// the stream of what changed: as they change (keepCatalog), and before each search.
type catalog struct {
	mu     sync.Mutex // held while it is brought up to the rows; guards building alone
	state  sync.RWMutex
	ready  bool
	built  int                        // how often it was made of all rows
	last   model.CanonicalEvent       // up to which it holds
	rows   []*catalogued              // by folded id
	sheets map[string]*leaf           // by sheetKey
	bases  map[string]int             // ecosystem with its release -> its sheets
	spoken map[string][]statementFrom // vulnerability, its letters large -> who has a statement of it
}

// catalogued is one canonical in the catalog. It is never changed once it is there, only replaced.
type catalogued struct {
	id, fold string
	hash     string
	changed  model.Time
	head     model.CanonicalHead
	text     string   // what words are looked for in, in lower case
	sources  []string // sorted
	in       []*leaf  // the packages that it names
	speaks   []string // keys of catalog.spoken
}

// leaf is one package of one ecosystem.
type leaf struct {
	exposure.Sheet
	of []*catalogued // that name it, each once, also where no version can be found by that
}

// statementFrom is a record with a statement, and the canonical that it belongs to.
type statementFrom struct {
	key model.AdvisoryKey
	x   *catalogued
}

// maxFollowed is how many events are followed one by one; beyond that making the catalog anew is quicker.
const maxFollowed = 20_000

func sheetKey(ecosystem, name string) string { return ecosystem + "\x00" + name }

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
	if len(events) == 0 {
		return nil
	}
	changed := map[string]*forming{}
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
		if !ok {
			continue
		}
		t := begin(c)
		if t.records, err = members(v, c); err != nil {
			return err
		}
		changed[fold] = t
	}
	g.state.Lock()
	defer g.state.Unlock()
	g.replace(changed)
	g.last = events[len(events)-1]
	return nil
}

// replace puts entries in the place of those with the same folded ids; nil takes one away.
func (g *catalog) replace(changed map[string]*forming) {
	gone := map[*catalogued]bool{}
	touched := map[*leaf]bool{}
	rows := make([]*catalogued, 0, len(g.rows)+len(changed))
	for _, x := range g.rows {
		if _, is := changed[x.fold]; !is {
			rows = append(rows, x)
			continue
		}
		gone[x] = true
		for _, s := range x.in {
			touched[s] = true
		}
		for _, id := range x.speaks {
			g.spoken[id] = slices.DeleteFunc(g.spoken[id], func(f statementFrom) bool { return f.x == x })
			if len(g.spoken[id]) == 0 {
				delete(g.spoken, id)
			}
		}
	}
	for s := range touched {
		s.of = slices.DeleteFunc(s.of, func(x *catalogued) bool { return gone[x] })
		s.Drop(func(r *exposure.Record) bool { return gone[r.Of.(*catalogued)] })
	}
	var by exposure.Sheets
	for _, t := range changed {
		if t == nil {
			continue
		}
		slices.SortFunc(t.records, func(a, b model.Advisory) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) })
		for i := range t.records {
			g.take(t, &t.records[i], &by)
		}
		t.finish()
		rows = append(rows, t.catalogued)
		for _, s := range t.in {
			touched[s] = true
		}
	}
	slices.SortFunc(rows, func(a, b *catalogued) int { return strings.Compare(a.fold, b.fold) })
	g.rows = rows
	var sorter exposure.Sorter
	for s := range touched {
		if len(s.of) > 0 {
			sorter.Prepare(&s.Sheet)
			continue
		}
		delete(g.sheets, sheetKey(s.Ecosystem, s.Name))
		if g.bases[s.Ecosystem]--; g.bases[s.Ecosystem] == 0 {
			delete(g.bases, s.Ecosystem)
		}
	}
}

// forming is an entry that is being made.
type forming struct {
	*catalogued
	records []model.Advisory // that are still to be taken in
	words   []string
	left    int // records that are still to come
}

func begin(c model.Canonical) *forming {
	x := &catalogued{id: c.ID, fold: merge.Fold(c.ID), hash: c.Hash, changed: c.Changed, head: c.Head}
	return &forming{catalogued: x, words: []string{c.ID, c.Head.Summary}, left: len(c.Members)}
}

// take adds what a record of an entry says: records of one entry by their keys.
func (g *catalog) take(t *forming, a *model.Advisory, by *exposure.Sheets) {
	t.left--
	t.sources = append(t.sources, by.Text(a.Source))
	t.words = append(t.words, merge.RecordOf(*a).IDs...)
	rec := by.Record(a, t.catalogued)
	exposure.ByPackage(a, func(ecosystem, name string, entries []*model.Affected) {
		k := sheetKey(ecosystem, name)
		s := g.sheets[k]
		if s == nil {
			s = &leaf{Sheet: exposure.Sheet{Ecosystem: by.Text(ecosystem), Name: by.Text(name)}}
			g.sheets[k] = s
			g.bases[s.Ecosystem]++
		}
		if n := len(s.of); n == 0 || s.of[n-1] != t.catalogued && !slices.Contains(t.in, s) {
			s.of, t.in = append(s.of, t.catalogued), append(t.in, s)
		}
		if rec != nil {
			by.Add(&s.Sheet, rec, entries)
		}
	})
	if rec == nil || len(a.Statements) == 0 {
		return
	}
	for _, id := range exposure.Identifiers(*a) {
		id = strings.ToUpper(id)
		t.speaks = append(t.speaks, id)
		g.spoken[id] = append(g.spoken[id], statementFrom{a.AdvisoryKey, t.catalogued})
	}
}

// finish makes an entry of what was taken in.
func (t *forming) finish() {
	t.sources, t.in = slices.Clip(distinct(t.sources)), slices.Clip(t.in)
	seen := map[string]bool{}
	words := slices.DeleteFunc(t.words, func(w string) bool { was := seen[w]; seen[w] = true; return was })
	t.text = strings.ToLower(strings.Join(words, "\n"))
	t.words, t.records = nil, nil
}
