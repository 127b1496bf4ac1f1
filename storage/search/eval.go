package search

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/query"
)

// eval returns the hosts that an expression matches. A result that is shared is only good until the next
// pause. After an error (see spend) the result means nothing.
func (q *question) eval(e query.Expr) set {
	switch e := e.(type) {
	case nil, query.All:
		return set{bits: q.alive, shared: true}
	case query.Term:
		if s, ok := q.leaf(e); ok {
			q.spend(1000)
			return s
		}
		return set{bits: q.costlyTerm(e, nil)}
	case query.Not:
		s := q.eval(e.X)
		return set{bits: roaring.AndNot(q.alive, s.bits)}
	case query.Or:
		return q.or(e)
	case query.And:
		return q.and(e)
	}
	return set{bits: roaring.New()}
}

// costlyTerm evaluates a term by its texts or by a test, among within (nil: all), which it must own.
func (q *question) costlyTerm(t query.Term, within *roaring.Bitmap) *roaring.Bitmap {
	if q.isText(t) {
		return q.byText(t, within)
	}
	if within == nil {
		within = q.alive.Clone()
	}
	return q.filter(within, q.test(t), testCost)
}

const testCost = 4 // of one test, in steps

// or joins the parts. What may pause comes first, so that nothing shared is held meanwhile.
func (q *question) or(parts []query.Expr) set {
	var owned, lists []*roaring.Bitmap
	for _, e := range parts {
		if !q.byLists(e) {
			s := q.eval(e)
			owned = append(owned, s.own())
		}
	}
	for _, e := range parts {
		if q.byLists(e) {
			lists = append(lists, q.eval(e).bits)
		}
	}
	q.spend(2000 * len(parts))
	return set{bits: roaring.FastOr(append(owned, lists...)...)}
}

// byLists reports whether an expression is a term, or the negation of one, that lists answer.
func (q *question) byLists(e query.Expr) bool {
	switch e := e.(type) {
	case query.All:
		return true
	case query.Not:
		return q.byLists(e.X)
	case query.Term:
		return q.listed(e)
	}
	return false
}

// and narrows: first what lists answer, the shortest first, then what is put together of parts, and at
// last, among what is left, what must be read host by host.
func (q *question) and(parts []query.Expr) set {
	var lists, without []set
	var built []*roaring.Bitmap
	var costly []query.Term
	var refused []query.Term // negated terms that must be read
	for _, e := range parts {
		// What is put together may pause, so that it comes before the shared lists.
		switch e := e.(type) {
		case query.And, query.Or:
			built = append(built, q.eval(e).own())
		case query.Not:
			if t, ok := e.X.(query.Term); ok {
				if !q.listed(t) {
					refused = append(refused, t)
				}
			} else {
				built = append(built, q.eval(e).own())
			}
		}
	}
	for _, e := range parts {
		switch e := e.(type) {
		case query.Term:
			if s, ok := q.leaf(e); ok {
				lists = append(lists, s)
			} else {
				costly = append(costly, e)
			}
		case query.Not:
			if t, ok := e.X.(query.Term); ok {
				if s, ok := q.leaf(t); ok {
					without = append(without, s)
				}
			}
		}
	}
	for _, b := range built {
		lists = append(lists, set{bits: b})
	}
	q.spend(2000 * len(parts))
	var result *roaring.Bitmap
	if len(lists) > 0 {
		slices.SortFunc(lists, func(a, b set) int { return a.len() - b.len() })
		result = lists[0].bits
		owned := false
		for _, s := range lists[1:] {
			if owned {
				result.And(s.bits)
			} else {
				result, owned = roaring.And(result, s.bits), true
			}
		}
		for _, s := range without {
			if owned {
				result.AndNot(s.bits)
			} else {
				result, owned = roaring.AndNot(result, s.bits), true
			}
		}
		if !owned {
			result = lists[0].own()
		}
	} else if len(without) > 0 {
		result = q.alive.Clone()
		for _, s := range without {
			result.AndNot(s.bits)
		}
	}
	// Texts before tests where nothing has narrowed yet: n-grams narrow best.
	slices.SortStableFunc(costly, func(a, b query.Term) int { return rank(q.isText(b)) - rank(q.isText(a)) })
	if result != nil && result.GetCardinality() > q.tuning.fewToRead {
		slices.Reverse(costly) // tests are cheaper than texts
	}
	for _, t := range costly {
		result = q.costlyTerm(t, result)
	}
	for _, t := range refused {
		if result == nil {
			result = q.alive.Clone()
		}
		test := q.test(t)
		result = q.filter(result, func(ord uint32) bool { return !test(ord) }, readCost)
	}
	if result == nil {
		return set{bits: q.alive, shared: true}
	}
	return set{bits: result}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// filter returns the members of a set, which it must own, that pass the test. It pauses now and then.
func (q *question) filter(s *roaring.Bitmap, test func(ord uint32) bool, cost int) *roaring.Bitmap {
	const batch = 1024
	var in, out [batch]uint32
	result := roaring.New()
	it := s.ManyIterator()
	since := 0
	for {
		n := it.NextMany(in[:])
		if n == 0 {
			return result
		}
		kept := 0
		for _, ord := range in[:n] {
			if test(ord) {
				out[kept] = ord
				kept++
			}
		}
		result.AddMany(out[:kept])
		if since += n; since >= q.tuning.pauseEvery {
			if !q.spend(since*cost) || !q.pause() {
				return result
			}
			since = 0
		}
	}
}
