package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
)

// Bounds of a search.
const (
	MaxText  = 4096 // bytes of text, as it was written and as Format writes it
	MaxTerms = 256  // terms, once lists and ranges are taken apart
	MaxDepth = 32   // parentheses and negations within each other
)

// scanner walks over the text of a search. Its methods move pos only over what they accept.
type scanner struct {
	text string
	pos  int
}

func (s *scanner) fail(pos, end int, suggest []string, format string, args ...any) *SyntaxError {
	for i, a := range args {
		if text, ok := a.(string); ok { // the end of the message matters more than that of what it quotes
			args[i] = fault.Clip(text, maxQuoted)
		}
	}
	msg := fault.Printable(fault.Clip(fmt.Sprintf(format, args...), maxMessage))
	return &SyntaxError{Text: s.text, Pos: pos, End: end, Msg: msg, Suggestions: suggest}
}

// blank reports whether c stands between words; pasted text is full of blanks that have no width.
func blank(c rune) bool { return unicode.IsSpace(c) || c == 0x200b || c == 0xfeff }

func (s *scanner) rune() (rune, int) {
	if s.pos >= len(s.text) {
		return 0, 0
	}
	return utf8.DecodeRuneInString(s.text[s.pos:])
}

// blanks skips blanks, and reports whether there were any.
func (s *scanner) blanks() bool {
	from := s.pos
	for {
		c, n := s.rune()
		if n == 0 || !blank(c) {
			return s.pos > from
		}
		s.pos += n
	}
}

func (s *scanner) at(prefix string) bool { return strings.HasPrefix(s.text[s.pos:], prefix) }

// boundary reports whether a word ends at byte i.
func (s *scanner) boundary(i int) bool {
	if i >= len(s.text) || s.text[i] == '(' || s.text[i] == ')' {
		return true
	}
	c, _ := utf8.DecodeRuneInString(s.text[i:])
	return blank(c)
}

// keyword is an operator between or before terms.
type keyword uint8

const (
	noKeyword keyword = iota
	kwAnd
	kwOr
	kwNot
)

// keyword returns the operator at pos and its length, without moving.
func (s *scanner) keyword() (keyword, int) {
	rest := s.text[s.pos:]
	switch {
	case strings.HasPrefix(rest, "&&"):
		return kwAnd, 2
	case strings.HasPrefix(rest, "||"):
		return kwOr, 2
	case strings.HasPrefix(rest, "&") && s.boundary(s.pos+1):
		return kwAnd, 1
	case strings.HasPrefix(rest, "|"):
		return kwOr, 1
	case strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "!="):
		return kwNot, 1
	}
	for _, k := range [...]struct {
		word string
		k    keyword
	}{{"and", kwAnd}, {"or", kwOr}, {"not", kwNot}} {
		if n := len(k.word); len(rest) >= n && strings.EqualFold(rest[:n], k.word) && s.boundary(s.pos+n) {
			return k.k, n
		}
	}
	return noKeyword, 0
}

// comparator is what stands between a field and its value, or in front of a value.
type comparator struct {
	op  Op
	not bool // !=
}

// comparators are their spellings; each one comes before those that it begins with.
var comparators = [...]struct {
	text string
	c    comparator
}{
	{">=", comparator{op: OpGreaterEqual}},
	{"=>", comparator{op: OpGreaterEqual}},
	{"≥", comparator{op: OpGreaterEqual}},
	{"<=", comparator{op: OpLessEqual}},
	{"=<", comparator{op: OpLessEqual}},
	{"≤", comparator{op: OpLessEqual}},
	{"<>", comparator{op: OpIs, not: true}},
	{"!=", comparator{op: OpIs, not: true}},
	{"≠", comparator{op: OpIs, not: true}},
	{"==", comparator{op: OpIs}},
	{"=", comparator{op: OpIs}},
	{">", comparator{op: OpGreater}},
	{"<", comparator{op: OpLess}},
}

// comparatorAt returns the comparison at the start of text and its length, 0 for none.
func comparatorAt(text string) (comparator, int) {
	for i := range comparators {
		if strings.HasPrefix(text, comparators[i].text) {
			return comparators[i].c, len(comparators[i].text)
		}
	}
	return comparator{}, 0
}

// value is one value as it was written. Quotes and backslashes are gone from text; syn is as long, and has
// a byte 1 in the place of each byte that was quoted: what looks for a star, a colon or a range looks in
// syn.
type value struct {
	pos, end  int
	text, syn string
	whole     bool // all of it was quoted
}

// cut returns the parts of v before byte i and from byte j.
func (v value) cut(i, j int) (value, value) {
	a, b := v, v
	a.text, a.syn = v.text[:i], v.syn[:i]
	b.text, b.syn = v.text[j:], v.syn[j:]
	if len(v.text) == v.end-v.pos { // nothing was quoted, so the places are known
		a.end, b.pos = v.pos+i, v.pos+j
	}
	a.whole = a.text != "" && strings.Trim(a.syn, "\x01") == ""
	b.whole = b.text != "" && strings.Trim(b.syn, "\x01") == ""
	return a, b
}

