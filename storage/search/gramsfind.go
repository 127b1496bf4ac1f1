package search

import (
	"bytes"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/query"
)

// The costs that decide how a search is made, in nanoseconds, measured on names of 20 bytes. Their ratios
// matter, not their size.
const (
	gramCostLook    = 50  // to look at the text of one ordinal
	gramCostPosting = 3   // to take an ordinal from a list
	gramCostSegment = 500 // to begin with a segment
	// gramEnough is how many candidates are not worth another list.
	gramEnough = 32
	// gramLists is how many lists are intersected at most: more leave out little.
	gramLists = 6
)

// gramPlan is what a pattern asks of an index.
type gramPlan struct {
	pattern  []byte
	suffix   bool
	from, to uint32   // pairs, for a pattern of one or two bytes that may stand anywhere; else both 0
	codes    []uint32 // grams that all must be there, each once
	exact    bool     // an index that names an ordinal is right
}

func gramPlanOf(pattern []byte, suffix bool) gramPlan {
	p := gramPlan{pattern: pattern, suffix: suffix}
	exact := true
	w := uint32(0)
	for i, b := range pattern {
		exact = exact && gramSymbols[b] <= gramExact
		w = (w<<gramBits | uint32(gramSymbols[b])) & (gramCodes - 1)
		if i >= 2 {
			p.codes = append(p.codes, w)
		}
	}
	switch n := len(pattern); {
	case suffix && n == 1:
		p.codes, p.exact = append(p.codes, w<<(2*gramBits)), exact
	case suffix:
		p.codes, p.exact = append(p.codes, w<<gramBits&(gramCodes-1)), exact && n == 2
	case n == 1:
		p.from, p.to, p.exact = w<<gramBits, (w+1)<<gramBits, exact
	case n == 2:
		p.from, p.to, p.exact = w, w+1, exact
	default:
		p.exact = exact && n == 3
	}
	slices.Sort(p.codes)
	p.codes = slices.Compact(p.codes)
	return p
}

// matches looks at a text.
func (p *gramPlan) matches(text []byte) bool {
	if p.suffix {
		return bytes.HasSuffix(text, p.pattern)
	}
	return bytes.Contains(text, p.pattern)
}

// gramScratch is the memory that one search works in.
type gramScratch struct {
	lows   []uint16
	fresh  []uint16
	out    []uint32
	set    gramSet
	within []uint64
	lists  [][]uint16
}

// find calls emit once for each segment that it searches, in rising order, with the ordinals whose names contain the pattern
// (or end with it, for query.ShapeSuffix), rising; there may be none. within, unless nil, is where to look
// only. emit says false to stop, and find reports whether it never did. What emit gets is valid until it
// returns. Emit may let go of the lock and take it anew: find keeps nothing that a write changes, within
// included. An empty pattern is in every name.
func (g *grams) find(pattern []byte, shape query.Shape, within *roaring.Bitmap, emit func(ords []uint32) bool) bool {
	p := gramPlanOf(pattern, shape == query.ShapeSuffix)
	sc := g.scratch.Get().(*gramScratch)
	defer g.scratch.Put(sc)
	if within != nil {
		if n := within.GetCardinality(); n*gramCostLook <= g.cost(&p, n*gramCostLook) {
			return g.look(&p, sc, within, emit)
		}
		words := (int(within.Maximum())/namesSegment + 1) * namesSegment / 64
		sc.within = slices.Grow(sc.within[:0], words)[:words]
		clear(sc.within)
		within.WriteDenseTo(sc.within)
	}
	for i := 0; i < len(g.segments); i++ {
		var only *gramSet
		if within != nil {
			begin := i * (namesSegment / 64)
			if begin >= len(sc.within) {
				return true
			}
			only = (*gramSet)(sc.within[begin:])
		}
		if !emit(g.findIn(i, &p, sc, only)) {
			return false
		}
	}
	return true
}

// cost estimates what a search by the indexes costs; it stops counting beyond a bound.
func (g *grams) cost(p *gramPlan, bound uint64) uint64 {
	cost := uint64(0)
	for _, s := range g.segments {
		if cost > bound {
			return cost
		}
		cost += gramCostSegment
		if s.index == nil || len(p.pattern) == 0 {
			cost += uint64(s.liveN) * gramCostLook
			continue
		}
		cost += uint64(s.freshN) * gramCostLook
		if p.to > 0 {
			cost += uint64(len(s.index.span(p.from, p.to))) * gramCostPosting
			continue
		}
		rarest := namesSegment
		for _, code := range p.codes {
			rarest = min(rarest, len(s.index.list(code)))
		}
		cost += uint64(rarest) * gramCostPosting
	}
	return cost
}

// look goes through the members of within, one text after the other.
func (g *grams) look(p *gramPlan, sc *gramScratch, within *roaring.Bitmap, emit func(ords []uint32) bool) bool {
	members := within.ToArray() // a copy: within may change while emit lets others write
	for len(members) > 0 {
		segment := members[0] / namesSegment
		sc.out = sc.out[:0]
		n := 0
		for ; n < len(members) && members[n]/namesSegment == segment; n++ {
			if ord := members[n]; g.alive(ord) && p.matches(g.names.at(ord)) {
				sc.out = append(sc.out, ord)
			}
		}
		members = members[n:]
		if !emit(sc.out) {
			return false
		}
	}
	return true
}

