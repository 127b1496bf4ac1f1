package query

import (
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Units of ages. A month is 30 days and a year 365: an age is a span, not a date.
const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
	// MaxAge bounds an age.
	MaxAge = 200 * year
)

var units = []struct {
	names []string
	d     time.Duration
}{
	{[]string{"s", "sec", "secs", "second", "seconds"}, time.Second},
	{[]string{"m", "min", "mins", "minute", "minutes"}, time.Minute},
	{[]string{"h", "hr", "hrs", "hour", "hours"}, time.Hour},
	{[]string{"d", "day", "days"}, day},
	{[]string{"w", "week", "weeks"}, week},
	{[]string{"mo", "mon", "month", "months"}, 30 * day},
	{[]string{"y", "yr", "yrs", "year", "years"}, year},
}

func unitNames() (out []string) {
	for _, u := range units {
		out = append(out, u.names...)
	}
	return out
}

// parseAge reads 2h, 1d12h, 1.5h, 30days. A problem that is worth explaining comes back as why, with the unit
// that it is about, if it is one.
func parseAge(text string) (d time.Duration, why, unit string, ok bool) {
	if text == "0" {
		return 0, "", "", true
	}
	if strings.HasSuffix(text, "M") {
		return 0, "M is ambiguous: m is minutes, mo is months", "", false
	}
	rest := Fold(text)
	if rest == "" || !digit(rest[0]) || len(rest) > 40 {
		return 0, "", "", false
	}
	if strings.Trim(rest, "0123456789.") == "" {
		return 0, "a unit is missing: s, m, h, d, w, mo or y", "", false
	}
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		num := rest[:n]
		rest = rest[n:]
		n = len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))
		name := rest[:n]
		rest = rest[n:]
		var span time.Duration
		for _, u := range units {
			for _, s := range u.names {
				if s == name {
					span = u.d
				}
			}
		}
		whole, fraction, dot := strings.Cut(num, ".")
		if !decimal(whole) || dot && !decimal(fraction) || len(whole) > 11 || len(fraction) > 3 {
			return 0, "", "", false
		}
		if name == "" {
			return 0, "", "", false
		}
		if span == 0 {
			return 0, strconv.Quote(name) + " is no unit of time: s, m, h, d, w, mo or y", name, false
		}
		v, _ := strconv.ParseInt(whole, 10, 64)
		part, _ := strconv.ParseInt((fraction + "000")[:3], 10, 64)
		if v > int64(MaxAge/span) {
			return 0, "that is more than 200 years", "", false
		}
		if d += time.Duration(v)*span + time.Duration(part)*(span/1000); d > MaxAge {
			return 0, "that is more than 200 years", "", false
		}
	}
	return d, "", "", true
}

// ParseAge reads a span of time as searches do: 90s, 15m, 24h, 2d, 1w, 1d12h. The error is Invalid and says how to write it.
func ParseAge(text string) (time.Duration, error) {
	d, why, _, ok := parseAge(strings.TrimSpace(text))
	if ok {
		return d, nil
	}
	if why == "" {
		why = "write it as in 90s, 15m, 24h, 2d or 1w"
	}
	return 0, fault.New(fault.Invalid, "", "%q is no span of time: %s", fault.Clip(text, 64), why)
}

// ageText writes what parseAge reads, in the largest units that fit.
func ageText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	if d%year == 0 {
		return strconv.FormatInt(int64(d/year), 10) + "y"
	}
	var out strings.Builder
	for _, u := range [...]struct {
		d    time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / u.d; n > 0 {
			out.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			d %= u.d
		}
	}
	if d > 0 {
		s := strconv.FormatInt(int64(d/time.Second), 10)
		if ms := d % time.Second / time.Millisecond; ms > 0 {
			s += "." + strings.TrimRight(strconv.Itoa(1000 + int(ms))[1:], "0")
		}
		out.WriteString(s + "s")
	}
	return out.String()
}

// moment is a stretch of time that a date names: [from, to). A time with a fraction of a second is one
// millisecond, and an instant.
type moment struct {
	from, to model.Time
	instant  bool
}

// parseMoment reads 2026-11, 2026-11-01, and a date with a time of day and perhaps a zone; without one it
// is UTC.
func parseMoment(text string) (moment, bool) {
	if len(text) < 7 || len(text) > 40 || !digit(text[0]) || text[4] != '-' {
		return moment{}, false
	}
	text = strings.ToUpper(text)
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, f := range [...]struct {
		layout string
		y, m   int
		d      time.Duration
	}{
		{"2006-01", 0, 1, 0},
		{"2006-01-02", 0, 0, day},
		{"2006-01-02T15:04", 0, 0, time.Minute},
		{"2006-01-02T15:04Z07:00", 0, 0, time.Minute},
		{"2006-01-02T15:04:05", 0, 0, time.Second},
		{"2006-01-02T15:04:05Z07:00", 0, 0, time.Second},
	} {
		t, err := time.Parse(f.layout, text)
		if err != nil {
			continue
		}
		instant := strings.ContainsAny(text, ".,")
		if instant {
			f.d = time.Millisecond
		}
		m := moment{model.TimeOf(t), model.TimeOf(t.AddDate(f.y, f.m, 0).Add(f.d)), instant}
		return m, m.from > 0 && m.to > m.from
	}
	return moment{}, false
}

