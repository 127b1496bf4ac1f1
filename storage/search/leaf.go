package search

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// leaf returns the hosts that a term matches, where lists say so without looking at single hosts; ok is
// false for a term that needs a test (see test) or the texts of names (see byText).
func (q *question) leaf(t query.Term) (s set, ok bool) {
	if d := q.dictOf(t.Field); d != nil && q.listed(t) {
		return d.union(q.valuesLike(d, t)), true
	}
	if !q.listed(t) {
		return set{}, false
	}
	if place, ok := placeOf(t.Field); ok {
		return q.placesMatching(place, t.Pattern), true
	}
	switch t.Field {
	case query.FieldSite:
		return q.site.union(q.wordsWhere(q.site, 30, func(n uint32) bool {
			s := &q.places.sites[n]
			return t.MatchSite(s.ID, *s)
		})), true
	case query.FieldStatus:
		return q.byStatus[statusNumber(t.Status)].set(), true
	case query.FieldSeverity:
		var lists []*post
		for n, word := range worstWords {
			if t.Pattern.Match(word) {
				lists = append(lists, &q.byWorst[n])
			}
		}
		return union(lists), true
	case query.FieldReboot:
		return q.byReboot[boolNumber(t)].set(), true
	case query.FieldSimulated:
		if t.Number != 0 {
			return q.Index.simulated.set(), true
		}
		return set{bits: roaring.AndNot(q.alive, q.Index.simulated.set().bits)}, true
	case query.FieldIP:
		return set{bits: q.inRange(t.Low, t.High)}, true
	case query.FieldMAC:
		return set{bits: q.withMAC(t.MAC)}, true
	case query.FieldID:
		return set{bits: q.withID(t.MAC)}, true
	case query.FieldCVE:
		return q.byWorst[worstCritical].set(), true
	}
	return set{}, false
}

// listed reports whether leaf answers a term.
func (q *question) listed(t query.Term) bool {
	if _, place := placeOf(t.Field); place || q.dictOf(t.Field) != nil {
		return t.Op != query.OpIs || t.Pattern.Shape != query.ShapeAny && !t.Pattern.Match("")
	}
	switch t.Field {
	case query.FieldSite, query.FieldStatus, query.FieldSeverity, query.FieldReboot, query.FieldID:
		return true
	case query.FieldMAC, query.FieldIP, query.FieldSimulated:
		return !t.Unknown
	case query.FieldCVE:
		return !t.Unknown && t.Part == "critical" && t.Op == query.OpGreater && t.Number == 0
	}
	return false
}

// valuesLike returns the numbers of the values that a term about words matches: by asking query.Match about
// a host that has nothing else, but for whole words that have no order.
func (q *question) valuesLike(d *dict, t query.Term) []uint32 {
	if t.Op == query.OpIs && t.Pattern.Shape == query.ShapeExact && t.Field != query.FieldOS && t.Field.Info().Kind == query.KindWord {
		return d.alike[t.Pattern.Text]
	}
	var h model.Host
	var tag [1]string
	return q.wordsWhere(d, 100, func(n uint32) bool {
		switch t.Field {
		case query.FieldOS:
			h.OS = q.system(n)
		case query.FieldKernel:
			h.Kernel = d.words[n]
		case query.FieldArch:
			h.Arch = d.words[n]
		case query.FieldAgent:
			h.AgentVersion = d.words[n]
		case query.FieldOwner:
			h.Owner = d.words[n]
		case query.FieldTag:
			tag[0] = d.words[n]
			h.Tags = tag[:]
		}
		return query.Match(t, &h, query.Env{Now: q.now})
	})
}

// boolNumber returns the number of rebootWords that a term asks for.
func boolNumber(t query.Term) int {
	switch {
	case t.Unknown:
		return rebootUnknown
	case t.Number != 0:
		return rebootYes
	}
	return rebootNo
}

// dictOf returns the column of a field of words.
func (x *Index) dictOf(f query.Field) *dict {
	switch f {
	case query.FieldOS:
		return x.os
	case query.FieldKernel:
		return x.kernel
	case query.FieldArch:
		return x.arch
	case query.FieldAgent:
		return x.agent
	case query.FieldOwner:
		return x.owner
	case query.FieldTag:
		return x.tags.words
	}
	return nil
}

// union returns the hosts that have one of the values.
func (d *dict) union(numbers []uint32) set {
	lists := make([]*post, len(numbers))
	for i, n := range numbers {
		lists[i] = &d.posts[n]
	}
	return union(lists)
}

func (x *Index) withID(text string) *roaring.Bitmap {
	id, err := model.ParseHostID(text)
	if err != nil {
		return roaring.New()
	}
	if ord, ok := x.byID.get(id, x.ids); ok {
		return roaring.BitmapOf(ord)
	}
	return roaring.New()
}

// test returns how a term is decided for a single host. It covers every field, also those that leaf and
// byText find faster.
func (q *question) test(t query.Term) func(ord uint32) bool {
	if q.isText(t) {
		return q.textTest(t)
	}
	if q.listed(t) {
		return q.among(t)
	}
	any := t.Pattern.Shape == query.ShapeAny
	switch t.Field {
	case query.FieldTag:
		return func(ord uint32) bool { return any && q.tags.n[ord] != 0 }
	case query.FieldIP:
		return func(ord uint32) bool { return q.noAddress(ord) }
	case query.FieldMAC:
		return func(ord uint32) bool { return q.flags[ord]&flagMAC == 0 }
	}
	// What is left is words of which any will do, or of which having none will do as well.
	if d := q.dictOf(t.Field); d != nil {
		if t.Field == query.FieldOS {
			return func(ord uint32) bool { return t.MatchOS(q.system(d.of[ord])) }
		}
		return func(ord uint32) bool { return t.Pattern.Match(d.folded[d.of[ord]]) }
	}
	if place, ok := placeOf(t.Field); ok {
		return func(ord uint32) bool {
			return t.Pattern.Match(query.Fold(placeWord(&q.places.sites[q.site.of[ord]], place)))
		}
	}
	if get := q.number(t.Field, t.Part); get != nil {
		return q.compare(t, get)
	}
	return func(uint32) bool { return false }
}

// among tests membership of what leaf finds.
func (q *question) among(t query.Term) func(ord uint32) bool {
	s, _ := q.leaf(t)
	return s.own().Contains
}

// compare decides a numeric term.
func (q *question) compare(t query.Term, get number) func(ord uint32) bool {
	if t.Unknown {
		return func(ord uint32) bool { _, ok := get(ord); return !ok }
	}
	low, high := t.Numbers()
	if kind := t.Field.Info().Kind; kind == query.KindAge || kind == query.KindUntil {
		from, to := t.Times(q.now)
		low, high = int64(from), int64(to)
	}
	return func(ord uint32) bool {
		n, ok := get(ord)
		return ok && low <= n && n <= high
	}
}
