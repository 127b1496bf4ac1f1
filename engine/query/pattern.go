package query

import (
	"strings"
	"unicode/utf8"
)

// MaxPattern and MaxStars bound a Pattern: bytes of its Text once folded, with the stars, and the stars.
const (
	MaxPattern = 255
	MaxStars   = 8
)

// Fold returns s as comparisons see it: in lower case, letter by letter (unicode.ToLower). A text that is
// folded already is returned as it is, without a copy.
func Fold(s string) string { return strings.ToLower(s) }

// Match reports whether the pattern fits a text that Fold has returned. ShapeAny fits every text but the
// empty one.
func (p Pattern) Match(folded string) bool {
	switch p.Shape {
	case ShapePrefix:
		return strings.HasPrefix(folded, p.Text)
	case ShapeSuffix:
		return strings.HasSuffix(folded, p.Text)
	case ShapeContains:
		return strings.Contains(folded, p.Text)
	case ShapeGlob:
		return glob(p.Text, folded)
	case ShapeAny:
		return folded != ""
	}
	return folded == p.Text
}

// foldMatch is Match for a text that is not folded; it makes no copy of an ASCII text of a usual length.
func (p Pattern) foldMatch(s string) bool {
	upper, ascii := false, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		upper = upper || 'A' <= c && c <= 'Z'
	}
	switch {
	case ascii && !upper:
		return p.Match(s)
	case !ascii || len(s) > 128:
		return p.Match(Fold(s))
	}
	var buf [128]byte
	for i := 0; i < len(s); i++ {
		buf[i] = lower(s[i])
	}
	b := buf[:len(s)]
	switch p.Shape {
	case ShapePrefix:
		return len(b) >= len(p.Text) && string(b[:len(p.Text)]) == p.Text
	case ShapeSuffix:
		return len(b) >= len(p.Text) && string(b[len(b)-len(p.Text):]) == p.Text
	case ShapeContains:
		return index(b, p.Text) >= 0
	case ShapeGlob:
		return glob(p.Text, b)
	case ShapeAny:
		return len(b) > 0
	}
	return string(b) == p.Text
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// index is strings.Index for short bytes, without a conversion that copies.
func index(b []byte, s string) int {
	for i := 0; i+len(s) <= len(b); i++ {
		if string(b[i:i+len(s)]) == s {
			return i
		}
	}
	return -1
}

// glob matches text with a pattern in which * is any run of bytes. It steps back to the last star alone, so
// the time is at most the product of both lengths.
func glob[T string | []byte](pattern string, text T) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == text[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}
