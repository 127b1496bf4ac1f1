package search

import (
	"sync"
)

// gramsFresh is how many ordinals may have a text that no index knows before a segment is built anew. Each
// search looks at all of them: about a fifth of a millisecond.
const gramsFresh = 2048

// grams finds the ordinals whose names contain a piece of text, or end with one.
//
// Ordinals are cut into segments of 65,536. Each has an immutable index of grams, which is made beside the
// work of the others (snapshot, build, install), and the set of what has changed since. An index only names
// candidates: each is looked at, except where the grams are all that was asked for. A segment without an
// index is searched by looking at all of its names, so that nothing waits for an index after a start.
type grams struct {
	names    *names
	segments []*gramSegment
	freshN   int // of all segments
	bound    int // of freshN
	scratch  sync.Pool
}

// gramSegment is what is known of 65,536 ordinals.
type gramSegment struct {
	index   *gramIndex // nil: none yet
	liveN   int
	freshN  int
	live    gramSet
	fresh   gramSet  // alive, and index does not know the text
	touched gramSet  // set or removed since index was made: what it says of them does not count
	since   *gramSet // touched since the snapshot of the build that is under way; nil: none is
	build   uint64   // number of the last snapshot
}

func newGrams(n *names) *grams {
	return &grams{names: n, bound: gramsFresh, scratch: sync.Pool{New: func() any { return new(gramScratch) }}}
}

// set says that an ordinal is there and has the text that names gives now.
func (g *grams) set(ord uint32) {
	for int(ord/namesSegment) >= len(g.segments) {
		g.segments = append(g.segments, new(gramSegment))
	}
	s, low := g.segments[ord/namesSegment], uint16(ord)
	if !s.live.has(low) {
		s.live.add(low)
		s.liveN++
	}
	if !s.fresh.has(low) {
		s.fresh.add(low)
		s.freshN++
		g.freshN++
	}
	s.touch(low)
}

// remove says that an ordinal is there no more. Its text does not matter.
func (g *grams) remove(ord uint32) {
	if int(ord/namesSegment) >= len(g.segments) {
		return
	}
	s, low := g.segments[ord/namesSegment], uint16(ord)
	if !s.live.has(low) {
		return
	}
	s.live.remove(low)
	s.liveN--
	if s.fresh.has(low) {
		s.fresh.remove(low)
		s.freshN--
		g.freshN--
	}
	s.touch(low)
}

// alive reports whether an ordinal is there.
func (g *grams) alive(ord uint32) bool {
	s := int(ord / namesSegment)
	return s < len(g.segments) && g.segments[s].live.has(uint16(ord))
}

func (s *gramSegment) touch(low uint16) {
	s.touched.add(low)
	if s.since != nil {
		s.since.add(low)
	}
}

// needsBuild names the segment whose index should be made next: the one with the most fresh ordinals that is
// not being made now, once there are more of them in all than the bound.
func (g *grams) needsBuild() (segment int, ok bool) {
	if g.freshN <= g.bound {
		return 0, false
	}
	most := 0
	for i, s := range g.segments {
		if s.since == nil && s.freshN > most {
			segment, most = i, s.freshN
		}
	}
	return segment, most > 0
}

// gramSnapshot is what an index is made of.
type gramSnapshot struct {
	segment int
	build   uint64
	text    namesView
	live    gramSet
}

// snapshot copies what the index of a segment is made of: 264 KiB. From now on the segment keeps what changes
// until install; it is a write.
func (g *grams) snapshot(segment int) *gramSnapshot {
	s := g.segments[segment]
	s.since = new(gramSet)
	s.build++
	return &gramSnapshot{segment: segment, build: s.build, text: g.names.view(segment), live: s.live}
}

// index makes the index. It needs no lock and takes about 15 ms.
func (s *gramSnapshot) index() *gramIndex { return gramBuild(s.text, &s.live) }

// install puts an index in place that was made of a snapshot; what changed after it is fresh. It reports
// false where a later snapshot was taken of the segment. A nil index gives the build up.
func (g *grams) install(from *gramSnapshot, index *gramIndex) bool {
	s := g.segments[from.segment]
	if s.since == nil || s.build != from.build {
		return false
	}
	since := s.since
	s.since = nil
	if index == nil {
		return true
	}
	s.index, s.touched, s.fresh = index, *since, *since
	for i := range s.fresh {
		s.fresh[i] &= s.live[i]
	}
	g.freshN -= s.freshN
	s.freshN = s.fresh.len()
	g.freshN += s.freshN
	return true
}
