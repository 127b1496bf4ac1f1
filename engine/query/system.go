package query

import "strings"

// version is a value of KindVersion.
func (e *element) version() (Expr, *SyntaxError) {
	if lo, hi, ok := e.v.span(".."); ok {
		return e.between(lo, hi, func(v value) (func(*Term), *SyntaxError) {
			set, err := e.ordered(v)
			return set, err
		}, fallingVersions)
	}
	if e.op == OpIs {
		return e.word()
	}
	set, err := e.ordered(e.v)
	if err != nil {
		return nil, err
	}
	return e.with(set)
}

func fallingVersions(a, b Term) bool { return CompareVersions(a.Version, b.Version) > 0 }

// ordered reads a version that something is compared with.
func (e *element) ordered(v value) (func(*Term), *SyntaxError) {
	version := Fold(v.text)
	switch {
	case version == "":
		return nil, e.p.fail(v.pos, v.end, nil, "a version is missing")
	case strings.IndexByte(v.syn, '*') >= 0:
		return nil, e.p.fail(v.pos, v.end, nil, "a comparison has no stars: %s has an order of its own", e.h.info.Name)
	case strings.ContainsAny(v.syn, "<>=:"):
		return nil, e.p.fail(v.pos, v.end, nil, "a version cannot hold another comparison; quote it if it is part of the version")
	case len(version) > MaxPattern:
		return nil, e.p.fail(v.pos, v.end, nil, "a version may have %d bytes, and this one has %d", MaxPattern, len(version))
	}
	return func(t *Term) { t.Version, t.HasVersion = version, e.h.info.Kind == KindOS }, nil
}

// counted reports whether text is an OSText by its form: a blank, and then a version.
func counted(text string) bool {
	_, version, ok := strings.Cut(text, " ")
	return ok && version != "" && (digit(version[0]) || version == noVersion)
}

// os is a system, perhaps with a version.
func (e *element) os() (Expr, *SyntaxError) {
	v := e.v
	if v.text == "" || v.syn[0] == '-' {
		return e.word()
	}
	i := strings.IndexAny(v.syn, "<>=:≤≥≠")
	if i < 0 {
		pattern, err := e.p.pattern(v)
		if err != nil {
			return nil, err
		}
		if pattern.Shape == ShapeExact && counted(pattern.Text) {
			pattern.Shape = ShapeCounted
		}
		return e.with(func(t *Term) { t.Pattern = pattern })
	}
	if strings.HasPrefix(v.syn[i:], "=") && i > 0 && v.syn[i-1] == '!' || strings.HasPrefix(v.syn[i:], "<>") || strings.HasPrefix(v.syn[i:], "≠") {
		name := strings.TrimSuffix(v.text[:i], "!")
		return e.fail(nil, "say both: os:%s -os:%s:%s", name, name, strings.TrimLeft(v.text[i:], "=<>≠"))
	}
	system, rest := v.cut(i, i)
	op, n := comparator{op: OpIs}, 0
	if v.syn[i] == ':' {
		n = 1
	}
	if c, m := comparatorAt(v.syn[i+n:]); m > 0 && !c.not {
		op, n = c, n+m
	}
	_, version := rest.cut(0, n)
	if system.text == "" {
		return e.fail(nil, "a version needs its system: os:debian>=12")
	}
	if version.text == "" {
		return e.fail(nil, "a version is missing, as in os:debian>=12")
	}
	pattern, err := e.p.pattern(system)
	if err != nil {
		return nil, err
	}
	sub := *e
	sub.op = op.op
	if lo, hi, ok := version.span(".."); ok && sub.op == OpIs {
		return sub.between(lo, hi, func(v value) (func(*Term), *SyntaxError) {
			set, err := sub.ordered(v)
			return func(t *Term) { set(t); t.Pattern = pattern }, err
		}, fallingVersions)
	}
	if sub.op == OpIs {
		// 22.* is what 22 means already.
		for _, tail := range [...]string{".*", "*"} {
			if strings.HasSuffix(version.syn, tail) && len(version.syn) > len(tail) && (tail == ".*" || !digit(version.text[len(version.text)-2])) {
				version, _ = version.cut(len(version.syn)-len(tail), len(version.syn))
			}
		}
		if version.syn == "*" {
			return e.fail(nil, "os:%s has every version", system.text)
		}
	}
	set, err := sub.ordered(version)
	if err != nil {
		return nil, err
	}
	return sub.with(func(t *Term) { set(t); t.Pattern = pattern })
}
