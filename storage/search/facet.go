package search

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// MaxValues bounds the values of one facet and the groups of one answer.
const MaxValues = 1000

// Count returns how many hosts match.
func (x *Index) Count(ctx context.Context, where query.Expr, now model.Time) (int, error) {
	q, err := x.ask(ctx, now)
	if err != nil {
		return 0, err
	}
	defer q.done()
	n := q.eval(where).len()
	return n, q.err
}

// Facets counts the values of each field among the hosts that match: at most top (1 to MaxValues) of each,
// the most frequent. A field that cannot be counted has kind fault.Invalid.
func (x *Index) Facets(ctx context.Context, where query.Expr, now model.Time, fields []query.Field, limit int) ([]query.Facet, int, error) {
	if limit < 1 || limit > MaxValues {
		return nil, 0, fault.New(fault.Invalid, "count values", "%d values of each field: 1 to %d", limit, MaxValues)
	}
	q, err := x.ask(ctx, now)
	if err != nil {
		return nil, 0, err
	}
	defer q.done()
	matching := q.eval(where)
	if q.err != nil {
		return nil, 0, q.err
	}
	tallies := make([]*tally, len(fields))
	for i, f := range fields {
		if tallies[i] = q.tally(f); tallies[i] == nil {
			return nil, 0, fault.New(fault.Invalid, "count values", "the values of %s cannot be counted; fields like status, os, site, region and tag can", f)
		}
	}
	total := matching.len()
	if matching.bits == q.alive {
		for _, t := range tallies {
			t.all()
		}
	} else if !q.count(matching, tallies) {
		return nil, 0, q.err
	}
	out := make([]query.Facet, len(fields))
	for i, t := range tallies {
		out[i] = t.facet(fields[i], limit)
	}
	return out, total, nil
}

// count adds the hosts of a set to the tallies.
func (q *question) count(matching set, tallies []*tally) bool {
	var in [1024]uint32
	it := matching.bits.ManyIterator()
	for n := it.NextMany(in[:]); n > 0; n = it.NextMany(in[:]) {
		for _, t := range tallies {
			t.add(in[:n])
		}
		if !q.spend(n * 2 * len(tallies)) {
			return false
		}
	}
	return true
}

// tally counts the values of one field, by their number.
type tally struct {
	n     []int // by number
	label func(number int) string
	none  int                 // the number that means no value; -1: there is none
	add   func(ords []uint32) // counts some hosts
	all   func()              // counts all hosts, from the lengths of the lists
}

// tally returns the tally of a field; nil for one that cannot be counted.
func (q *question) tally(f query.Field) *tally {
	x := q.Index
	switch f {
	case query.FieldStatus:
		return small(x.shown, x.byStatus[:], func(n int) string { return string(statusWords[n]) })
	case query.FieldSeverity:
		return small(x.worst, x.byWorst[:], func(n int) string { return worstWords[n] })
	case query.FieldReboot:
		return small(x.reboot, x.byReboot[:], func(n int) string { return rebootWords[n] })
	case query.FieldSimulated:
		t := &tally{n: make([]int, 2), none: -1, label: func(n int) string { return [...]string{"no", "yes"}[n] }}
		t.add = func(ords []uint32) {
			for _, ord := range ords {
				t.n[x.flags[ord]&flagSimulated]++
			}
		}
		t.all = func() { t.n[1] = x.simulated.len(); t.n[0] = int(x.alive.GetCardinality()) - t.n[1] }
		return t
	case query.FieldTag:
		return q.tagTally()
	case query.FieldOS:
		return x.os.tally(x.systemLabel, int(x.alive.GetCardinality()))
	}
	if f == query.FieldSite {
		return q.placeTally(x.siteLabel)
	}
	if place, ok := placeOf(f); ok {
		return q.placeTally(func(n int) string { return placeWord(&x.places.sites[n], place) })
	}
	if d := q.dictOf(f); d != nil {
		return d.tally(func(n uint32) string { return d.words[n] }, int(x.alive.GetCardinality()))
	}
	return nil
}

// placeTally is the tally of something that is the same for all hosts of a site. They are counted by site,
// once in a question.
func (q *question) placeTally(label func(n int) string) *tally {
	if q.bySite == nil {
		q.bySite = q.site.tally(nil, int(q.alive.GetCardinality()))
	}
	first := *q.bySite
	t := &tally{n: first.n, label: label}
	t.add, t.all = func([]uint32) {}, func() {}
	if !q.siteTaken {
		q.siteTaken = true
		t.add, t.all = first.add, first.all
	}
	return t
}

// siteLabel is the name of a site, or its id where nobody has named it.
func (x *Index) siteLabel(n int) string {
	return query.SiteText(x.places.sites[n].ID, x.places.sites[n])
}

