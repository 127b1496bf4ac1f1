package merge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Resolved is a canonical with its fields decided, and why: what `get` and `explain` show.
type Resolved struct {
	ID         string
	Hash       string
	Head       model.CanonicalHead
	Members    []Joined   // by source and id
	Fields     []Field    // those that somebody says something about
	Ecosystems []Speaking // by name
	Aliases    []Name     // every identifier of the vulnerability, and who gives it; by identifier
	Related    []Name     // upstream and related identifiers: shown, never joined; by identifier
}

// Differences returns the fields in which sources contradict each other, each with every value that was given.
func (r *Resolved) Differences() []Field {
	var out []Field
	for _, f := range r.Fields {
		if f.Differs {
			out = append(out, f)
		}
	}
	return out
}

// Joined is a record of a canonical, and why it belongs to it.
type Joined struct {
	model.Edge
	Why       string     // a sentence
	Class     Class      // of the source
	Fact      bool       // it carries facts only
	Withdrawn model.Time // zero: it is in force
}

// Field is a value, who gave it, and what all others say.
type Field struct {
	Name    string // summary, severity, cvss, published, withdrawn, cwes, known_exploited, probability
	Value   string // as people read it
	From    model.AdvisoryKey
	Rule    string // by which it won
	Said    []Said // of every record that says something, the winner first
	Differs bool   // somebody contradicts the winner; never for a summary, where each has its own words
}

// Said is what one record says of a field.
type Said struct {
	model.AdvisoryKey
	Value  string
	Agrees bool // with the winner
	// Withdrawn says that the record is: it contradicts nobody, unless all are.
	Withdrawn bool
}

// Speaking is who speaks for an ecosystem about this vulnerability.
type Speaking struct {
	Ecosystem string            // without release
	From      model.AdvisoryKey // the authority for it that has a record; zero: nobody with authority speaks
	Severity  model.Severity    // as the authority rates it there; unknown: it does not
	Said      []SpokenFor       // by precedence
}

// SpokenFor is a record that names packages of an ecosystem.
type SpokenFor struct {
	model.AdvisoryKey
	Severity model.Severity // for this ecosystem
	Outside  bool           // it has no authority there: shown, never matched
}

// Name is an identifier, and the records that give it.
type Name struct {
	ID   string
	From []model.AdvisoryKey // by source and id
}

// String returns the name of the class for people.
func (c Class) String() string {
	switch c {
	case ClassNVD:
		return "NVD"
	case ClassCNA:
		return "CVE assigner"
	case ClassReviewed:
		return "reviewed database"
	case ClassEcosystem:
		return "ecosystem database"
	case ClassDistro:
		return "distribution"
	case ClassFacts:
		return "facts"
	case ClassDerived:
		return "derived"
	}
	return "other"
}

// Resolve decides every field of c among members, the records that its edges name, in whatever order. A record that is not
// among members is listed and says nothing.
func Resolve(c model.Canonical, members []model.Advisory) Resolved {
	v := look(c.ID, members)
	r := Resolved{ID: c.ID, Hash: c.Hash, Head: Head(c.ID, members)}
	for _, e := range c.Members {
		j := Joined{Edge: e, Why: why(c.ID, e), Class: ClassOf(e.Source)}
		if m := v.find(e.AdvisoryKey); m != nil {
			j.Fact, j.Withdrawn = m.fact, m.Withdrawn
		}
		r.Members = append(r.Members, j)
	}
	for i := range fields {
		f := &fields[i]
		all := v.sorted(f)
		if len(all) == 0 {
			continue
		}
		won := all[0]
		to := Field{Name: f.name, Value: f.text(won), From: won.AdvisoryKey, Rule: f.rule}
		for _, m := range all {
			to.Said = append(to.Said, Said{AdvisoryKey: m.AdvisoryKey, Value: f.text(m), Agrees: f.agrees(won, m), Withdrawn: !m.Withdrawn.IsZero()})
			to.Differs = to.Differs || !f.prose && f.counts(won, m) && !f.agrees(won, m)
		}
		r.Fields = append(r.Fields, to)
	}
	r.Ecosystems = v.ecosystems()
	r.Aliases = v.names(func(m *member) []string {
		if m.fact {
			return nil
		}
		plain, _, _ := strings.Cut(m.ID, "~")
		return append([]string{plain}, m.Aliases...)
	})
	r.Related = v.names(func(m *member) []string { return append(slices.Clone(m.Upstream), m.Related...) })
	r.Related = slices.DeleteFunc(r.Related, func(n Name) bool { return Fold(n.ID) == Fold(c.ID) })
	return r
}

