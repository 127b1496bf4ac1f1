package query

import (
	"math"
	"strconv"
	"strings"
)

// flag is yes, no or unknown.
func (e *element) flag() (Expr, *SyntaxError) {
	switch word := Fold(e.v.text); word {
	case "yes", "true", "1", "y", "on", "needed", "required":
		return e.with(func(t *Term) { t.Number = 1 })
	case "no", "false", "0", "n", "off":
		return e.with(func(t *Term) {})
	case "*":
		if e.h.info.Field == FieldSimulated {
			return All{}, nil
		}
		return e.known()
	default:
		if e.h.info.Field != FieldSimulated && (word == "unknown" || word == "none" || word == "null") {
			return e.unknown()
		}
		w := words(e.h.info)
		return e.fail(nearest(word, w), "%s is %s, not %q", e.h.info.Name, list(w), e.v.text)
	}
}

const whichVulnerabilities = "the directory counts vulnerabilities by severity (cve:critical>0); which ones a host has is with its site"

// cve is a number of vulnerabilities, perhaps of one severity: critical>0, critical, >0, 5.
func (e *element) cve() (Expr, *SyntaxError) {
	v := e.v
	if strings.HasPrefix(Fold(v.text), "cve-") {
		return e.fail(nil, whichVulnerabilities)
	}
	i := strings.IndexAny(v.syn, "<>=:≤≥")
	name := v.text
	if i >= 0 {
		name = v.text[:i]
	}
	part, ok := partNamed(name)
	switch {
	case e.given || e.h.part != "" || name == "" || digit(name[0]) || strings.HasPrefix(v.syn, "..") || v.syn == "*":
		if ok && e.given {
			return e.fail(nil, "a number is missing: cve:%s>0", name)
		}
		if i == 0 || v.text == "" {
			return e.fail(nil, "a number is missing, as in cve:critical>0")
		}
		if e.h.part != "" && ok {
			return e.fail(nil, "a number is missing: cve:%s>0", e.h.part)
		}
		return e.number()
	case !ok && i < 0 && Fold(name) == "unmatched":
		return e.fail(nil, "cve:unknown>0 counts those of unknown severity; severity:unmatched has the hosts that nobody has matched")
	case !ok:
		suggest := nearest(name, parts[:])
		for i := range suggest {
			if suggest[i] += v.text[len(name):]; len(v.text) == len(name) {
				suggest[i] += ">0"
			}
		}
		return e.fail(suggest, "cve has a number, or a severity (%s) with a number: cve:critical>0", list(parts[:]))
	}
	sub := *e
	sub.h = &head{info: e.h.info, part: part, pos: e.h.pos, end: e.h.end}
	if i < 0 {
		if part == "none" || part == "unknown" {
			return e.fail([]string{part + ">0", "0"}, "cve:%s can mean no vulnerability, or some whose severity is %s; severity:unmatched has the hosts that nobody has matched", part, part)
		}
		sub.op = OpGreater
		return sub.with(func(t *Term) {})
	}
	n := 0
	if v.syn[i] == ':' {
		n = 1
	}
	if c, m := comparatorAt(v.syn[i+n:]); m > 0 {
		if c.not {
			return e.fail(nil, "put - before the field instead: -cve:%s=0", part)
		}
		sub.op, sub.given, n = c.op, true, n+m
	}
	if _, sub.v = v.cut(i, i+n); sub.v.text == "" {
		return e.fail([]string{name + ">0"}, "a number is missing: cve:%s>0", part)
	}
	return sub.number()
}

// number is a value of KindNumber.
func (e *element) number() (Expr, *SyntaxError) {
	i, v := e.h.info, e.v
	word := Fold(v.text)
	switch {
	case word == "unknown" && i.Field != FieldCVE:
		return e.unknown()
	case v.syn == "*" && i.Field != FieldCVE:
		return e.known()
	case word == "unknown" || v.syn == "*":
		return e.fail(nil, "severity:unmatched has the hosts whose vulnerabilities nobody has matched, and -severity:unmatched all others")
	case word == "none" || word == "never" || word == "null":
		return e.fail(e.unless("0", "unknown"), "%s can mean 0 or that nobody knows", v.text)
	}
	if lo, hi, ok := e.ends(); ok {
		return e.between(lo, hi, e.numeral, func(a, b Term) bool { return a.Number > b.Number })
	}
	if strings.HasSuffix(v.syn, "+") && !e.given {
		return e.fail([]string{">=" + strings.TrimSuffix(v.text, "+")}, "a number has no +")
	}
	set, err := e.numeral(v)
	if err != nil {
		return nil, err
	}
	return e.with(set)
}

// ends takes a range of numbers apart: 5..10, 5-10, 5.., ..10.
func (e *element) ends() (lo, hi value, ok bool) {
	if lo, hi, ok = e.v.span(".."); !ok {
		if lo, hi, ok = e.v.span("-"); !ok || lo.text == "" || hi.text == "" {
			return lo, hi, false
		}
	}
	return lo, hi, true
}

// numeral reads one number.
func (e *element) numeral(v value) (func(*Term), *SyntaxError) {
	i := e.h.info
	text, unit, digits := Fold(v.text), 1.0, 0
	switch i.Field {
	case FieldCompliance:
		text, digits = strings.TrimSuffix(text, "%"), 1
	case FieldMemory:
		named := strings.TrimLeft(text, "0123456789.")
		text = text[:len(text)-len(named)]
		switch named {
		case "g", "gb", "gib":
			unit, digits = 1024, 2
		case "t", "tb", "tib":
			unit, digits = 1024*1024, 2
		case "m", "mb", "mib":
		case "":
			if n, err := strconv.ParseFloat(text, 64); err == nil && n > 0 && n < 256 {
				return nil, e.p.fail(v.pos, v.end, []string{v.text + "g", v.text + "m"}, "memory without a unit is in MiB, and %s is very little", v.text)
			}
		default:
			return nil, e.p.fail(v.pos, v.end, nil, "%q is no unit of memory: m, g or t", named)
		}
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if !decimal(whole) || fraction != "" && !decimal(fraction) || len(text) > 15 || strings.HasSuffix(text, ".") {
		return nil, e.p.fail(v.pos, v.end, nil, "%s is a number, not %q", i.Name, v.text)
	}
	if len(fraction) > digits {
		return nil, e.p.fail(v.pos, v.end, nil, "%s has whole numbers%s, not %s", i.Name, [...]string{"", " and tenths", " and hundredths of a unit"}[digits], v.text)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, e.p.fail(v.pos, v.end, nil, "%s is a number, not %q", i.Name, v.text)
	}
	if unit != 1 {
		n = math.Round(n * unit)
	}
	if n > 1e12 {
		return nil, e.p.fail(v.pos, v.end, nil, "%s is larger than any %s", v.text, i.Name)
	}
	return func(t *Term) { t.Number = n }, nil
}

func decimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
