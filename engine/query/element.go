package query

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// element is one value of one field, on its way to become a term.
type element struct {
	p     *parser
	h     *head
	v     value
	op    Op
	given bool // the comparison was written; without one a colon stood there
	from  int  // where the term begins
}

func (e *element) fail(suggest []string, format string, args ...any) (Expr, *SyntaxError) {
	return nil, e.p.fail(e.v.pos, e.v.end, suggest, format, args...)
}

// unless returns suggestions that are comparisons of their own: none where one was written already.
func (e *element) unless(suggest ...string) []string {
	if e.given {
		return nil
	}
	return suggest
}

// with makes the term, filled in by set.
func (e *element) with(set func(*Term)) (Expr, *SyntaxError) {
	t := Term{Field: e.h.info.Field, Part: e.h.part, Op: e.op, Pos: e.from, End: e.v.end}
	set(&t)
	return e.p.count(t)
}

// op makes a term with another operator.
func (e *element) ops(op Op, set func(*Term)) (Expr, *SyntaxError) {
	f := *e
	f.op = op
	return f.with(set)
}

// unknown makes the term of the hosts without a value; known is its opposite.
func (e *element) unknown() (Expr, *SyntaxError) {
	if e.op != OpIs {
		return e.fail(nil, "%q has no order: %s:%s", e.v.text, e.h.info.Name, e.v.text)
	}
	return e.with(func(t *Term) { t.Unknown = true })
}

func (e *element) known() (Expr, *SyntaxError) {
	x, err := e.unknown()
	if err != nil {
		return nil, err
	}
	return not(x), nil
}

func (e *element) expr() (Expr, *SyntaxError) {
	i := e.h.info
	if e.op != OpIs {
		switch {
		case i.Kind == KindOS:
			return e.fail(nil, "a comparison of versions needs its system: os:debian>=12")
		case i.Kind == KindText, i.Kind == KindWord && i.Field != FieldSeverity, i.Kind == KindBool, i.Kind == KindMAC, i.Kind == KindID, i.Kind == KindStatus:
			return e.fail(nil, "%s has no order: write %s:%s", i.Name, i.Name, quote(e.v.text, true))
		case i.Kind == KindAddress:
			return e.fail(nil, "addresses have ranges instead: ip:10.0.0.1-10.0.0.9")
		}
	}
	switch i.Kind {
	case KindText, KindWord:
		return e.word()
	case KindVersion:
		return e.version()
	case KindOS:
		return e.os()
	case KindNumber:
		if i.Field == FieldCVE {
			return e.cve()
		}
		return e.number()
	case KindBool:
		return e.flag()
	case KindAge, KindUntil:
		return e.time()
	case KindAddress:
		return e.address()
	case KindMAC:
		return e.mac()
	case KindID:
		if id, err := model.ParseHostID(Fold(e.v.text)); err == nil {
			return e.with(func(t *Term) { t.MAC = id.String() })
		}
		return e.fail(nil, "an id has 36 characters, as in %s", i.Example[3:])
	}
	return e.status()
}

// sign2 writes an operator.
func sign2(op Op) string {
	switch op {
	case OpLess:
		return "<"
	case OpLessEqual:
		return "<="
	case OpGreater:
		return ">"
	case OpGreaterEqual:
		return ">="
	}
	return ""
}

