package fault

import "strings"

// Clip keeps a quoted piece of foreign input short enough for one line: n bytes at most, without half a
// character at the end, and then an ellipsis.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// Printable replaces what could move the cursor of a terminal, or turn the direction of what follows, by
// a question mark: the text may come from another machine or a forged file.
func Printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			return '?'
		}
		return c
	}, s)
}
