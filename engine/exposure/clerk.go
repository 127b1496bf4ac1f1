package exposure

import (
	"slices"

	"github.com/skerryhq/skerry/engine/model"
)

// Clerk holds versions against sheets: the jury of Judge, without ratings. It is used by one goroutine.
type Clerk struct {
	m      *Matcher
	spoken func(id string) bool
	use    scratch
}

// NewClerk returns a Clerk. speaking returns the records that have a statement of a vulnerability; it is asked where spoken says that
// there may be one.
func NewClerk(speaking func(id string) ([]model.Advisory, error), spoken func(id string) bool) *Clerk {
	return &Clerk{m: NewMatcher(speakers{speaking, spoken}), spoken: spoken}
}

// speakers is the shelf of a Clerk: all that is asked of it is who speaks of a vulnerability.
type speakers struct {
	speaking func(id string) ([]model.Advisory, error)
	spoken   func(id string) bool
}

func (s speakers) AdvisoriesFor(string, string, func(model.Advisory) error) error { return nil }

func (s speakers) AdvisoriesNaming(id string) ([]model.Advisory, error) {
	if !s.spoken(id) {
		return nil, nil
	}
	return s.speaking(id)
}

// Opinion is what one record means for a version. It is a model.Finding without what goes for all of them.
type Opinion struct {
	*Record
	Vulnerability string
	Fixed, Reason string
	Verdict       model.Verdict
}

// Before orders opinions of one version: what affects it is before what only may, then as findings are listed.
func (o *Opinion) Before(x *Opinion) bool {
	if (o.Verdict == model.VerdictAffected) != (x.Verdict == model.VerdictAffected) {
		return o.Verdict == model.VerdictAffected
	}
	if o.Vulnerability != x.Vulnerability {
		return o.Vulnerability < x.Vulnerability
	}
	return o.key.Compare(x.key) < 0
}

// Judge calls fn with what the records on s mean for a version of its package, in no order. A record that says the very same of several
// vulnerabilities may be heard of the first alone.
func (c *Clerk) Judge(s *Sheet, version string, fn func(Opinion)) error {
	f := familyOf(s.Ecosystem)
	j := juror{m: c.m, l: model.Lookup{Ecosystem: s.Ecosystem, Name: s.Name, Version: version}, family: f}
	place, placed := s.place(&c.m.versions, version)
	var by []*Record // of j.found
	for i := range s.mentions {
		m := &s.mentions[i]
		if placed && m.reach != undecided {
			fixed, found := m.at(place, f, version)
			switch {
			case !found:
			case fixed != "" && !slices.ContainsFunc(m.rec.ids, c.spoken):
				fn(Opinion{m.rec, m.rec.ids[0], fixed, "", model.VerdictAffected})
			default: // others may contradict it
				for _, id := range m.rec.ids {
					j.found, by = append(j.found, model.Finding{Advisory: m.rec.key, Vulnerability: id, Fixed: fixed, Verdict: model.VerdictAffected}), append(by, m.rec)
				}
			}
			continue
		}
		if err := j.judge(c.use.naming(m)); err != nil {
			return err
		}
		for len(by) < len(j.found) {
			by = append(by, m.rec)
		}
	}
	open := map[string]bool{} // affected, and nobody says the fix
	for i := range j.found {
		if x := &j.found[i]; x.Verdict == model.VerdictAffected && x.Fixed == "" {
			open[x.Vulnerability] = true
		}
	}
	if len(open) > 0 {
		j.contradict(s.about(open))
	}
	if err := j.hear(); err != nil {
		return err
	}
	for i := range j.found {
		x := &j.found[i]
		fn(Opinion{by[i], x.Vulnerability, x.Fixed, x.Reason, x.Verdict})
	}
	return nil
}

// about returns the records on s that are about one of some vulnerabilities and no other, by that.
func (s *Sheet) about(some map[string]bool) map[string][]*naming {
	var records []*naming
	for i := range s.mentions {
		m := &s.mentions[i]
		if slices.ContainsFunc(m.rec.whole, func(id string) bool { return some[id] }) {
			records = append(records, new(scratch).naming(m))
		}
	}
	slices.SortFunc(records, func(a, b *naming) int { return a.key.Compare(b.key) }) // the first that disagrees is named
	out := map[string][]*naming{}
	for _, r := range records {
		for _, id := range r.whole {
			out[id] = append(out[id], r)
		}
	}
	return out
}

// scratch is room for a mention as Judge wants it.
type scratch struct {
	n       naming
	entry   model.Affected
	span    [1]model.Range
	events  [2]model.Event
	entries [1]*model.Affected
}

// naming returns m as Judge wants it, until the next call.
func (x *scratch) naming(m *mention) *naming {
	x.n = naming{key: m.rec.key, ids: m.rec.ids, whole: m.rec.whole}
	if m.span == nil {
		x.n.entries = m.more.entries
	} else {
		x.events = [2]model.Event{{Introduced: m.span.from}, {Fixed: m.span.fixed}}
		x.span[0] = model.Range{Type: m.span.kind, Events: x.events[:]}
		x.entry.Ranges = x.span[:]
		x.entries[0] = &x.entry
		x.n.entries = x.entries[:]
	}
	return &x.n
}
