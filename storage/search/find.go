package search

import (
	"context"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Found is one page, without the rows.
type Found struct {
	Hits  []Hit
	Total int  // hosts that match, on all pages
	More  bool // there are hosts behind this page
	// Loose says that the index changed while the question was answered, so that the rows must be looked at
	// again before they are shown: one of them may have ceased to match.
	Loose bool
}

// Hit is one host of a page, with the beat that is shown: unknown where nobody can vouch for its site now.
type Hit struct {
	ID   model.HostID
	Beat model.HostBeat
}

// Find returns one page. Its errors have the kind fault.Invalid for a limit, an order or a cursor that
// cannot be, and fault.Busy for a question that takes more time or work than it may.
func (x *Index) Find(ctx context.Context, s query.Search) (Found, error) {
	return x.find(ctx, s, false)
}

// FindAtOnce is Find for who makes others wait meanwhile: it does not queue with the costly questions.
func (x *Index) FindAtOnce(ctx context.Context, s query.Search) (Found, error) {
	return x.find(ctx, s, true)
}

func (x *Index) find(ctx context.Context, s query.Search, atOnce bool) (Found, error) {
	var f Found
	if s.Limit == 0 {
		s.Limit = query.DefaultPage
	}
	if s.Limit < 1 || s.Limit > query.MaxPage || s.Skip < 0 {
		return f, fault.New(fault.Invalid, "search hosts", "a page of %d hosts, %d skipped: a page has 1 to %d", s.Limit, s.Skip, query.MaxPage)
	}
	q, err := x.ask(ctx, s.Now)
	if err != nil {
		return f, err
	}
	defer q.done()
	q.atOnce = atOnce
	page, total, err := q.page(s)
	if err == nil {
		err = q.err
	}
	if err != nil {
		return f, err
	}
	f.Total, f.Loose, f.More = total, q.paused, len(page) > s.Limit
	page = page[:min(len(page), s.Limit)]
	f.Hits = make([]Hit, 0, len(page))
	for _, ord := range page {
		if q.paused && !x.alive.Contains(ord) {
			continue
		}
		f.Hits = append(f.Hits, Hit{x.ids[ord], x.shownBeat(ord)})
	}
	return f, nil
}

// shownBeat returns the beat that is shown.
func (x *Index) shownBeat(ord uint32) model.HostBeat {
	b := model.HostBeat{
		Status: statusWords[x.shown[ord]], StatusAt: model.Time(x.columns.statusAt[ord]), LastSeen: model.Time(x.columns.seen[ord]),
	}
	if x.own[ord] != statusUnknown {
		b.StatusAt = max(b.StatusAt, x.places.judged[x.places.sites[x.site.of[ord]].ID])
	}
	return b
}

// page returns the ordinals of a page in order, and one more where there is one, and how many match.
func (q *question) page(s query.Search) ([]uint32, int, error) {
	s.Skip = min(s.Skip, int(q.n))
	want := s.Skip + s.Limit + 1
	skip := func(page []uint32) []uint32 { return page[min(s.Skip, len(page)):] }
	if s.Sort.Field == 0 || s.Sort.Field == query.FieldHostname {
		s.Sort.Field = query.FieldName // hosts are ordered by their host name either way
		if s.After != nil && s.After.Sort.Field == query.FieldHostname {
			after := *s.After
			after.Sort.Field = query.FieldName
			s.After = &after
		}
	}
	if f := s.Sort.Field; f == query.FieldSerial || f == query.FieldFQDN {
		// Texts without ranks have to be sorted: that is costly, and takes its place before anything is held.
		q.work += q.tuning.cheapWork
		if !q.pause() {
			return nil, 0, q.err
		}
	}
	if p, rest, ok := q.nameOnly(s); ok {
		page, total, ok := q.prefixPage(p, rest, s, want)
		if ok {
			return skip(page), total, q.err
		}
	}
	matching := q.eval(s.Where)
	if q.err != nil {
		return nil, 0, q.err
	}
	total := matching.len()
	o, err := q.sorter(s.Sort, s.After, matching.bits)
	if err != nil || total <= s.Skip {
		return nil, total, err
	}
	var page []uint32
	ok := false
	if total > q.tuning.fewToSort && !q.nameless() {
		switch s.Sort.Field {
		case query.FieldName:
			page, ok = q.walkNames(matching, o, want, total)
		case query.FieldSeen:
			page, ok = q.walkSeen(matching, o, want, s.Where), true
		}
	}
	if !ok {
		page = q.choose(matching, o, want)
	}
	return skip(page), total, q.err
}

// choose returns the first hosts by looking at all of them.
func (q *question) choose(matching set, o *sorter, want int) []uint32 {
	top := newTop(o, want)
	var in [512]uint32
	it := matching.bits.ManyIterator()
	for n := it.NextMany(in[:]); n > 0; n = it.NextMany(in[:]) {
		for _, ord := range in[:n] {
			top.offer(o.key(ord), ord)
		}
		if !q.spend(n * 4) {
			return nil
		}
	}
	return top.sorted()
}

// top keeps the first few hosts of many.
type top struct {
	o    *sorter
	want int
	keys []uint64
	ords []uint32 // a heap: the last of those kept is at 0
}

func newTop(o *sorter, want int) *top { return &top{o: o, want: want} }

// bound returns the key beyond which nothing is kept any more.
func (t *top) bound() uint64 {
	if len(t.keys) < t.want {
		return last
	}
	return t.keys[0]
}

func (t *top) offer(key uint64, ord uint32) {
	if !t.o.on(key, ord) {
		return
	}
	if len(t.keys) < t.want {
		t.keys, t.ords = append(t.keys, key), append(t.ords, ord)
		for i := len(t.keys) - 1; i > 0; {
			parent := (i - 1) / 2
			if !t.before(parent, i) {
				return
			}
			t.swap(i, parent)
			i = parent
		}
		return
	}
	if key > t.keys[0] || key == t.keys[0] && !t.o.before(key, ord, t.keys[0], t.ords[0]) {
		return
	}
	t.keys[0], t.ords[0] = key, ord
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(t.keys) {
			return
		}
		if child+1 < len(t.keys) && t.before(child, child+1) {
			child++
		}
		if !t.before(i, child) {
			return
		}
		t.swap(i, child)
		i = child
	}
}

