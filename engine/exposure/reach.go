package exposure

import (
	"cmp"
	"slices"

	"github.com/google/osv-scalibr/semantic"

	"github.com/skerryhq/skerry/engine/model"
)

// reachFrom is how many records a sheet has from which on it is worth while to know where each reaches.
const reachFrom = 16

// part is from one place in Sheet.marks to before another.
type part struct{ from, to uint32 }

func (p part) has(at uint32) bool { return p.from <= at && at < p.to }

// end is behind every place.
const end = 1<<32 - 1

// undecided is the reach of a mention that is judged whatever the version.
var undecided = part{1, 0}

// fix is a version that a range names as fixed, by its place.
type fix struct {
	at   uint32
	text string
}

// The bounds of what is turned into places: beyond them a record is judged each time.
const (
	reachEvents   = 64
	reachVersions = 4096
)

// The place of the mark i is 2i+1, that of a version just below it 2i, and that of one above all marks 2n.
func placeOf(i int, is bool) uint32 {
	p := uint32(2 * i)
	if is {
		p++
	}
	return p
}

// Sorter makes sheets ready, and remembers versions from one to the next. The zero value is ready to use, by one goroutine.
type Sorter struct{ versions versions }

// mark is a version that bounds mentions.
type mark struct {
	text  string
	value semantic.Version
}

// Prepare makes s ready after it was changed. It may be left out: what is asked of s then takes longer.
func (o *Sorter) Prepare(s *Sheet) {
	if !s.stale {
		return
	}
	s.stale, s.marks = false, nil
	for i := range s.mentions {
		s.mentions[i].reach = undecided
	}
	if len(s.mentions) < reachFrom {
		return
	}
	f := familyOf(s.Ecosystem)
	places := map[string]uint32{}
	var all []mark
	note := func(text string) bool {
		if _, ok := places[text]; ok {
			return true
		}
		v, ok := o.versions.parse(f, text)
		if ok {
			places[text] = 0
			all = append(all, mark{text, v})
		}
		return ok
	}
	bounded := make([]bool, len(s.mentions))
	for i := range s.mentions {
		bounded[i] = s.mentions[i].bounds(f, note)
	}
	failed := false
	compare := func(a, b mark) int {
		c, err := a.value.Compare(b.value)
		failed = failed || err != nil
		return c
	}
	slices.SortStableFunc(all, compare)
	var marks []string
	for i, m := range all {
		if i == 0 || compare(all[i-1], m) != 0 {
			marks = append(marks, m.text)
		}
		places[m.text] = placeOf(len(marks)-1, true)
	}
	if failed {
		return
	}
	s.marks = slices.Clip(marks)
	for i := range s.mentions {
		if bounded[i] {
			s.mentions[i].extend(places)
		}
	}
}

// bounds notes each version that bounds m; false where its reach cannot be told from them.
func (m *mention) bounds(f family, note func(text string) bool) bool {
	if m.span != nil {
		return orderOf(&model.Range{Type: m.span.kind}, f) == f && (m.span.from == "0" || note(m.span.from)) && note(m.span.fixed)
	}
	if m.more.always {
		return true
	}
	events, versions := 0, 0
	for _, e := range m.more.entries {
		if len(e.Ranges) == 0 && len(e.Versions) == 0 || len(e.Modules) > 0 {
			return false
		}
		versions += len(e.Versions)
		for i := range e.Ranges {
			r := &e.Ranges[i]
			if events += len(r.Events); orderOf(r, f) != f {
				return false
			}
			for _, ev := range r.Events {
				text, plain := plainly(ev)
				if !plain || text != "0" && !note(text) {
					return false
				}
			}
		}
	}
	return events <= reachEvents && versions <= reachVersions
}

// plainly returns the version of an event; false where that is a limit, none or several, or a zero that is not before every version.
func plainly(ev model.Event) (text string, ok bool) {
	text = ev.Introduced + ev.Fixed + ev.LastAffected
	if ev.Limit != "" || text == "" || text != ev.Introduced && text != ev.Fixed && text != ev.LastAffected {
		return "", false
	}
	return text, text != "0" || ev.Introduced == "0"
}