// small is the tally of a column of a few values.
func small(column []uint8, lists []post, label func(int) string) *tally {
	t := &tally{n: make([]int, 256), label: label, none: -1}
	t.add = func(ords []uint32) {
		n := (*[256]int)(t.n)
		for _, ord := range ords {
			n[column[ord]]++
		}
	}
	t.all = func() {
		for i := range lists {
			t.n[i] = lists[i].len()
		}
	}
	return t
}

// tally is the tally of a column of words. Hosts is how many hosts there are in all.
func (d *dict) tally(label func(uint32) string, hosts int) *tally {
	t := &tally{n: make([]int, len(d.words)), label: func(n int) string { return label(uint32(n)) }}
	t.add = func(ords []uint32) {
		n, of := t.n, d.of
		for _, ord := range ords {
			n[of[ord]]++
		}
	}
	t.all = func() {
		t.n[0] = hosts
		for i := 1; i < len(d.posts); i++ {
			t.n[i] = d.posts[i].len()
			t.n[0] -= t.n[i]
		}
	}
	return t
}

func (q *question) tagTally() *tally {
	lists := q.tags
	d := lists.words
	t := &tally{n: make([]int, len(d.words)), label: func(n int) string { return d.words[n] }}
	t.add = func(ords []uint32) {
		n, arena := t.n, lists.arena
		for _, ord := range ords {
			at, many := lists.at[ord], uint32(lists.n[ord])
			if many == 0 {
				n[0]++
				continue
			}
			for _, w := range arena[at : at+many] {
				n[w]++
			}
		}
	}
	t.all = func() {
		for i := 1; i < len(d.posts); i++ {
			t.n[i] = d.posts[i].len()
		}
		for it := q.alive.Iterator(); it.HasNext(); {
			if lists.n[it.Next()] == 0 {
				t.n[0]++
			}
		}
	}
	return t
}

// facet orders the counts. Numbers whose labels differ in case alone are counted together, under the first
// of the labels in the order of text.
func (t *tally) facet(f query.Field, limit int) query.Facet {
	out := query.Facet{Field: f}
	counts := make([]query.Count, 0, 64)
	at := map[string]int{}
	least, rare := t.cut(limit)
	for i, n := range t.n {
		if n == 0 || n < least && i != t.none {
			continue
		}
		word := ""
		if i != t.none {
			word = t.label(i)
		}
		if word == "" {
			out.None += n
			continue
		}
		folded := query.Fold(word)
		if j, ok := at[folded]; ok {
			counts[j].N += n
			counts[j].Value = min(counts[j].Value, word)
			continue
		}
		at[folded] = len(counts)
		counts = append(counts, query.Count{Value: word, N: n})
	}
	out.Distinct = len(counts) + rare
	out.Values = topCounts(counts, limit)
	return out
}

// manyValues is up to how many values are all looked at.
const manyValues = 20_000

// cut returns the least count that can be among the first, where there are very many values, and how many fall
// below it: those are not looked at singly.
func (t *tally) cut(limit int) (least, rare int) {
	var ns []int
	for i, n := range t.n {
		if n > 0 && i != t.none {
			ns = append(ns, n)
		}
	}
	if len(ns) <= manyValues {
		return 0, 0
	}
	slices.Sort(ns)
	// Some of the first may be one value in two spellings.
	least = ns[len(ns)-min(8*limit, len(ns))]
	rare, _ = slices.BinarySearch(ns, least)
	if len(ns)-rare > manyValues { // as many are as frequent: any of them will do
		least++
		rare, _ = slices.BinarySearch(ns, least)
	}
	return least, rare
}

func compareCounts(a, b query.Count) int {
	return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
}

// topCounts returns the most frequent in order; counts is used up.
func topCounts(counts []query.Count, limit int) []query.Count {
	if len(counts) > 4*limit {
		// Most fall behind a bound that a first look finds.
		ns := make([]int, len(counts))
		for i, c := range counts {
			ns[i] = c.N
		}
		slices.Sort(ns)
		bound := ns[len(ns)-limit]
		counts = slices.DeleteFunc(counts, func(c query.Count) bool { return c.N < bound })
	}
	slices.SortFunc(counts, compareCounts)
	return slices.Clip(counts[:min(limit, len(counts))])
}

// maxPairs bounds the memory of one grouping.
const maxPairs = 500_000

