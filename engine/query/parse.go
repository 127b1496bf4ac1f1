package query

import (
	"strings"
	"unicode/utf8"
)

// Parse reads the text of a search; blanks alone are All. An error is a *SyntaxError. The expression is in
// one form: no And within an And, no Or within an Or, no Not of a Not, and no lists or ranges, which become
// Or and And. Format writes it back.
//
// The grammar, where what stands in brackets may be left out:
//
//	search = or
//	or     = and { ("or" | "||" | "|") and }
//	and    = unary { ["and" | "&&"] unary }
//	unary  = [ "not" | "-" | "!" ] ( "(" or ")" | term )
//	term   = field ":" [comparison] values | field comparison values | field ":" "(" or ")" | word
//	values = value { "," value }
//
// Within field:( ) each word is a value of that field. A word that is followed by a colon or a comparison
// is a field, and one that nobody knows is an error: it is never looked for as text.
func Parse(text string) (Expr, error) {
	p := &parser{scanner: scanner{text: text}}
	x, err := p.search()
	if err != nil {
		return nil, err
	}
	return x, nil
}

type parser struct {
	scanner
	terms  int
	depth  int
	system *value // of the term just read, if it is a system without a version
}

func (p *parser) search() (Expr, *SyntaxError) {
	if err := p.readable(); err != nil {
		return nil, err
	}
	if p.blanks(); p.pos == len(p.text) {
		return All{}, nil
	}
	x, err := p.or(nil)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.text) {
		return nil, p.fail(p.pos, p.pos+1, nil, "this parenthesis was never opened")
	}
	if depth(x) > MaxDepth {
		return nil, p.fail(0, len(p.text), nil, "more than %d conditions are within each other", MaxDepth)
	}
	if len(p.text) > MaxText/8 && len(Format(x)) > MaxText {
		return nil, p.fail(0, len(p.text), nil, "written out in full the search would be longer than %d bytes", MaxText)
	}
	return x, nil
}

// readable refuses a text that is too long or holds what is no character.
func (p *parser) readable() *SyntaxError {
	if len(p.text) > MaxText {
		n := MaxText
		for n > 0 && !utf8.RuneStart(p.text[n]) {
			n--
		}
		err := p.fail(n, n, nil, "a search may have %d bytes, and this one has %d", MaxText, len(p.text))
		if err.Text = strings.ToValidUTF8(p.text[:n], "?"); len(err.Text) < n {
			err.Pos, err.End = len(err.Text), len(err.Text)
		}
		return err
	}
	for i, c := range p.text {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(p.text[i:]); n == 1 {
				return p.fail(i, i+1, nil, "this is not UTF-8")
			}
		}
		if c < ' ' && !blank(c) || c == 0x7f {
			return p.fail(i, i+1, nil, "a control character cannot be searched for")
		}
	}
	return nil
}

// head is the field that values belong to.
type head struct {
	info     *Info
	part     string
	pos, end int // of the field as it was written
}

// or reads up to the end of the text or a closing parenthesis; in a group g is the field before it.
func (p *parser) or(g *head) (Expr, *SyntaxError) {
	var out Or
	for {
		x, err := p.and(g)
		if err != nil {
			return nil, err
		}
		out = joinOr(out, x)
		k, n := p.keyword()
		if k != kwOr {
			break
		}
		at := p.pos
		p.pos += n
		p.blanks()
		if err := p.operand(at, n); err != nil {
			return nil, err
		}
	}
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}

// operand makes sure that a term can begin here; at is the operator before it, of n bytes.
func (p *parser) operand(at, n int) *SyntaxError {
	k, m := p.keyword()
	switch {
	case p.pos >= len(p.text) || p.at(")"):
		return p.fail(at, at+n, nil, "nothing follows this %q; quote it to search for the word", p.text[at:at+n])
	case k == kwAnd || k == kwOr:
		return p.fail(p.pos, p.pos+m, nil, "%q follows %q, with nothing between them", p.text[p.pos:p.pos+m], p.text[at:at+n])
	}
	return nil
}

