package query

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// CompareVersions returns -1, 0 or 1 as version a comes before, with or after b. Runs of digits compare as
// numbers, everything else byte by byte without regard to ASCII case, and what goes on comes after what
// ends: "9" < "10" < "12" < "12.1", "15-SP5" < "15-SP6". It knows no epochs and no pre-releases: it orders
// what a system says of itself, not packages. Zero does not mean equal: "1.01" and "1.1" are together.
func CompareVersions(a, b string) int {
	for a != "" && b != "" {
		if digit(a[0]) && digit(b[0]) {
			var x, y string
			x, a = number(a)
			y, b = number(b)
			if len(x) != len(y) {
				return sign(len(x) - len(y))
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			continue
		}
		if x, y := lower(a[0]), lower(b[0]); x != y {
			return sign(int(x) - int(y))
		}
		a, b = a[1:], b[1:]
	}
	return sign(len(a) - len(b))
}

// number splits the digits at the start of s off, without their leading zeros.
func number(s string) (digits, rest string) {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// inLine reports whether version v is line, or one of its line: "9" has 9, 9.4 and 9-SP1, but not 90. line
// is folded.
func inLine(v, line string) bool {
	if v == "" || line == "" {
		return false
	}
	v = foldVersion(v)
	if len(v) < len(line) || !strings.EqualFold(v[:len(line)], line) {
		return CompareVersions(v, line) == 0
	}
	if len(v) == len(line) {
		return true
	}
	last, next := line[len(line)-1], v[len(line)]
	return !(digit(last) && digit(next)) && !(letter(last) && letter(next))
}

// foldVersion folds what CompareVersions does not: a version that is not all ASCII.
func foldVersion(v string) string {
	if ascii(v) {
		return v
	}
	return Fold(v)
}

// noVersion stands for a version in OSText where a system has none (a rolling one), so that the text does
// not say "any version".
const noVersion = "(no version)"

// OSText returns the text by which systems are counted and shown: the id and the version, as in
// "debian 12", or "arch (no version)". It is empty where the id is.
func OSText(os model.OS) string {
	if os.ID == "" {
		return ""
	}
	if os.Version == "" {
		return os.ID + " " + noVersion
	}
	return os.ID + " " + os.Version
}

// OSMatches reports whether p fits the system, by any of: its id, its whole name, each single word of the
// name (between blanks and slashes, without parentheses), and its OSText. An exact pattern also fits an id or a name that
// is followed by a version of its line, with a blank, a dash or nothing between: "rhel9" and "debian
// gnu/linux 12". ShapeCounted compares with the OSText alone, and ShapeAny fits a system that has one.
func OSMatches(p Pattern, os model.OS) bool {
	switch p.Shape {
	case ShapeCounted:
		return matchOSText(p, os)
	case ShapeAny:
		return os.ID != ""
	}
	if p.foldMatch(os.ID) || p.foldMatch(os.Name) {
		return true
	}
	for rest := os.Name; rest != ""; {
		n := strings.IndexAny(rest, " /")
		if n < 0 {
			n = len(rest)
		}
		if word := strings.Trim(rest[:n], "()"); word != "" && p.foldMatch(word) {
			return true
		}
		rest = rest[min(n+1, len(rest)):]
	}
	if p.Shape == ShapeExact && (versioned(p.Text, os.ID, os.Version) || versioned(p.Text, os.Name, os.Version)) {
		return true
	}
	return matchOSText(p, os)
}

// matchOSText is p.foldMatch(OSText(os)), without making the text for the patterns that people use most.
func matchOSText(p Pattern, os model.OS) bool {
	if os.ID == "" {
		return false
	}
	if p.Shape == ShapeExact || p.Shape == ShapeCounted {
		version := os.Version
		if version == "" {
			version = noVersion
		}
		n := len(p.Text) - len(version)
		// Where folding changes a length the cut is at another place: the slow way decides.
		if ascii(os.ID) && ascii(version) {
			return n == len(os.ID)+1 && p.Text[n-1] == ' ' && exact(p.Text[:n-1]).foldMatch(os.ID) && exact(p.Text[n:]).foldMatch(version)
		}
	}
	return p.foldMatch(OSText(os))
}

// versioned reports whether text is the name and a version whose line the given one is of.
func versioned(text, name, version string) bool {
	if name == "" || len(text) <= len(name) || !ascii(name) || !exact(text[:len(name)]).foldMatch(name) {
		return false
	}
	text = text[len(name):]
	if text[0] == ' ' || text[0] == '-' {
		text = text[1:]
	}
	return text != "" && digit(text[0]) && inLine(version, text)
}

func exact(folded string) Pattern { return Pattern{ShapeExact, folded} }

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