// literal reports whether nothing of v was quoted.
func (v value) literal() bool { return !strings.Contains(v.syn, "\x01") }

// quotes are the signs that begin a quoted piece, and those that end it.
var quotes = [...]struct{ open, close string }{{`"`, `"`}, {"“", "”"}, {"„", "“"}, {"'", "'"}}

// quoteAt returns the closing sign of the quotation that begins at pos. An apostrophe within a word is none.
func (s *scanner) quoteAt(first bool) (n int, closing string) {
	for _, q := range quotes {
		if s.at(q.open) && (first || q.open != "'") {
			return len(q.open), q.close
		}
	}
	return 0, ""
}

// ends reports whether a value ends at pos.
func (s *scanner) ends() bool {
	return s.boundary(s.pos) || s.at(",") || s.at("|") || s.at("&&")
}

// value reads one value: quoted and plain pieces up to a blank, a parenthesis, a comma or a bar.
func (s *scanner) value() (value, *SyntaxError) {
	v := value{pos: s.pos, whole: true}
	var text, syn []byte
	add := func(piece string, quoted bool) {
		text = append(text, piece...)
		for i := 0; i < len(piece); i++ {
			if quoted {
				syn = append(syn, 1)
			} else {
				syn = append(syn, piece[i])
			}
		}
	}
	for !s.ends() {
		if n, closing := s.quoteAt(s.pos == v.pos); n > 0 {
			from := s.pos
			s.pos += n
			for !s.at(closing) {
				if s.pos >= len(s.text) {
					return v, s.fail(from, len(s.text), nil, "the quote is not closed")
				}
				if s.at("*") {
					return v, s.quotedStar(from, from+n, closing)
				}
				if s.text[s.pos] == '\\' && s.pos+1 < len(s.text) && strings.IndexByte(`"'*\`, s.text[s.pos+1]) >= 0 {
					s.pos++
				}
				_, n := s.rune()
				add(s.text[s.pos:s.pos+n], true)
				s.pos += n
			}
			s.pos += len(closing)
			continue
		}
		v.whole = false
		c, n := s.rune()
		if c == '\\' && s.pos+1 < len(s.text) && s.text[s.pos+1] < utf8.RuneSelf && !letter(s.text[s.pos+1]) && !digit(s.text[s.pos+1]) && s.text[s.pos+1] != '_' {
			add(s.text[s.pos+1:s.pos+2], true)
			s.pos += 2
			continue
		}
		add(s.text[s.pos:s.pos+n], false)
		s.pos += n
	}
	if s.at("(") {
		return v, s.fail(s.pos, s.pos+1, nil, "a parenthesis within a value must be quoted")
	}
	v.end, v.text, v.syn = s.pos, string(text), string(syn)
	return v, nil
}

// quotedStar is the error of a star in quotes, where some languages have it stand for text and some for
// itself. The quotation begins at byte from, what is in it at byte inner.
func (s *scanner) quotedStar(from, inner int, closing string) *SyntaxError {
	n := strings.Index(s.text[inner:], closing)
	if n < 0 {
		return s.fail(from, len(s.text), nil, "the quote is not closed")
	}
	text := s.text[inner : inner+n]
	suggest := []string{quoted(text)}
	if middle := strings.Trim(text, "*"); middle != "" && !strings.ContainsAny(middle, `*\`) {
		head, tail, _ := strings.Cut(text, middle)
		suggest = []string{head + quote(middle, head == "") + tail, suggest[0]}
	}
	return s.fail(from, inner+n+len(closing), suggest, "a star in quotes is ambiguous: outside of them it stands for any text, and \\* is a star")
}

// Quote returns value as it must be written after a field and a colon to stand for itself: as it is where
// that is plain, else in double quotes, with a backslash before ", \ and *.
func Quote(value string) string { return quote(value, true) }

// quote is Quote for a piece of a value; first says that it stands at the beginning.
func quote(s string, first bool) string {
	if plain(s, first) {
		return s
	}
	return quoted(s)
}

// quoted writes s in quotes.
func quoted(s string) string {
	b := []byte{'"'}
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`"\*`, s[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(append(b, '"'))
}

// plain reports whether s means itself without quotes, in every field that has text for a value.
func plain(s string, first bool) bool {
	if s == "" || strings.Contains(s, "..") || first && strings.IndexByte("-+/@.", s[0]) >= 0 {
		return false
	}
	for _, c := range s {
		switch {
		case c < utf8.RuneSelf && (letter(byte(c)) || digit(byte(c)) || strings.IndexByte("-_./@+%", byte(c)) >= 0):
		case c >= utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c)):
		default:
			return false
		}
	}
	return true
}