// pattern makes the pattern of a value with stars.
func (p *parser) pattern(v value) (Pattern, *SyntaxError) {
	if i := strings.IndexByte(v.syn, '?'); i >= 0 {
		return Pattern{}, p.fail(v.pos, v.end, []string{strings.ReplaceAll(v.text, "?", "*")}, "? stands for nothing but itself and must be quoted; * stands for any text")
	}
	// A star that stands for text is kept as it is, a quoted one becomes a byte that no text holds.
	b := []byte(v.text)
	quoted := false
	for i := range b {
		if b[i] == '*' && v.syn[i] == 1 {
			b[i], quoted = 0, true
		}
	}
	s := Fold(string(b))
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	if len(s) > MaxPattern {
		return Pattern{}, p.fail(v.pos, v.end, nil, "a text to look for may have %d bytes, and this one has %d", MaxPattern, len(s))
	}
	stars := strings.Count(s, "*")
	if stars > MaxStars {
		return Pattern{}, p.fail(v.pos, v.end, nil, "a text may have %d stars, and this one has %d", MaxStars, stars)
	}
	head, tail := strings.HasPrefix(s, "*"), strings.HasSuffix(s, "*")
	shape, inner := ShapeExact, s
	switch {
	case s == "*":
		return Pattern{Shape: ShapeAny}, nil
	case stars == 2 && head && tail:
		shape, inner = ShapeContains, s[1:len(s)-1]
	case stars == 1 && head:
		shape, inner = ShapeSuffix, s[1:]
	case stars == 1 && tail:
		shape, inner = ShapePrefix, s[:len(s)-1]
	case stars > 0:
		shape = ShapeGlob
		if quoted {
			return Pattern{}, p.fail(v.pos, v.end, nil, `\* cannot stand beside stars within the text`)
		}
	}
	return Pattern{shape, strings.ReplaceAll(inner, "\x00", "*")}, nil
}

// alike are words for one architecture; uname says the second.
var alike = [...][2]string{{"amd64", "x86_64"}, {"x64", "x86_64"}, {"arm64", "aarch64"}}

// word is a value of KindText or KindWord.
func (e *element) word() (Expr, *SyntaxError) {
	i, v := e.h.info, e.v
	if i.Field == FieldSeverity {
		return e.severity()
	}
	if v.text != "" && v.syn[0] == '-' {
		return e.fail([]string{quote(v.text, true)}, "to exclude put the - before the field, as in -%s:%s; quote it if it is part of the value", i.Name, quote(v.text[1:], true))
	}
	if n := len(v.syn); i.Kind == KindText && n > 2 && v.syn[0] == '/' && v.syn[n-1] == '/' {
		return e.fail([]string{"*" + v.text[1:n-1] + "*"}, "regular expressions are not understood; * stands for any text")
	}
	if at := strings.IndexByte(v.syn, ':'); at >= 0 {
		_, field := FieldNamed(v.text[:at])
		suggest := []string{quoted(v.text)}
		if strings.Contains(v.syn, "*") {
			suggest = nil
		}
		switch {
		case field && i.Field != FieldTag && i.Field != FieldOwner:
			return e.fail(suggest, "a field within a value: put a blank before it, or quote the value if the colon is part of it")
		case i.Field == FieldName || i.Field == FieldHostname || i.Field == FieldFQDN:
			return e.fail(suggest, "a name has no colon; quote it if this one has")
		}
	}
	if i.Field == FieldArch && v.literal() {
		for _, a := range alike {
			if Fold(v.text) == a[0] {
				x, err := e.with(func(t *Term) { t.Pattern = exact(a[0]) })
				if err != nil {
					return nil, err
				}
				y, err := e.with(func(t *Term) { t.Pattern = exact(a[1]) })
				if err != nil {
					return nil, err
				}
				return either(x, y), nil
			}
		}
	}
	if v.text == "" { // owner:"" has no owner
		x, err := e.with(func(t *Term) { t.Pattern.Shape = ShapeAny })
		if err != nil {
			return nil, err
		}
		return not(x), nil
	}
	pattern, err := e.p.pattern(v)
	if err != nil {
		return nil, err
	}
	return e.with(func(t *Term) { t.Pattern = pattern })
}

// span takes a range apart at the sign between its ends.
func (v value) span(sign string) (lo, hi value, ok bool) {
	i := strings.Index(v.syn, sign)
	if i < 0 {
		return v, v, false
	}
	lo, hi = v.cut(i, i+len(sign))
	return lo, hi, true
}