func (v *view) find(k model.AdvisoryKey) *member {
	for i := range v.members {
		if v.members[i].AdvisoryKey == k {
			return &v.members[i]
		}
	}
	return nil
}

// why says in a sentence why a record belongs to its canonical.
func why(id string, e model.Edge) string {
	switch e.Reason {
	case model.EdgeID:
		return "its own id is " + id
	case model.EdgeAlias:
		return "it names " + id + " as an alias"
	case model.EdgeVia:
		return "it shares the alias " + e.Via + " with a record of " + id
	case model.EdgeGuard:
		if e.Via == "" {
			return "its aliases join more records than one vulnerability can have, so it stands alone"
		}
		return "its aliases would join several vulnerabilities (" + e.Via + " is one), so it stands alone"
	case model.EdgeFact:
		return "it carries facts about " + e.Via
	}
	return "no other record has an alias in common with it"
}

// ecosystems says who speaks for each ecosystem that a member names packages of.
func (v *view) ecosystems() []Speaking {
	at := map[string]int{}
	var out []Speaking
	for i := range v.members {
		m := &v.members[i]
		for j := range m.Affected {
			b := base(m.Affected[j].Ecosystem)
			if _, ok := at[b]; !ok {
				at[b] = len(out)
				out = append(out, Speaking{Ecosystem: b, Severity: model.SeverityUnknown})
			}
		}
	}
	slices.SortFunc(out, func(a, b Speaking) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
	for i := range out {
		v.speak(&out[i])
	}
	return out
}

// speak gathers who names packages of s.Ecosystem, by precedence: in force before withdrawn, with authority before without,
// then in the order of the table.
func (v *view) speak(s *Speaking) {
	type voice struct {
		m *member
		SpokenFor
	}
	var all []voice
	for i := range v.members {
		x := voice{m: &v.members[i], SpokenFor: SpokenFor{AdvisoryKey: v.members[i].AdvisoryKey, Severity: model.SeverityUnknown, Outside: true}}
		named := false
		for j := range x.m.Affected {
			if e := &x.m.Affected[j]; base(e.Ecosystem) == s.Ecosystem {
				rated, _, _ := rate(e.Severity)
				named, x.Outside, x.Severity = true, x.Outside && e.Outside, max(x.Severity, rated)
			}
		}
		if !named {
			continue
		}
		if x.Severity == model.SeverityUnknown {
			x.Severity, _, _ = rate(x.m.Severity)
		}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b voice) int {
		return cmp.Or(
			later(!a.m.Withdrawn.IsZero(), !b.m.Withdrawn.IsZero()), later(a.Outside, b.Outside),
			cmp.Compare(a.m.place, b.m.place), a.AdvisoryKey.Compare(b.AdvisoryKey))
	})
	for _, x := range all {
		s.Said = append(s.Said, x.SpokenFor)
		if s.From == (model.AdvisoryKey{}) && !x.Outside && x.m.Withdrawn.IsZero() {
			s.From = x.AdvisoryKey
		}
		if s.Severity == model.SeverityUnknown && !x.Outside && x.m.Withdrawn.IsZero() {
			s.Severity = x.Severity
		}
	}
}

// later orders what is true after what is not.
func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// names gathers the identifiers that of returns, each once in whatever case, with who gives it.
func (v *view) names(of func(m *member) []string) []Name {
	at := map[string]int{}
	var out []Name
	for i := range v.members {
		m := &v.members[i]
		for _, id := range of(m) {
			n, ok := at[Fold(id)]
			if !ok {
				n = len(out)
				at[Fold(id)] = n
				out = append(out, Name{ID: id})
			}
			if x := &out[n]; !slices.Contains(x.From, m.AdvisoryKey) {
				x.From = append(x.From, m.AdvisoryKey)
			}
		}
	}
	slices.SortFunc(out, func(a, b Name) int { return strings.Compare(a.ID, b.ID) })
	return out
}