func (t *top) before(i, j int) bool { return t.o.before(t.keys[i], t.ords[i], t.keys[j], t.ords[j]) }

func (t *top) swap(i, j int) {
	t.keys[i], t.keys[j] = t.keys[j], t.keys[i]
	t.ords[i], t.ords[j] = t.ords[j], t.ords[i]
}

// sorted returns what was kept, in order.
func (t *top) sorted() []uint32 {
	at := make([]int, len(t.ords))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(i, j int) int {
		if t.before(i, j) {
			return -1
		}
		return 1
	})
	out := make([]uint32, len(at))
	for i, j := range at {
		out[i] = t.ords[j]
	}
	return out
}

// member returns how to ask whether a host matches, for about that many questions.
func (q *question) member(matching set, questions int) func(ord uint32) bool {
	if matching.bits == q.alive {
		return func(uint32) bool { return true }
	}
	for s := range q.byStatus {
		if q.byStatus[s].big == matching.bits {
			shown := q.shown
			return func(ord uint32) bool { return shown[ord] == uint8(s) }
		}
	}
	if questions < 2000 {
		return matching.bits.Contains
	}
	q.spend(int(q.n) / 16)
	return denseOf(matching.bits, q.n).has
}

// walkNames goes through the hosts in the order of names and takes those that match. It gives up, with
// ok false, when too few turn up: then looking at all that match is cheaper.
func (q *question) walkNames(matching set, o *sorter, want, total int) (page []uint32, ok bool) {
	expect := want * int(q.alive.GetCardinality()) / total
	limit := max(4*expect, total/2)
	if expect > total {
		return nil, false
	}
	has := q.member(matching, expect)
	steps := 0
	var buf [256]uint32
	c := q.byName.walk(q.edges(o))
	for n := c.next(buf[:]); n > 0; n = c.next(buf[:]) {
		for _, ord := range buf[:n] {
			if has(ord) {
				if page = append(page, ord); len(page) == want {
					return page, true
				}
			}
		}
		if steps += n; steps > limit || !q.spend(4*n) {
			return nil, false
		}
	}
	return page, true
}

