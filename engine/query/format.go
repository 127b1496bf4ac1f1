package query

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Format writes x as text in its one form: fields by their names, lists where values of one field stand
// beside each other, quotes only where they are needed. Parse reads it back to x, but for Pos and End, if x
// has the form that Parse gives: an And has two parts at least and none that is an And, the same holds for
// Or, a Not is not of a Not, and what Parse would read from other text as something simpler is that. All
// and nil are "".
func Format(x Expr) string {
	switch x.(type) {
	case nil, All:
		return ""
	}
	return string(format(nil, x, false))
}

// format appends x; inner says that it stands within an And or a Not, where an Or needs parentheses.
func format(b []byte, x Expr, inner bool) []byte {
	switch x := x.(type) {
	case Not:
		b = append(b, '-')
		if y, ok := x.X.(And); ok && !(len(y) == 2 && rangeText(y) != "") {
			return append(format(append(b, '('), y, false), ')')
		}
		if y, ok := x.X.(Not); ok {
			return append(format(append(b, '('), y, false), ')')
		}
		return format(b, x.X, true)
	case And:
		for i := 0; i < len(x); i++ {
			if i > 0 {
				b = append(b, ' ')
			}
			if text := rangeText(x[i:]); text != "" {
				b = append(b, text...)
				i++
				continue
			}
			b = format(b, x[i], true)
		}
		if len(x) == 0 {
			b = append(b, '*')
		}
		return b
	case Or:
		if len(x) == 0 {
			return append(b, "-*"...)
		}
		text := formatOr(x)
		if inner && len(text) > 1 {
			return append(append(append(b, '('), strings.Join(text, " or ")...), ')')
		}
		return append(b, strings.Join(text, " or ")...)
	case Term:
		return append(b, x.text()...)
	}
	return append(b, '*')
}

// formatOr returns the parts of an Or: terms of one field that may be a list are one part.
func formatOr(x Or) []string {
	var out []string
	for i := 0; i < len(x); i++ {
		t, ok := x[i].(Term)
		var text strings.Builder
		text.WriteString(string(format(nil, x[i], false)))
		for ok && t.listed() && i+1 < len(x) {
			u, same := x[i+1].(Term)
			if !same || u.Field != t.Field || !u.listed() {
				break
			}
			text.WriteString("," + u.element())
			i++
		}
		out = append(out, text.String())
	}
	return out
}

// listed reports whether t may be an element of a list.
func (t *Term) listed() bool { return t.Op == OpIs && t.Part == "" && t.Field != FieldAny }

// rangeText returns one text for the first two parts of an And, if they are a range of one field, else "".
func rangeText(x And) string {
	if len(x) < 2 {
		return ""
	}
	a, aok := x[0].(Term)
	b, bok := x[1].(Term)
	if !aok || !bok || a.Field != b.Field || a.Part != b.Part || a.Pattern != b.Pattern || a.Op != OpGreaterEqual {
		return ""
	}
	i := a.Field.info()
	if i == nil {
		return ""
	}
	head := i.Name + ":"
	switch {
	case (i.Kind == KindAge || i.Kind == KindUntil) && b.Op == OpLess && a.At != 0 && a.At < b.At:
		aDay := momentText(a.At)
		one := b.At.Add(-day)
		if len(aDay) != 10 || len(momentText(b.At)) != 10 {
			return ""
		}
		if one == a.At {
			return head + aDay
		}
		return head + aDay + ".." + momentText(one)
	case b.Op != OpLessEqual:
		return ""
	case i.Kind == KindNumber && a.Number <= b.Number:
		if a.Part != "" {
			head += a.Part + ":"
		}
		return head + a.number() + ".." + b.number()
	case (i.Kind == KindAge || i.Kind == KindUntil) && a.At == 0 && b.At == 0 && a.Age <= b.Age:
		return head + ageText(a.Age) + ".." + ageText(b.Age)
	case i.Kind == KindVersion:
		return head + Quote(a.Version) + ".." + Quote(b.Version)
	case i.Kind == KindOS:
		return head + a.Pattern.text(false) + ":" + Quote(a.Version) + ".." + Quote(b.Version)
	}
	return ""
}

func (t *Term) text() string {
	if t.Field == FieldAny {
		return wordText(t.Pattern.Text)
	}
	return t.Field.String() + ":" + t.element()
}

// wordText writes a word without a field, so that it is nothing else.
func wordText(s string) string {
	_, address := whole(s)
	_, field := FieldNamed(s)
	number := strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") < 2
	if address || field || number || slices.Contains([]string{"and", "or", "not"}, s) || !plain(s, true) {
		return quoted(s)
	}
	return s
}

// element writes what follows the field and the colon.
func (t *Term) element() string {
	i := t.Field.info()
	if i == nil {
		return ""
	}
	if t.Unknown {
		if i.Kind == KindAge || i.Kind == KindUntil {
			return "never"
		}
		return "unknown"
	}
	op := sign2(t.Op)
	switch i.Kind {
	case KindText, KindWord, KindVersion:
		if i.Kind == KindVersion && t.Op != OpIs {
			return op + Quote(t.Version)
		}
		if t.Pattern.Shape == ShapeExact && (i.Field == FieldArch && isAlike(t.Pattern.Text)) {
			return quoted(t.Pattern.Text)
		}
		return t.Pattern.text(false)
	case KindOS:
		switch {
		case t.Op != OpIs:
			return t.Pattern.text(false) + op + Quote(t.Version)
		case t.HasVersion:
			return t.Pattern.text(false) + ":" + Quote(t.Version)
		}
		return t.Pattern.text(t.Pattern.Shape == ShapeCounted)
	case KindNumber:
		if t.Part != "" && t.Op == OpIs {
			op = "="
		}
		return t.Part + op + t.number()
	case KindBool:
		if t.Number != 0 {
			return "yes"
		}
		return "no"
	case KindAge, KindUntil:
		switch {
		case t.At == 0:
			return op + ageText(t.Age)
		case t.Op == OpGreaterEqual || t.Op == OpLess:
			return op + momentText(t.At)
		}
		return op + t.At.String()
	case KindAddress:
		return spanText(t.Low, t.High)
	case KindMAC, KindID:
		return t.MAC
	}
	return string(t.Status)
}

func isAlike(s string) bool {
	for _, a := range alike {
		if a[0] == s {
			return true
		}
	}
	return false
}

// number writes the number of a term in the unit of its field.
func (t *Term) number() string {
	n, unit := t.Number, ""
	if t.Field == FieldMemory {
		unit = "m"
		if n != 0 && math.Mod(n, 1024) == 0 {
			n, unit = n/1024, "g"
		}
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + unit
}

// text writes a pattern; whole says that it must be in quotes.
func (p Pattern) text(whole bool) string {
	switch p.Shape {
	case ShapeAny:
		return "*"
	case ShapePrefix:
		return quote(p.Text, true) + "*"
	case ShapeSuffix:
		return "*" + quote(p.Text, false)
	case ShapeContains:
		return "*" + quote(p.Text, false) + "*"
	case ShapeGlob:
		var b strings.Builder
		for i, piece := range strings.Split(p.Text, "*") {
			if i > 0 {
				b.WriteByte('*')
			}
			if piece != "" {
				b.WriteString(quote(piece, i == 0))
			}
		}
		return b.String()
	}
	if whole {
		return quoted(p.Text)
	}
	return Quote(p.Text)
}
