package query

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Note is a remark about a search that reads, but may not say what was meant.
type Note struct {
	Pos, End int    // the bytes [Pos, End) of the text that it is about
	Msg      string // one line
	// Suggestions, the likeliest first and at most three, are what could stand in the place of those bytes.
	Suggestions []string
}

// Chosen returns the terms of x that ask for a value of a field whose values many hosts share, such as a site, a
// region or a tag: where nobody has such a value, it is likely to be a slip. Each is as bare as can be: of
// os:debain>=12 it is os:debain. With found, which says that some host matches x, those that this host meets are
// left out, since somebody has their value.
func Chosen(x Expr, found bool) []Term {
	var out []Term
	switch x := x.(type) {
	case And:
		for _, y := range x {
			out = append(out, Chosen(y, found)...)
		}
	case Or:
		for _, y := range x {
			out = append(out, Chosen(y, false)...)
		}
	case Not:
		return Chosen(x.X, false)
	case Term:
		if !found && x.chosen() {
			x.Op, x.Version, x.HasVersion = OpIs, "", false
			out = append(out, x)
		}
	}
	return out
}

func (t *Term) chosen() bool {
	i := t.Field.info()
	switch {
	case i == nil || !i.Counted || t.Unknown || t.Pattern.Shape == ShapeAny || t.Pattern.Shape == 0:
		return false
	case i.Kind == KindVersion && t.Op != OpIs, words(i) != nil:
		return false
	case i.Field == FieldArch && slices.ContainsFunc(alike[:], func(a [2]string) bool { return t.Pattern == exact(a[0]) || t.Pattern == exact(a[1]) }):
		return false // one of the two is always somebody else's word
	}
	return i.Kind == KindWord || i.Kind == KindVersion || i.Kind == KindOS
}

// OfSite reports whether a field is one that hosts have from their site.
func (f Field) OfSite() bool {
	return f == FieldSite || f == FieldRegion || f == FieldCountry || f == FieldCity
}

// NoteNobody is the note that nobody has the value that t asks for; t is one of Chosen, text what it was read
// from, and values those that there are, as EachValue gives them.
func NoteNobody(text string, t Term, values []string) Note {
	n := Note{End: min(t.End, len(text))}
	n.Pos = valueAt(text, min(t.Pos, n.End), n.End)
	who := "no host has"
	if t.Field.OfSite() {
		who = "no host and no site has"
	}
	n.Msg = who + " " + t.Field.String() + ":" + t.Pattern.text(t.Pattern.Shape == ShapeCounted)
	if t.Pattern.Shape != ShapeExact && t.Pattern.Shape != ShapeCounted {
		return n
	}
	whole := t.restored(text[n.Pos:n.End])
	for _, p := range likely(t.Field, t.Pattern.Text, values) {
		u := whole
		u.Pattern = p
		n.Suggestions = append(n.Suggestions, u.element())
	}
	return n
}

// valueAt returns where in [pos, end) the value of a term begins: behind its field, where that stands there.
func valueAt(text string, pos, end int) int {
	s := scanner{text[:end], pos}
	at := s.run()
	if _, ok := FieldNamed(text[pos:at]); !ok {
		return pos
	}
	s.pos = at
	s.blanks()
	_, colon, n := s.operator(s.pos)
	if n == 0 {
		return pos
	}
	s.pos += n
	s.blanks()
	if colon {
		if s.at("!") && !s.at("!=") {
			s.pos++
		} else if _, n := comparatorAt(s.text[s.pos:]); n > 0 {
			s.pos += n
			s.blanks()
		}
	}
	return s.pos
}

// restored is t with the comparison of versions that stood in value, so that a suggestion keeps it.
func (t Term) restored(value string) Term {
	if t.Field != FieldOS || t.Pattern.Shape == ShapeCounted {
		return t
	}
	x, err := Parse("os:" + value)
	if y, ok := x.(Term); err == nil && ok {
		t.Op, t.Version, t.HasVersion = y.Op, y.Version, y.HasVersion
	}
	return t
}

// likely returns patterns of values that a person may have meant by word: those that differ in a letter or two,
// those that begin with it, and those that contain it.
func likely(f Field, word string, values []string) []Pattern {
	shown := make(map[string]string, len(values))
	var folded []string
	add := func(v string) {
		if w := Fold(v); v != "" && shown[w] == "" {
			shown[w] = v
			folded = append(folded, w)
		}
	}
	for _, v := range values {
		if f == FieldOS && !strings.Contains(word, " ") {
			v, _, _ = strings.Cut(v, " ")
		}
		add(v)
	}
	slices.Sort(folded) // so that the answer does not hang on the order of values
	var out []Pattern
	begin := 0
	for _, w := range folded {
		if strings.HasPrefix(w, word) {
			begin++
		}
	}
	if begin > 1 && len(word) > 1 {
		out = append(out, Pattern{ShapePrefix, word})
	}
	shape := ShapeExact
	if f == FieldOS && strings.Contains(word, " ") {
		shape = ShapeCounted
	}
	for _, w := range nearest(word, folded) {
		out = append(out, Pattern{shape, w})
	}
	for _, w := range folded {
		p := Pattern{shape, w}
		if len(word) > 2 && strings.Contains(w, word) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out[:min(len(out), 3)]
}

// MatchPlace reports whether a term of a field for which OfSite is true fits a site.
func (t *Term) MatchPlace(s *model.Site) bool {
	switch t.Field {
	case FieldSite:
		return t.MatchSite(s.ID, *s)
	case FieldRegion:
		return t.Pattern.foldMatch(s.Region)
	case FieldCountry:
		return t.Pattern.foldMatch(s.Country)
	case FieldCity:
		return t.Pattern.foldMatch(s.City)
	}
	return false
}