// edges returns the part of the order of names behind the cursor.
func (q *question) edges(o *sorter) (from, to orderPlace, desc bool) {
	from, to = o.part(q.byName.first(), q.byName.end())
	return from, to, o.sort.Desc
}

// nameOnly recognises the questions for names that are, or begin with, a text, in the order of names: they
// are answered from one stretch of that order. Rest is what else must hold, nil for nothing.
func (q *question) nameOnly(s query.Search) (p query.Pattern, rest query.Expr, ok bool) {
	if s.Sort.Field != query.FieldName || q.nameless() {
		return p, nil, false
	}
	parts, isAnd := s.Where.(query.And)
	if !isAnd {
		parts = query.And{s.Where}
	}
	for i, e := range parts {
		t, isTerm := e.(query.Term)
		if !isTerm || t.Field != query.FieldName && t.Field != query.FieldHostname || t.Pattern.Text == "" || t.Pattern.Shape != query.ShapeExact && t.Pattern.Shape != query.ShapePrefix {
			continue
		}
		if t.Field == query.FieldName && !q.namesDecide(t.Pattern) {
			return p, nil, false
		}
		switch others := slices.Delete(slices.Clone(parts), i, i+1); len(others) {
		case 0:
		case 1:
			rest = others[0]
		default:
			rest = others
		}
		return t.Pattern, rest, true
	}
	return p, nil, false
}

// namesDecide reports whether host names alone say what a pattern for names matches, and no FQDN does.
func (q *question) namesDecide(p query.Pattern) bool {
	for i := range len(p.Text) {
		if p.Text[i] == '.' {
			return false
		}
	}
	odd := q.wordsWhere(q.domain, 10, func(n uint32) bool { w := q.domain.words[n]; return w[0] == '=' && p.Match(w[1:]) })
	return len(odd) == 0
}

// prefixPage answers from the stretch of names that the pattern names; ok is false where it is too long.
func (q *question) prefixPage(p query.Pattern, rest query.Expr, s query.Search, want int) (page []uint32, total int, ok bool) {
	from, to := q.stretch(p)
	total = q.byName.count(from, to)
	if rest != nil && total > q.tuning.longStretch {
		return nil, 0, false
	}
	has, decided := func(uint32) bool { return true }, true
	if rest != nil {
		has, decided = q.member(q.eval(rest), total), false
		if q.err != nil {
			return nil, 0, true
		}
		// That may have let a writer in: places in the order are only good until then.
		from, to = q.stretch(p)
		total = q.byName.count(from, to)
	}
	o, err := q.sorter(s.Sort, s.After, nil)
	if err != nil {
		q.err = err
		return nil, 0, true
	}
	var buf [256]uint32
	begin, end := o.part(from, to)
	c := q.byName.walk(begin, end, s.Sort.Desc)
	for n := c.next(buf[:]); n > 0 && len(page) < want; n = c.next(buf[:]) {
		for _, ord := range buf[:n] {
			if len(page) < want && has(ord) {
				page = append(page, ord)
			}
		}
		q.spend(4 * n)
	}
	if decided {
		return page, total, true
	}
	total = 0
	c = q.byName.walk(from, to, false)
	for n := c.next(buf[:]); n > 0; n = c.next(buf[:]) {
		for _, ord := range buf[:n] {
			if has(ord) {
				total++
			}
		}
		q.spend(4 * n)
	}
	return page, total, true
}