func (p *parser) and(g *head) (Expr, *SyntaxError) {
	var out And
	p.system = nil
	for {
		p.blanks()
		if p.pos >= len(p.text) || p.at(")") {
			break
		}
		k, n := p.keyword()
		if k == kwOr && len(out) > 0 {
			break
		}
		if (k == kwAnd || k == kwOr) && len(out) == 0 {
			return nil, p.fail(p.pos, p.pos+n, nil, "nothing stands before this %q; quote it to search for the word", p.text[p.pos:p.pos+n])
		}
		if k == kwAnd {
			at := p.pos
			p.pos += n
			p.blanks()
			if err := p.operand(at, n); err != nil {
				return nil, err
			}
			p.system = nil
		} else if g != nil && len(out) > 0 {
			return nil, p.fail(p.pos, p.pos, nil, "between the values of %s say or, or and", g.info.Name)
		}
		x, err := p.unary(g)
		if err != nil {
			return nil, err
		}
		out = joinAnd(out, x)
	}
	if len(out) == 0 {
		return nil, p.fail(p.pos, min(p.pos+1, len(p.text)), nil, "there is nothing between these parentheses")
	}
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}

func (p *parser) unary(g *head) (Expr, *SyntaxError) {
	if p.depth++; p.depth > MaxDepth+1 { // the term in the innermost counts as well
		return nil, p.fail(p.pos, min(p.pos+1, len(p.text)), nil, "more than %d parentheses and negations are within each other", MaxDepth)
	}
	defer func() { p.depth-- }()
	at := p.pos
	if k, n := p.keyword(); k == kwNot {
		p.pos += n
		p.blanks()
		return p.negated(g, at, n)
	}
	for _, minus := range [...]string{"-", "–", "−"} {
		if p.at(minus) {
			p.pos += len(minus)
			if p.boundary(p.pos) && !p.at("(") {
				return nil, p.fail(at, p.pos, nil, "%s must touch what it excludes, as in -tag:lab", minus)
			}
			return p.negated(g, at, len(minus))
		}
	}
	if p.at("+") && !p.boundary(p.pos+1) { // "must have", which every term must already
		p.pos++
	}
	if p.at("(") {
		p.system = nil
		open := p.pos
		p.pos++
		x, err := p.or(g)
		if err != nil {
			return nil, err
		}
		if !p.at(")") {
			return nil, p.fail(open, open+1, nil, "this parenthesis is never closed")
		}
		p.pos++
		p.system = nil
		return x, nil
	}
	if g != nil {
		return p.values(g, p.pos, comparator{}, true)
	}
	return p.term()
}

func (p *parser) negated(g *head, at, n int) (Expr, *SyntaxError) {
	if err := p.operand(at, n); err != nil {
		return nil, err
	}
	x, err := p.unary(g)
	p.system = nil
	if err != nil {
		return nil, err
	}
	return not(x), nil
}

// count makes room for one more term.
func (p *parser) count(t Term) (Expr, *SyntaxError) {
	if p.terms++; p.terms > MaxTerms {
		return nil, p.fail(t.Pos, t.End, nil, "a search may have %d conditions, and here is one more", MaxTerms)
	}
	return t, nil
}

// joinAnd appends x to an And, taking one within it apart.
func joinAnd(a And, x Expr) And {
	if b, ok := x.(And); ok {
		return append(a, b...)
	}
	return append(a, x)
}

// joinOr appends x to an Or, taking one within it apart.
func joinOr(a Or, x Expr) Or {
	if b, ok := x.(Or); ok {
		return append(a, b...)
	}
	return append(a, x)
}

// not negates x; of two negations nothing is left.
func not(x Expr) Expr {
	if n, ok := x.(Not); ok {
		return n.X
	}
	return Not{x}
}

// all and any join what one value became.
func all(xs ...Expr) Expr {
	var out And
	for _, x := range xs {
		out = joinAnd(out, x)
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func either(xs ...Expr) Expr {
	var out Or
	for _, x := range xs {
		out = joinOr(out, x)
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

// depth returns how many And, Or and Not are within each other.
func depth(x Expr) int {
	var parts []Expr
	switch x := x.(type) {
	case And:
		parts = x
	case Or:
		parts = x
	case Not:
		parts = []Expr{x.X}
	default:
		return 0
	}
	d := 0
	for _, y := range parts {
		d = max(d, depth(y))
	}
	return d + 1
}