// momentText writes a time that parseMoment reads to begin at t, as short as can be.
func momentText(t model.Time) string {
	if t%model.Time(day.Milliseconds()) == 0 {
		return t.String()[:10]
	}
	return t.String()
}

// time is a value of KindAge or KindUntil.
func (e *element) time() (Expr, *SyntaxError) {
	i, v := e.h.info, e.v
	switch Fold(v.text) {
	case "never", "none", "unknown", "null":
		return e.unknown()
	case "*", "any":
		return e.known()
	case "expired":
		if i.Kind == KindUntil && e.op == OpIs {
			return e.ops(OpLess, func(*Term) {})
		}
	case "today", "yesterday", "tomorrow", "now":
		return e.fail(e.unless("<1d"), "%s is not understood; say how long ago, or a date as in 2026-11-01", v.text)
	}
	if lo, hi, ok := v.span(".."); ok {
		return e.timeRange(lo, hi)
	}
	if d, ok, err := e.relative(v); err != nil {
		return nil, err
	} else if ok {
		if !e.given || e.op == OpIs {
			return e.fail(e.unless("<"+v.text, ">"+v.text), "nothing is exactly so long ago: say less or more")
		}
		return e.with(func(t *Term) { t.Age = d })
	}
	if d, ok := e.fromNow(v); ok {
		// It is a time, so > is later: for an age that is less.
		if !e.given || e.op == OpIs {
			return e.fail(nil, "nothing is exactly at %s: say %s:>%s", v.text, i.Name, v.text)
		}
		op := e.op
		if i.Kind == KindAge {
			op = mirrored(op)
		}
		return e.ops(op, func(t *Term) { t.Age = d })
	}
	m, ok := parseMoment(v.text)
	if !ok {
		return e.noTime(v)
	}
	if m.instant {
		return e.with(func(t *Term) { t.At = m.from })
	}
	switch e.op {
	case OpGreater:
		return e.ops(OpGreaterEqual, func(t *Term) { t.At = m.to })
	case OpGreaterEqual:
		return e.ops(OpGreaterEqual, func(t *Term) { t.At = m.from })
	case OpLess:
		return e.ops(OpLess, func(t *Term) { t.At = m.from })
	case OpLessEqual:
		return e.ops(OpLess, func(t *Term) { t.At = m.to })
	}
	return e.stretch(m.from, m.to)
}

// stretch makes the terms of [from, to); zero is no end.
func (e *element) stretch(from, to model.Time) (Expr, *SyntaxError) {
	var out []Expr
	for i, at := range [...]model.Time{from, to} {
		if at == 0 {
			continue
		}
		x, err := e.ops([...]Op{OpGreaterEqual, OpLess}[i], func(t *Term) { t.At = at })
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return all(out...), nil
}

func (e *element) noTime(v value) (Expr, *SyntaxError) {
	return nil, e.p.fail(v.pos, v.end, nil, "%q is neither an age as in 2h, 30d or 1d12h, nor a date after 1970 as in 2026-11-01 or 2026-11-01T10:30", v.text)
}

// relative reads an age; an age that is nearly one is an error that says what is wrong.
func (e *element) relative(v value) (time.Duration, bool, *SyntaxError) {
	d, why, unit, ok := parseAge(v.text)
	if why != "" {
		var suggest []string
		if unit != "" {
			for _, u := range nearest(unit, unitNames()) {
				suggest = append(suggest, strings.Replace(Fold(v.text), unit, u, 1))
			}
		}
		if strings.HasPrefix(why, "a unit") && decimal(v.text) {
			suggest = []string{v.text + "h", v.text + "d", v.text + "m"}
		}
		return 0, false, e.p.fail(v.pos, v.end, suggest, "%s", why)
	}
	return d, ok, nil
}

// fromNow reads now-2h, or now+30d for a time to come.
func (e *element) fromNow(v value) (time.Duration, bool) {
	sign := "now-"
	if e.h.info.Kind == KindUntil {
		sign = "now+"
	}
	if !strings.HasPrefix(Fold(v.text), sign) {
		return 0, false
	}
	d, _, _, ok := parseAge(v.text[len(sign):])
	return d, ok
}

// timeRange is a range of two ages or of two dates; an end may be missing.
func (e *element) timeRange(lo, hi value) (Expr, *SyntaxError) {
	if e.given {
		return e.fail(nil, "a range follows a colon: %s:%s", e.h.info.Name, e.v.text)
	}
	first := lo
	if lo.syn == "" || lo.syn == "*" {
		first = hi
	}
	if _, ok, err := e.relative(first); err != nil {
		return nil, err
	} else if ok {
		return e.between(lo, hi, func(v value) (func(*Term), *SyntaxError) {
			d, ok, err := e.relative(v)
			if err == nil && !ok {
				_, err = e.noTime(v)
			}
			return func(t *Term) { t.Age = d }, err
		}, func(a, b Term) bool { return a.Age > b.Age })
	}
	var at [2]moment
	for i, v := range [...]value{lo, hi} {
		if v.syn == "" || v.syn == "*" {
			continue
		}
		m, ok := parseMoment(v.text)
		if !ok {
			return e.noTime(v)
		}
		at[i] = m
	}
	if at[0] == (moment{}) && at[1] == (moment{}) {
		return e.fail(nil, "a range has at least one end")
	}
	if at[1].to != 0 && at[1].to <= at[0].from {
		return e.reversed(lo, hi)
	}
	return e.stretch(at[0].from, at[1].to)
}
