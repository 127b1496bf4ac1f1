package exposure

import (
	"slices"

	"github.com/google/osv-scalibr/semantic"

	"github.com/skerryhq/skerry/engine/model"
)

// reachFrom is how many records a sheet has from which on it is worth while to know where each reaches.
const reachFrom = 16

// reach is where a mention can be found, in places of Sheet.marks.
type reach struct {
	from, to uint32 // both in it
	sure     bool   // it is found just there, and its span says the fix
}

// everywhere is the reach of what must be judged whatever the version.
var everywhere = reach{to: 1<<32 - 1}

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
		s.mentions[i].reach = everywhere
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
			s.mentions[i].reach = s.mentions[i].among(places)
		}
	}
}

// bounds notes each version that m names; false where it cannot be told from them where m reaches.
func (m *mention) bounds(f family, note func(text string) bool) bool {
	if m.span != nil {
		return orderOf(&model.Range{Type: m.span.kind}, f) == f && (m.span.from == "0" || note(m.span.from)) && note(m.span.fixed)
	}
	for _, e := range m.entries {
		if len(e.Ranges) == 0 && len(e.Versions) == 0 || len(e.Versions) > 0 && f == semver { // which are compared without a v as well
			return false
		}
		for _, v := range e.Versions {
			if !note(v) {
				return false
			}
		}
		for i := range e.Ranges {
			if orderOf(&e.Ranges[i], f) != f {
				return false
			}
			for _, ev := range e.Ranges[i].Events {
				text, plain := plainly(ev)
				if !plain || text != "0" && !note(text) {
					return false
				}
			}
		}
	}
	return true
}

// plainly returns the version of an event; false where that is a limit, none or several, or a zero that is not before every version.
func plainly(ev model.Event) (text string, ok bool) {
	text = ev.Introduced + ev.Fixed + ev.LastAffected
	switch {
	case ev.Limit != "" || text == "", text != ev.Introduced && text != ev.Fixed && text != ev.LastAffected:
		return "", false
	}
	return text, text != "0" || ev.Introduced == "0"
}

// among returns the reach of m by the places of the versions that it names. Where its events are not in order it is wider than need be.
func (m *mention) among(places map[string]uint32) reach {
	if m.span != nil {
		from, to := places[m.span.from], places[m.span.fixed]
		if m.span.from == "0" {
			from = 0
		}
		if from < to {
			return reach{from, to - 1, true}
		}
		return everywhere
	}
	r := reach{from: everywhere.to}
	for _, e := range m.entries {
		for _, v := range e.Versions {
			r.from, r.to = min(r.from, places[v]), max(r.to, places[v])
		}
		for _, rg := range e.Ranges {
			first, start, end := everywhere.to, uint32(0), uint32(0)
			for _, ev := range rg.Events {
				switch {
				case ev.Introduced == "0":
					first = 0
				case ev.Introduced != "":
					first, start = min(first, places[ev.Introduced]), max(start, places[ev.Introduced])
				default:
					end = max(end, places[ev.Fixed+ev.LastAffected])
				}
			}
			if end <= start { // it goes on behind the last version that it names
				end = everywhere.to
			}
			r.from, r.to = min(r.from, first), max(r.to, end)
		}
	}
	return r
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