// Group counts the pairs of the values of two fields among the hosts that match: at most limit (1 to
// MaxValues) of them, the most frequent. A host with several tags counts once for each.
func (x *Index) Group(ctx context.Context, where query.Expr, now model.Time, a, b query.Field, limit int) (query.Grouped, error) {
	var g query.Grouped
	if limit < 1 || limit > MaxValues {
		return g, fault.New(fault.Invalid, "group hosts", "%d groups: 1 to %d", limit, MaxValues)
	}
	q, err := x.ask(ctx, now)
	if err != nil {
		return g, err
	}
	defer q.done()
	for _, f := range []query.Field{a, b} {
		if q.tally(f) == nil {
			return g, fault.New(fault.Invalid, "group hosts", "hosts cannot be grouped by %s; fields like status, os, site, region and tag can be grouped by", f)
		}
	}
	matching := q.eval(where)
	if q.err != nil {
		return g, q.err
	}
	g.Total = matching.len()
	left, right := q.numbers(a), q.numbers(b)
	n := map[uint64]int{}
	var in [1024]uint32
	it := matching.bits.ManyIterator()
	for k := it.NextMany(in[:]); k > 0; k = it.NextMany(in[:]) {
		for _, ord := range in[:k] {
			rs := right(ord)
			for _, l := range left(ord) {
				for _, r := range rs {
					n[uint64(l)<<32|uint64(r)]++
				}
			}
		}
		if !q.spend(k * 40) {
			return g, q.err
		}
		if len(n) > maxPairs {
			return g, fault.New(fault.Busy, "group hosts", "there are more than %d pairs of %s and %s; narrow the search", maxPairs, a, b)
		}
	}
	g.Groups, g.Distinct = q.groups(n, a, b, limit)
	return g, nil
}

// groups gives the pairs their labels; pairs whose labels differ in case alone are counted together.
func (q *question) groups(n map[uint64]int, a, b query.Field, limit int) ([]query.Group, int) {
	type pair struct{ a, b string }
	la, lb := q.labels(a), q.labels(b)
	sums := make(map[pair]query.Group, len(n))
	for k, c := range n {
		g := query.Group{A: la(int(k >> 32)), B: lb(int(k & (1<<32 - 1))), N: c}
		key := pair{query.Fold(g.A), query.Fold(g.B)}
		if had, ok := sums[key]; ok {
			g.A, g.B, g.N = min(g.A, had.A), min(g.B, had.B), c+had.N
		}
		sums[key] = g
	}
	out := make([]query.Group, 0, len(sums))
	for _, g := range sums {
		out = append(out, g)
	}
	slices.SortFunc(out, func(x, y query.Group) int {
		return cmp.Or(cmp.Compare(y.N, x.N), strings.Compare(x.A, y.A), strings.Compare(x.B, y.B))
	})
	return out[:min(limit, len(out))], len(sums)
}

func (q *question) labels(f query.Field) func(int) string {
	t := q.tally(f)
	return func(n int) string {
		if n == t.none {
			return ""
		}
		return t.label(n)
	}
}

// numbers returns how the numbers of a field's values are read for a host. The slice is good until the
// next call.
func (q *question) numbers(f query.Field) func(ord uint32) []uint32 {
	one := make([]uint32, 1)
	bytes := func(column []uint8) func(uint32) []uint32 {
		return func(ord uint32) []uint32 { one[0] = uint32(column[ord]); return one }
	}
	switch f {
	case query.FieldStatus:
		return bytes(q.shown)
	case query.FieldSeverity:
		return bytes(q.worst)
	case query.FieldReboot:
		return bytes(q.reboot)
	case query.FieldSimulated:
		return func(ord uint32) []uint32 { one[0] = uint32(q.flags[ord] & flagSimulated); return one }
	case query.FieldTag:
		return func(ord uint32) []uint32 {
			if list := q.tags.of(ord); len(list) > 0 {
				return list
			}
			one[0] = 0
			return one
		}
	}
	d := q.dictOf(f)
	if d == nil {
		d = q.site
	}
	return func(ord uint32) []uint32 { one[0] = d.of[ord]; return one }
}

// Values returns values of a field that begin with a text, without regard to case, the most frequent
// first: what completion offers. It is empty for fields that have no common values. Where more than manyValues
// begin so, they are some of them.
func (x *Index) Values(f query.Field, prefix string, limit int) []query.Count {
	q, err := x.ask(context.Background(), 0)
	if err != nil {
		return nil
	}
	defer q.done()
	t := q.tally(f)
	if t == nil || limit < 1 {
		return nil
	}
	t.all()
	prefix = query.Fold(prefix)
	var out []query.Count
	at := map[string]int{}
	for i, n := range t.n {
		if n == 0 || i == t.none {
			continue
		}
		word := t.label(i)
		folded := query.Fold(word)
		if word == "" || !strings.HasPrefix(folded, prefix) {
			continue
		}
		if j, ok := at[folded]; ok {
			out[j].N += n
			continue
		}
		if len(out) == manyValues {
			break
		}
		at[folded] = len(out)
		out = append(out, query.Count{Value: word, N: n})
	}
	slices.SortFunc(out, compareCounts)
	return out[:min(limit, len(out))]
}