// extend sets the reach of m by the places of the versions that bound it.
func (m *mention) extend(places map[string]uint32) {
	switch {
	case m.span != nil:
		r := part{places[m.span.from], places[m.span.fixed]}
		if m.span.from == "0" {
			r.from = 0
		}
		if r.from < r.to { // a range whose end is not behind its beginning is for the jury
			m.reach = r
		}
		return
	case m.more.always: // which many sheets share
		m.reach = part{0, end}
		return
	}
	x := m.more
	x.parts, x.fixes = nil, nil
	for _, e := range x.entries {
		for i := range e.Ranges {
			x.parts = appendParts(x.parts, e.Ranges[i].Events, places)
			for _, ev := range e.Ranges[i].Events {
				if ev.Fixed != "" {
					x.fixes = append(x.fixes, fix{places[ev.Fixed], ev.Fixed})
				}
			}
		}
	}
	slices.SortStableFunc(x.fixes, func(a, b fix) int { return cmp.Compare(a.at, b.at) })
	x.parts, x.fixes = slices.Clip(x.parts), slices.Clip(x.fixes)
	m.reach = part{end, 0}
	for _, p := range x.parts {
		m.reach.from, m.reach.to = min(m.reach.from, p.from), max(m.reach.to, p.to)
	}
}

// appendParts appends where a range is on: from each place at which an event begins to count, by the last one in order that does.
// Events need not come in order, and those at one place keep theirs (see versions.inRange).
func appendParts(to []part, events []model.Event, places map[string]uint32) []part {
	type turn struct {
		at uint32 // of the version
		of uint32 // from which on it counts
		on bool
	}
	turns := make([]turn, 0, len(events))
	for _, ev := range events {
		switch {
		case ev.Introduced == "0":
			turns = append(turns, turn{on: true})
		case ev.Introduced != "":
			turns = append(turns, turn{places[ev.Introduced], places[ev.Introduced], true})
		case ev.Fixed != "":
			turns = append(turns, turn{places[ev.Fixed], places[ev.Fixed], false})
		default:
			turns = append(turns, turn{places[ev.LastAffected], places[ev.LastAffected] + 1, false})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	marks := make([]uint32, 0, len(turns))
	for _, t := range turns {
		marks = append(marks, t.of)
	}
	slices.Sort(marks)
	marks = slices.Compact(marks)
	for i, at := range marks {
		on := false
		for _, t := range turns {
			if t.of <= at {
				on = t.on
			}
		}
		if !on {
			continue
		}
		p := part{at, end}
		if i+1 < len(marks) {
			p.to = marks[i+1]
		}
		to = append(to, p)
	}
	return to
}

// at says whether m, whose reach is known, is found at a version, and the lowest fix behind that which is not affected; "" is none.
func (m *mention) at(place uint32, f family, version string) (fixed string, found bool) {
	if m.span != nil {
		return m.span.fixed, m.reach.has(place)
	}
	if !m.covers(place) && !m.more.lists(f, version) {
		return "", false
	}
	for _, x := range m.more.fixes {
		if x.at > place && !m.covers(x.at) && !m.more.lists(f, x.text) {
			return x.text, true
		}
	}
	return "", true
}

func (m *mention) covers(place uint32) bool {
	return m.reach.has(place) && (m.more.always || slices.ContainsFunc(m.more.parts, func(p part) bool { return p.has(place) }))
}

// lists reports whether an entry names a version exactly.
func (x *more) lists(f family, version string) bool {
	return slices.ContainsFunc(x.entries, func(e *model.Affected) bool { return lists(e, f, version) })
}

// place returns where a version is among the marks of s; false where s has none, or that is no version.
func (s *Sheet) place(vs *versions, version string) (uint32, bool) {
	f := familyOf(s.Ecosystem)
	if s.stale || len(s.marks) == 0 {
		return 0, false
	}
	if _, ok := vs.parse(f, version); !ok {
		return 0, false
	}
	ok := true
	i, is := slices.BinarySearchFunc(s.marks, version, func(mark, version string) int {
		c, compared := vs.compare(f, mark, version)
		ok = ok && compared
		return c
	})
	return placeOf(i, is), ok
}
