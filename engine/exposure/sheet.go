package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Sheet is what records say of one package of one ecosystem, in the form that a version of it is held against within microseconds: without
// ratings, which cost reading other records. It is kept by whoever keeps the records, and gives the verdicts that Judge gives of them.
//
// Many may read it at once, and nobody while it is changed.
type Sheet struct {
	Ecosystem, Name string // the ecosystem with its release; the name as model.PackageName has it
	mentions        []mention
	marks           []string // the versions that bound mentions, in their order, each once; nil: mentions have no reach
	stale           bool     // mentions changed since Prepare
}

// Record is a record in sheets: what goes for all of its packages. It is never changed.
type Record struct {
	Of         any // what the holder of the sheets knows it by
	key        model.AdvisoryKey
	ids, whole []string
}

// mention is a record on one sheet: a span, or more. With the places of the marks it is known where it is found without a jury (reach and
// more.parts).
type mention struct {
	rec   *Record
	span  *span
	more  *more // nil: it has a span
	reach part
}

// more is what a mention says that is no span.
type more struct {
	entries []*model.Affected
	always  bool // of every version, without an end; shared by many
	parts   []part
	fixes   []fix // in order
}

// span is the shape that nearly all entries have: one range from a version to where it was fixed.
type span struct{ kind, from, fixed string }

// Sheets makes mentions of records. It keeps one copy of what many of them say alike; the zero value is ready to use, by one
// goroutine.
type Sheets struct {
	spans map[span]*span
	texts map[string]string
	open  map[string]*more // by kind: every version, without an end
}

// Text returns s, the same bytes for the same text.
func (t *Sheets) Text(s string) string {
	if got, ok := t.texts[s]; ok {
		return got
	}
	if t.texts == nil {
		t.texts = map[string]string{}
	}
	t.texts[s] = s
	return s
}

// Record returns a for sheets; nil where no version is ever found by it, because it was withdrawn.
func (t *Sheets) Record(a *model.Advisory, of any) *Record {
	if !a.Withdrawn.IsZero() {
		return nil
	}
	ids := Identifiers(*a)
	for i, id := range ids {
		ids[i] = t.Text(id)
	}
	ids = slices.Clip(ids)
	return &Record{Of: of, key: model.AdvisoryKey{Source: t.Text(a.Source), ID: t.Text(a.ID)}, ids: ids, whole: wholly(a, ids)}
}

// Add puts on s what a record says of its package: the entries that ByPackage gives of it. What its source may not say is left out.
func (t *Sheets) Add(s *Sheet, rec *Record, entries []*model.Affected) {
	kept := entries[:0:0]
	for _, e := range entries {
		if !e.Outside {
			kept = append(kept, e)
		}
	}
	if entries = kept; len(entries) == 0 {
		return
	}
	m := mention{rec: rec, reach: undecided}
	if sp, ok := spanOf(entries); ok {
		m.span = t.span(sp)
	} else {
		m.more = t.lean(entries)
	}
	s.mentions, s.stale = append(s.mentions, m), true
}

// ByPackage calls fn with each package that a names, in order, and what it says of it: the ecosystem with its release, the name as
// model.PackageName has it.
func ByPackage(a *model.Advisory, fn func(ecosystem, name string, entries []*model.Affected)) {
	type of struct {
		name string
		*model.Affected
	}
	all := make([]of, len(a.Affected))
	for i := range a.Affected {
		e := &a.Affected[i]
		all[i] = of{model.PackageName(e.Ecosystem, e.Name), e}
	}
	slices.SortStableFunc(all, func(x, y of) int {
		return cmp.Or(strings.Compare(x.Ecosystem, y.Ecosystem), strings.Compare(x.name, y.name))
	})
	var entries []*model.Affected
	for i, x := range all {
		entries = append(entries, x.Affected)
		if i+1 == len(all) || all[i+1].Ecosystem != x.Ecosystem || all[i+1].name != x.name {
			fn(x.Ecosystem, x.name, entries)
			entries = nil
		}
	}
}

// Drop takes off s what gone says is gone.
func (s *Sheet) Drop(gone func(*Record) bool) {
	n := len(s.mentions)
	s.mentions = slices.DeleteFunc(s.mentions, func(m mention) bool { return gone(m.rec) })
	s.stale = s.stale || len(s.mentions) < n
}

// Len is how many records are on s.
func (s *Sheet) Len() int { return len(s.mentions) }

// spanOf returns entries as a span, where that is all they say.
func spanOf(entries []*model.Affected) (span, bool) {
	if len(entries) > 1 {
		return span{}, false
	}
	e := entries[0]
	if len(e.Versions) > 0 || len(e.Modules) > 0 || len(e.Ranges) != 1 || len(e.Ranges[0].Events) != 2 {
		return span{}, false
	}
	from, to := e.Ranges[0].Events[0], e.Ranges[0].Events[1]
	if from != (model.Event{Introduced: from.Introduced}) || from.Introduced == "" || to != (model.Event{Fixed: to.Fixed}) || to.Fixed == "" {
		return span{}, false
	}
	return span{e.Ranges[0].Type, from.Introduced, to.Fixed}, true
}

func (t *Sheets) span(s span) *span {
	if got, ok := t.spans[s]; ok {
		return got
	}
	if t.spans == nil {
		t.spans = map[span]*span{}
	}
	s = span{t.Text(s.kind), t.Text(s.from), t.Text(s.fixed)}
	t.spans[s] = &s
	return &s
}

// lean returns entries with what verdicts hang on and no more.
func (t *Sheets) lean(entries []*model.Affected) *more {
	if e := entries[0]; len(entries) == 1 && len(e.Versions) == 0 && len(e.Modules) == 0 && len(e.Ranges) == 1 &&
		len(e.Ranges[0].Events) == 1 && e.Ranges[0].Events[0] == (model.Event{Introduced: "0"}) {
		kind := e.Ranges[0].Type
		if t.open[kind] == nil {
			if t.open == nil {
				t.open = map[string]*more{}
			}
			t.open[kind] = &more{always: true, entries: []*model.Affected{{Ranges: []model.Range{{Type: t.Text(kind), Events: []model.Event{{Introduced: "0"}}}}}}}
		}
		return t.open[kind]
	}
	out := make([]*model.Affected, len(entries))
	for i, e := range entries {
		x := &model.Affected{}
		for _, m := range e.Modules {
			x.Modules = append(x.Modules, t.Text(m))
		}
		for _, v := range e.Versions {
			x.Versions = append(x.Versions, t.Text(v))
		}
		for _, r := range e.Ranges {
			r.Type = t.Text(r.Type)
			events := make([]model.Event, 0, len(r.Events))
			for _, ev := range r.Events {
				events = append(events, model.Event{Introduced: t.Text(ev.Introduced), Fixed: t.Text(ev.Fixed), LastAffected: t.Text(ev.LastAffected), Limit: t.Text(ev.Limit)})
			}
			r.Events = events
			x.Ranges = append(x.Ranges, r)
		}
		x.Modules, x.Versions, x.Ranges = slices.Clip(x.Modules), slices.Clip(x.Versions), slices.Clip(x.Ranges)
		out[i] = x
	}
	return &more{entries: out}
}
