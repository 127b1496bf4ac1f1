package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
)

// How many bytes are kept of a message, and of each text from outside that it quotes.
const (
	maxMessage = 320
	maxQuoted  = 64
)

// SyntaxError says what is wrong with the text of a search, and where. Its kind is fault.Invalid.
type SyntaxError struct {
	Text string // what was read; a text above MaxText is cut there
	// Pos and End are the bytes [Pos, End) of Text that it is about. Pos is len(Text) where something is
	// missing at the end.
	Pos, End int
	Msg      string // one line
	// Suggestions, the likeliest first and at most three, are what could stand in the place of the bytes
	// [Pos, End).
	Suggestions []string
}

// Error returns one line: what, at which column (counted in characters, from 1), and what could be meant.
func (e *SyntaxError) Error() string {
	var s strings.Builder
	s.WriteString(e.Msg + " (column " + strconv.Itoa(utf8.RuneCountInString(e.Text[:e.Pos])+1) + ")")
	for i, x := range e.Suggestions {
		switch {
		case i == 0:
			s.WriteString("; did you mean ")
		case i == len(e.Suggestions)-1:
			s.WriteString(" or ")
		default:
			s.WriteString(", ")
		}
		s.WriteString(fault.Printable(fault.Clip(x, maxMessage/4)))
	}
	if len(e.Suggestions) > 0 {
		s.WriteString("?")
	}
	return s.String()
}

// Unwrap gives the error its kind for fault.KindOf.
func (e *SyntaxError) Unwrap() error {
	return &fault.Error{Kind: fault.Invalid, Err: fmt.Errorf("%s", e.Msg)}
}

// caretWidth is how many characters of a long text Caret shows.
const caretWidth = 76

// Caret returns two lines for a terminal: the text, and ^~~~ below what the error is about. Of a long text
// only the part around it is shown.
func (e *SyntaxError) Caret() string {
	// Blanks of every kind become a space, and what could move a terminal's cursor a question mark: one
	// character for one, so that the columns stay.
	line := []rune(fault.Printable(strings.Map(func(c rune) rune {
		if blank(c) {
			return ' '
		}
		return c
	}, e.Text)))
	pos := utf8.RuneCountInString(e.Text[:e.Pos])
	end := max(pos+utf8.RuneCountInString(e.Text[e.Pos:e.End]), pos+1)
	if len(line) > caretWidth {
		from := max(0, min(pos-caretWidth/3, len(line)-caretWidth))
		to := min(from+caretWidth, len(line))
		cut := slices.Clone(line[from:to])
		if from > 0 {
			cut[0] = '…'
		}
		if to < len(line) {
			cut[len(cut)-1] = '…'
		}
		line, pos, end = cut, pos-from, min(end-from, max(to-from, pos-from+1))
	}
	return string(line) + "\n" + strings.Repeat(" ", pos) + "^" + strings.Repeat("~", end-pos-1)
}

// Nearest returns at most three of the words that a person may have meant by word, the nearest first.
func Nearest(word string, words []string) []string {
	return nearest(strings.ReplaceAll(word, "-", "_"), words)
}

// nearest returns at most three of the words that a person may have meant by word: those that it is a
// beginning of, or that differ in a letter or two. The nearest come first, then in the order of words.
func nearest(word string, words []string) []string {
	word = Fold(word)
	if len(word) > 64 {
		return nil
	}
	allowed := max(1, len(word)/3)
	type near struct {
		word string
		d    int
	}
	var found []near
	for _, w := range words {
		d := distance(word, w)
		if len(word) >= 2 && strings.HasPrefix(w, word) {
			d = min(d, 1)
		}
		if d <= allowed && d < len(w) && !slices.ContainsFunc(found, func(n near) bool { return n.word == w }) {
			found = append(found, near{w, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.d - b.d })
	var out []string
	for _, n := range found[:min(3, len(found))] {
		out = append(out, n.word)
	}
	return out
}

// distance is how many letters must be put in, taken out, changed or exchanged with their neighbour to make
// a into b (Damerau 1964, in the restricted form).
func distance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}

// fieldNames are the names and then the aliases of all fields.
func fieldNames() (names, aliases []string) {
	for i := range table {
		names = append(names, table[i].Name)
		aliases = append(aliases, table[i].Aliases...)
	}
	return names, aliases
}

// nearestFields returns the names of the fields that a person may have meant.
func nearestFields(word string) []string {
	names, aliases := fieldNames()
	out := nearest(strings.ReplaceAll(word, "-", "_"), names)
	for _, a := range nearest(strings.ReplaceAll(word, "-", "_"), aliases) {
		f, _ := FieldNamed(a)
		if name := f.String(); !slices.Contains(out, name) && len(out) < 3 {
			out = append(out, name)
		}
	}
	return out
}