// findIn searches one segment, in only where that is not nil.
func (g *grams) findIn(segment int, p *gramPlan, sc *gramScratch, only *gramSet) []uint32 {
	s := g.segments[segment]
	base := uint32(segment) * namesSegment
	sc.out = sc.out[:0]
	if s.liveN == 0 {
		return sc.out
	}
	if s.index == nil || len(p.pattern) == 0 {
		sc.lows = gramAnd(sc.lows[:0], &s.live, only)
		if len(p.pattern) > 0 {
			sc.lows = g.weed(p, base, sc.lows)
		}
		return sc.emit(base)
	}
	switch {
	case p.to > 0:
		g.union(s, p, sc, only)
	default:
		g.intersect(s, p, sc, only)
	}
	if !p.exact {
		sc.lows = g.weed(p, base, sc.lows)
	}
	if s.freshN > 0 {
		sc.fresh = g.weed(p, base, gramAnd(sc.fresh[:0], &s.fresh, only))
		if len(sc.fresh) > 0 {
			sc.lows = append(sc.lows, sc.fresh...)
			slices.Sort(sc.lows)
		}
	}
	return sc.emit(base)
}

// emit makes ordinals of lows.
func (sc *gramScratch) emit(base uint32) []uint32 {
	sc.out = slices.Grow(sc.out, len(sc.lows))
	for _, low := range sc.lows {
		sc.out = append(sc.out, base|uint32(low))
	}
	return sc.out
}

// gramAnd appends the members of set that are in only too, where that is not nil.
func gramAnd(out []uint16, set, only *gramSet) []uint16 {
	if only == nil {
		return set.appendTo(out)
	}
	both := *set
	for i := range both {
		both[i] &= only[i]
	}
	return both.appendTo(out)
}

// weed keeps the ordinals whose names match. It fetches some names before it looks at the first, so that
// memory works on all of them at once.
func (g *grams) weed(p *gramPlan, base uint32, lows []uint16) []uint16 {
	kept := lows[:0]
	var texts [16][]byte
	for len(lows) > 0 {
		batch := lows[:min(len(lows), len(texts))]
		lows = lows[len(batch):]
		for i, low := range batch {
			texts[i] = g.names.at(base | uint32(low))
		}
		for i, low := range batch {
			if p.matches(texts[i]) {
				kept = append(kept, low)
			}
		}
	}
	return kept
}

// union puts into sc.lows what any gram of the plan's range names, without what was touched since.
func (g *grams) union(s *gramSegment, p *gramPlan, sc *gramScratch, only *gramSet) {
	clear(sc.set[:])
	for _, low := range s.index.span(p.from, p.to) {
		sc.set.add(low)
	}
	for i := range sc.set {
		sc.set[i] &^= s.touched[i]
	}
	sc.lows = gramAnd(sc.lows[:0], &sc.set, only)
}

// intersect puts into sc.lows what all grams of the plan name, or somewhat more where looking is cheaper than
// another list; never what was touched since.
func (g *grams) intersect(s *gramSegment, p *gramPlan, sc *gramScratch, only *gramSet) {
	sc.lows, sc.lists = sc.lows[:0], sc.lists[:0]
	for _, code := range p.codes {
		list := s.index.list(code)
		if len(list) == 0 {
			return
		}
		sc.lists = append(sc.lists, list)
	}
	slices.SortFunc(sc.lists, func(a, b []uint16) int { return len(a) - len(b) })
	rarest := sc.lists[0]
	lows := slices.Grow(sc.lows, len(rarest))[:len(rarest)]
	n := 0
	for _, low := range rarest {
		lows[n] = low
		keep := ^s.touched[low>>6] >> (low & 63) & 1
		if only != nil {
			keep &= only[low>>6] >> (low & 63)
		}
		n += int(keep)
	}
	lows = lows[:n]
	for _, list := range sc.lists[1:min(len(sc.lists), gramLists)] {
		before := len(lows)
		if before <= gramEnough || len(list) > s.liveN/2 {
			break
		}
		if lows = gramCut(lows, list); len(lows) > before-before/8 {
			break // they mostly stand together, and so will the others
		}
	}
	sc.lows = lows
}

// gramCut keeps of a what is in b too. Both are rising.
func gramCut(a, b []uint16) []uint16 {
	kept := a[:0]
	if len(b) > 32*len(a) {
		for _, v := range a {
			// Steps that double find the part of b where v may be, halving finds v in it.
			step := 1
			for step < len(b) && b[step] < v {
				step *= 2
			}
			at, ok := slices.BinarySearch(b[step/2:min(step+1, len(b))], v)
			if b = b[step/2+at:]; len(b) == 0 {
				break
			}
			if ok {
				kept = append(kept, v)
			}
		}
		return kept
	}
	i := 0
	for _, v := range a {
		for i < len(b) && b[i] < v {
			i++
		}
		if i == len(b) {
			break
		}
		if b[i] == v {
			kept = append(kept, v)
		}
	}
	return kept
}