// between makes the terms of a range whose ends read understands; an end may be missing, or a star. A range
// that ends before it begins, which falling reports, is refused: it may be a slip of either end.
func (e *element) between(lo, hi value, read func(value) (func(*Term), *SyntaxError), falling func(a, b Term) bool) (Expr, *SyntaxError) {
	if e.given {
		return e.fail(nil, "a range follows a colon: %s:%s", e.h.info.Name, e.v.text)
	}
	var out []Expr
	var ends []Term
	for i, v := range [...]value{lo, hi} {
		if v.syn == "" || v.syn == "*" {
			continue
		}
		set, err := read(v)
		if err != nil {
			return nil, err
		}
		x, err := e.ops([...]Op{OpGreaterEqual, OpLessEqual}[i], set)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		if t, ok := x.(Term); ok {
			ends = append(ends, t)
		}
	}
	if len(ends) == 2 && falling(ends[0], ends[1]) {
		return e.reversed(lo, hi)
	}
	if len(out) == 0 {
		return e.fail(nil, "a range has at least one end")
	}
	return all(out...), nil
}

// reversed is the error of a range that ends before it begins. It suggests the other way round.
func (e *element) reversed(lo, hi value) (Expr, *SyntaxError) {
	return nil, e.p.fail(lo.pos, hi.end, []string{hi.text + ".." + lo.text}, "the range ends before it begins")
}

// status is one of the four words.
func (e *element) status() (Expr, *SyntaxError) {
	word := Fold(e.v.text)
	if s := model.HostStatus(word); slices.Contains(statuses[:], s) {
		return e.with(func(t *Term) { t.Status = s })
	}
	if word == "*" {
		return All{}, nil
	}
	suggest := nearest(word, statusWords())
	switch word {
	case "offline", "dead", "unreachable", "gone", "lost", "missing":
		suggest = []string{"down", "late"}
	case "online", "ok", "alive", "healthy", "running", "active", "good", "green":
		suggest = []string{"up"}
	case "degraded", "stale", "overdue", "warning", "warn":
		suggest = []string{"late"}
	}
	return e.fail(suggest, "a status is %s, not %q", list(statusWords()), e.v.text)
}

// severity is a word, or a comparison of words that stand for something found.
func (e *element) severity() (Expr, *SyntaxError) {
	rated := severities[1:] // unmatched and unknown have no place in an order
	read := func(v value) (string, bool) {
		word := Fold(v.text)
		if part, ok := partNamed(word); ok {
			return part, true
		}
		return word, slices.Contains(severities[:], word)
	}
	bad := func(v value) (Expr, *SyntaxError) {
		f := words(e.h.info)
		return nil, e.p.fail(v.pos, v.end, nearest(v.text, f), "a severity is %s, not %q", list(f), v.text)
	}
	if e.v.syn == "*" {
		return All{}, nil
	}
	from, to := 0, len(rated)-1
	lo, hi, ranged := e.v.span("..")
	if !ranged {
		word, ok := read(e.v)
		if !ok {
			return bad(e.v)
		}
		if e.op == OpIs {
			return e.with(func(t *Term) { t.Pattern = exact(word) })
		}
		lo, hi = e.v, value{}
		if e.op == OpLess || e.op == OpLessEqual {
			lo, hi = hi, lo
		}
	}
	for i, v := range [...]value{lo, hi} {
		if v.syn == "" || v.syn == "*" {
			continue
		}
		word, ok := read(v)
		at := slices.Index(rated, word)
		if !ok {
			return bad(v)
		}
		if at < 0 || word == "unknown" {
			return e.fail(nil, "%s is neither more nor less than another severity", word)
		}
		if i == 0 {
			from = at
		} else {
			to = at
		}
	}
	if ranged && from > to {
		return e.reversed(lo, hi)
	}
	switch e.op {
	case OpLess:
		to--
	case OpGreater:
		from++
	}
	var out []Expr
	for i := to; i >= from; i-- {
		if rated[i] == "unknown" {
			continue
		}
		x, err := e.ops(OpIs, func(t *Term) { t.Pattern = exact(rated[i]) })
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	if len(out) == 0 {
		return e.fail(nil, "no severity is %s %s", sign2(e.op), e.v.text)
	}
	return either(out...), nil
}
