package search

import (
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// isText reports whether a term is about the texts of names, which are found through n-grams and the order
// of names, or read.
func (q *question) isText(t query.Term) bool {
	switch t.Field {
	case query.FieldName, query.FieldHostname, query.FieldFQDN, query.FieldAny, query.FieldSerial:
		return true
	}
	return false
}

// textTest decides a term about texts for a single host.
func (q *question) textTest(t query.Term) func(ord uint32) bool {
	p := t.Pattern
	switch t.Field {
	case query.FieldSerial:
		return func(ord uint32) bool { return p.Match(string(q.serial.at(ord))) }
	case query.FieldHostname:
		return func(ord uint32) bool { return p.Match(string(q.names.at(ord))) }
	case query.FieldFQDN:
		var buf []byte
		return func(ord uint32) bool {
			buf = q.fqdn(buf[:0], ord)
			return p.Match(string(buf))
		}
	case query.FieldAny:
		extra := roaring.New()
		if byAddress(p) {
			extra = q.addressWord(p.Text)
		}
		extra.Or(q.withID(p.Text))
		name := q.nameTest(p)
		return func(ord uint32) bool { return name(ord) || extra.Contains(ord) }
	}
	return q.nameTest(p)
}

// nameTest decides whether the host name or the FQDN matches.
func (q *question) nameTest(p query.Pattern) func(ord uint32) bool {
	var buf []byte
	return func(ord uint32) bool {
		if p.Match(string(q.names.at(ord))) {
			return true
		}
		buf = q.fqdn(buf[:0], ord)
		return p.Match(string(buf))
	}
}

// fqdn appends the folded FQDN of an ordinal; nothing where it has none.
func (x *Index) fqdn(buf []byte, ord uint32) []byte {
	word := x.domain.word(ord)
	if whole, odd := strings.CutPrefix(word, "="); odd {
		return append(buf, whole...)
	}
	if word == "" {
		return buf
	}
	return append(append(buf, x.names.at(ord)...), word...)
}

// byText returns the hosts among within (nil: all) that a term about texts matches. It owns what it
// returns, and may pause: within must not be shared.
func (q *question) byText(t query.Term, within *roaring.Bitmap) *roaring.Bitmap {
	if within != nil && within.GetCardinality() <= q.tuning.fewToRead || t.Field == query.FieldSerial || t.Pattern.Match("") || t.Pattern.Shape == query.ShapeAny {
		if within == nil {
			within = q.alive.Clone()
		}
		return q.filter(within, q.textTest(t), readCost)
	}
	p := t.Pattern
	if t.Field == query.FieldHostname {
		return q.hostnamed(p, within)
	}
	out := q.named(p, within)
	if t.Field == query.FieldFQDN {
		return q.filter(out, q.textTest(t), readCost)
	}
	if t.Field == query.FieldAny {
		if byAddress(p) {
			out.Or(q.addressWord(p.Text))
		}
		out.Or(q.withID(p.Text))
		if within != nil {
			out.And(within)
		}
	}
	return out
}

// readCost is what reading one name costs, in steps.
const readCost = 30

// named returns the hosts among within whose host name or FQDN matches.
func (q *question) named(p query.Pattern, within *roaring.Bitmap) *roaring.Bitmap {
	var out *roaring.Bitmap
	switch p.Shape {
	case query.ShapeExact, query.ShapePrefix:
		out = q.namesLike(p)
		q.atDots(p.Text, func(name, rest string) {
			if p.Shape == query.ShapeExact {
				q.withDomain(out, q.namesLike(query.Pattern{Shape: query.ShapeExact, Text: name}), query.Pattern{Shape: query.ShapeExact, Text: rest})
				return
			}
			q.withDomain(out, q.namesLike(query.Pattern{Shape: query.ShapeExact, Text: name}), query.Pattern{Shape: query.ShapePrefix, Text: rest})
		})
	case query.ShapeContains, query.ShapeSuffix:
		out = q.grammed(p, within)
		for n := range q.wordsLike(q.domain, p) {
			// The whole of what is looked for stands in the domain.
			out.Or(q.domain.posts[n].set().bits)
		}
		q.across(p, out)
	case query.ShapeGlob:
		piece := longestPiece(p.Text)
		if piece == "" {
			return q.filter(q.some(within), q.nameTest(p), readCost)
		}
		out = q.named(query.Pattern{Shape: query.ShapeContains, Text: piece}, within)
		return q.filter(out, q.nameTest(p), readCost)
	default:
		return q.filter(q.some(within), q.nameTest(p), readCost)
	}
	q.odd(p, out)
	if within != nil {
		out.And(within)
	}
	return out
}

// hostnamed returns the hosts among within whose host name matches, whatever their FQDN.
func (q *question) hostnamed(p query.Pattern, within *roaring.Bitmap) *roaring.Bitmap {
	var out *roaring.Bitmap
	switch p.Shape {
	case query.ShapeContains, query.ShapeSuffix:
		return q.grammed(p, within)
	case query.ShapeExact, query.ShapePrefix:
		out = q.namesLike(p)
		if within != nil {
			out.And(within)
		}
		return out
	case query.ShapeGlob:
		if piece := longestPiece(p.Text); piece != "" {
			out = q.grammed(query.Pattern{Shape: query.ShapeContains, Text: piece}, within)
			break
		}
		fallthrough
	default:
		out = q.some(within)
	}
	return q.filter(out, func(ord uint32) bool { return p.Match(string(q.names.at(ord))) }, readCost)
}

// some returns within, or a copy of all hosts.
func (q *question) some(within *roaring.Bitmap) *roaring.Bitmap {
	if within != nil {
		return within.Clone()
	}
	return q.alive.Clone()
}

// stretch returns where the host names that are, or begin with, the pattern's text stand in the order of
// names.
func (x *Index) stretch(p query.Pattern) (from, to orderPlace) {
	if p.Shape == query.ShapeExact {
		return x.byName.atOrAfter([]byte(p.Text), model.HostID{}), x.byName.after([]byte(p.Text), lastID)
	}
	return x.byName.prefix([]byte(p.Text))
}

// lastID is the id that no other comes behind.
var lastID = model.HostID{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

// namesLike returns the hosts whose host name is, or begins with, the pattern's text.
func (q *question) namesLike(p query.Pattern) *roaring.Bitmap {
	g := newGather(q.n)
	var buf [512]uint32
	from, to := q.stretch(p)
	c := q.byName.walk(from, to, false)
	for n := c.next(buf[:]); n > 0; n = c.next(buf[:]) {
		g.add(buf[:n])
		q.spend(2 * n)
	}
	return g.bits()
}

// atDots calls fn with the two sides of a text at each of its dots; the dot is on the right side.
func (q *question) atDots(text string, fn func(name, rest string)) {
	for i := 1; i < len(text); i++ {
		if text[i] == '.' {
			fn(text[:i], text[i:])
		}
	}
}

// withDomain adds to out those of hosts whose domain matches.
func (q *question) withDomain(out, hosts *roaring.Bitmap, p query.Pattern) {
	if hosts.IsEmpty() {
		return
	}
	for n := range q.wordsLike(q.domain, p) {
		if q.domain.words[n][0] != '=' {
			out.Or(roaring.And(hosts, q.domain.posts[n].set().bits))
		}
	}
}

// across adds the hosts in whose FQDN a part stands across the end of the host name.
func (q *question) across(p query.Pattern, out *roaring.Bitmap) {
	q.atDots(p.Text, func(tail, rest string) {
		domain := query.Pattern{Shape: query.ShapePrefix, Text: rest}
		if p.Shape == query.ShapeSuffix {
			domain.Shape = query.ShapeExact
		}
		for n := range q.wordsLike(q.domain, domain) {
			if q.domain.words[n][0] == '=' {
				continue
			}
			out.Or(q.grammed(query.Pattern{Shape: query.ShapeSuffix, Text: tail}, q.domain.posts[n].set().bits))
		}
	})
}

// odd adds the hosts whose FQDN does not begin with their host name, and matches.
func (q *question) odd(p query.Pattern, out *roaring.Bitmap) {
	for _, n := range q.wordsWhere(q.domain, 10, func(n uint32) bool {
		whole, ok := strings.CutPrefix(q.domain.words[n], "=")
		return ok && p.Match(whole)
	}) {
		out.Or(q.domain.posts[n].set().bits)
	}
}

// wordsLike yields the numbers of the values that a pattern matches.
func (q *question) wordsLike(d *dict, p query.Pattern) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for _, n := range q.matching(d, p) {
			if !yield(n) {
				return
			}
		}
	}
}

// grammed returns the hosts among within whose host name contains, or ends with, the pattern's text.
func (q *question) grammed(p query.Pattern, within *roaring.Bitmap) *roaring.Bitmap {
	g := newGather(q.n)
	q.grams.find([]byte(p.Text), p.Shape, within, func(ords []uint32) bool {
		g.add(ords)
		return q.spend(len(ords) * 2)
	})
	return g.bits()
}

// longestPiece returns the longest part of a glob between its stars.
func longestPiece(glob string) string {
	longest := ""
	for piece := range strings.SplitSeq(glob, "*") {
		if len(piece) > len(longest) {
			longest = piece
		}
	}
	return longest
}
