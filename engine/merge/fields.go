package merge

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/cvss"
	"github.com/skerryhq/skerry/engine/model"
)

// member is a record of a canonical, with what deciding needs of it.
type member struct {
	*model.Advisory
	fact    bool // it carries only facts
	class   Class
	place   int // in the table of authority; behind all others where it is not there
	several bool
	rating  model.Severity
	vector  string // the vector that gave the rating; empty: a word did
	version int    // of the vector
}

// field is a value that several sources may give, and the rule by which one of them wins. No rule looks at the time at which
// a record was modified: some sources leave it out, and others touch all records at once.
type field struct {
	name  string
	prose bool    // each source has words of its own: that they are not the same is no disagreement
	every bool    // what withdrawn records say is compared as well
	order []Class // who goes first; classes that are not here say nothing about it
	rule  string  // for people
	has   func(m *member) bool
	text  func(m *member) string
	key   func(m *member) string // what is compared; empty: it cannot be compared with the winner's
	// ahead orders two members before order does; nil: it does not.
	ahead func(a, b *member) int
}

var (
	// byAssessor is the order for what is judged of a vulnerability as such.
	byAssessor = []Class{ClassNVD, ClassCNA, ClassReviewed, ClassEcosystem, ClassDistro, ClassOther, ClassDerived}
	// byWriter is the order for what people read: those that write for people first.
	byWriter = []Class{ClassReviewed, ClassEcosystem, ClassCNA, ClassNVD, ClassDistro, ClassOther, ClassFacts, ClassDerived}
	// byRecord is the order for the history of a vulnerability: those that publish it first.
	byRecord = []Class{ClassCNA, ClassNVD, ClassReviewed, ClassEcosystem, ClassDistro, ClassOther, ClassDerived}
	// byCatalog is the order for facts.
	byCatalog = []Class{ClassFacts, ClassCNA, ClassNVD, ClassReviewed, ClassEcosystem, ClassDistro, ClassOther, ClassDerived}
	// byLabel is the order for the weakness behind it; a catalog of facts knows it from the others.
	byLabel = append(slices.Clone(byAssessor), ClassFacts)
)

// fields is every field that is decided, in the order in which it is shown.
var fields = []field{
	{
		name: "summary", prose: true, order: byWriter,
		rule: "the first of: reviewed across ecosystems, the ecosystem's own, the CVE's assigner, NVD, distributions, others",
		has:  func(m *member) bool { return m.Summary != "" },
		text: func(m *member) string { return m.Summary },
		key:  func(m *member) string { return m.Summary },
	},
	{
		name: "severity", order: byAssessor, ahead: aloneFirst,
		rule: "the first of: NVD, the CVE's assigner, reviewed across ecosystems, the ecosystem's own, distributions, others; a rating of several vulnerabilities at once goes last",
		has:  func(m *member) bool { return m.rating != model.SeverityUnknown },
		text: func(m *member) string { return strings.TrimSpace(m.rating.String() + " " + m.vector) },
		key:  func(m *member) string { return m.rating.String() },
	},
	{
		name: "cvss", order: byAssessor, ahead: aloneFirst,
		rule: "the vector of the first of: NVD, the CVE's assigner, reviewed across ecosystems, the ecosystem's own, distributions, others; compared with vectors of the same version of CVSS",
		has:  func(m *member) bool { return m.vector != "" },
		text: func(m *member) string { return m.vector },
		key:  func(m *member) string { return strconv.Itoa(m.version) + " " + strings.Trim(m.vector, "()") },
	},
	{
		name: "published", order: byRecord,
		rule: "the first of: the CVE's assigner, NVD, reviewed across ecosystems, the ecosystem's own, distributions, others; compared by day",
		has:  func(m *member) bool { return !m.Published.IsZero() && !m.fact },
		text: func(m *member) string { return m.Published.String() },
		key:  func(m *member) string { return m.Published.Std().Format("2006-01-02") },
	},
	{
		name: "withdrawn", every: true, order: byAssessor,
		rule: "withdrawn only where each record that is more than facts is withdrawn",
		has:  func(m *member) bool { return !m.fact },
		text: func(m *member) string { return cmp.Or(m.Withdrawn.String(), "in force") },
		key:  func(m *member) string { return strconv.FormatBool(m.Withdrawn.IsZero()) },
		ahead: func(a, b *member) int { // the latest of those withdrawn
			return cmp.Compare(b.Withdrawn, a.Withdrawn)
		},
	},
	{
		name: "cwes", order: byLabel,
		rule: "the first of: NVD, the CVE's assigner, reviewed across ecosystems, the ecosystem's own, distributions, others",
		has:  func(m *member) bool { return len(m.CWEs) > 0 },
		text: func(m *member) string { return strings.Join(m.CWEs, ", ") },
		key:  func(m *member) string { return strings.Join(m.CWEs, ",") },
	},
	{
		name: "known_exploited", order: byCatalog,
		rule: "the catalog of known exploited vulnerabilities, then whoever repeats it",
		has:  func(m *member) bool { return m.Exploit != nil && !m.Exploit.Known.IsZero() },
		text: func(m *member) string {
			s := m.Exploit.Known.Std().Format("2006-01-02")
			if !m.Exploit.Due.IsZero() {
				s += ", to be mended by " + m.Exploit.Due.Std().Format("2006-01-02")
			}
			if m.Exploit.Ransomware {
				s += ", used by ransomware"
			}
			return s
		},
		key: func(m *member) string { return m.Exploit.Known.Std().Format("2006-01-02") },
	},
	{
		name: "probability", order: byCatalog,
		rule: "the score of the latest day",
		has:  func(m *member) bool { return m.Exploit != nil && m.Exploit.Probability > 0 },
		text: func(m *member) string {
			return strconv.FormatFloat(m.Exploit.Probability, 'g', 6, 64) + " on " + m.Exploit.ScoredAt.Std().Format("2006-01-02")
		},
		key: func(m *member) string {
			return m.Exploit.ScoredAt.Std().Format("2006-01-02 ") + strconv.FormatFloat(m.Exploit.Probability, 'g', 6, 64)
		},
		ahead: func(a, b *member) int { return cmp.Compare(b.Exploit.ScoredAt, a.Exploit.ScoredAt) },
	},
}

// aloneFirst puts records that rate one vulnerability before those that rate several at once.
func aloneFirst(a, b *member) int {
	switch {
	case a.several == b.several:
		return 0
	case b.several:
		return -1
	}
	return 1
}

// view is the records of one canonical, made ready.
type view struct {
	id      string
	members []member // by source and id
}

func look(id string, records []model.Advisory) *view {
	v := &view{id: id, members: make([]member, len(records))}
	for i := range records {
		a := &records[i]
		m := member{Advisory: a, class: ClassOther, place: len(speakers)}
		if n, ok := place(a.Source); ok {
			m.class, m.place = speakers[n].class, n
		}
		m.fact = a.Exploit != nil && RecordOf(*a).Fact != ""
		m.several = severalOf(a)
		m.rating, m.vector, m.version = rate(a.Severity)
		if m.rating == model.SeverityUnknown {
			for j := range a.Affected {
				if r, vector, version := rate(a.Affected[j].Severity); r > m.rating || r == m.rating && vector > m.vector {
					m.rating, m.vector, m.version = r, vector, version
				}
			}
		}
		v.members[i] = m
	}
	slices.SortStableFunc(v.members, func(a, b member) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) })
	return v
}

// severalOf reports whether a speaks of several CVEs at once.
func severalOf(a *model.Advisory) bool {
	first := ""
	for _, list := range [...][]string{{a.ID}, a.Aliases, a.Upstream} {
		for _, id := range list {
			if !model.IsCVE(id) {
				continue
			}
			if f := Fold(id); first == "" {
				first = f
			} else if f != first {
				return true
			}
		}
	}
	return false
}

// rate returns the rating by the newest CVSS version among scores, the highest of several, by a source's own word where there
// is no vector.
func rate(scores []model.Score) (rating model.Severity, vector string, version int) {
	rating = model.SeverityUnknown
	for _, s := range scores {
		rated, n := model.SeverityUnknown, 0
		if strings.HasPrefix(s.Type, "CVSS_V") {
			_, n = cvss.Score(s.Score)
			rated = model.SeverityNamed(cvss.Rating(s.Score))
		} else {
			rated = model.SeverityNamed(strings.ToLower(s.Score))
		}
		if rated == model.SeverityUnknown || n < version || n == version && rated <= rating {
			continue
		}
		rating, vector, version = rated, "", n
		if n > 0 {
			vector = s.Score
		}
	}
	return rating, vector, version
}

// sorted returns the members that have the field, the winner first.
func (v *view) sorted(f *field) []*member {
	var out []*member
	for i := range v.members {
		if m := &v.members[i]; f.has(m) && slices.Contains(f.order, m.class) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b *member) int {
		if a.Withdrawn.IsZero() != b.Withdrawn.IsZero() {
			if a.Withdrawn.IsZero() {
				return -1
			}
			return 1
		}
		if f.ahead != nil {
			if c := f.ahead(a, b); c != 0 {
				return c
			}
		}
		return cmp.Or(
			cmp.Compare(slices.Index(f.order, a.class), slices.Index(f.order, b.class)),
			cmp.Compare(a.place, b.place),
			a.AdvisoryKey.Compare(b.AdvisoryKey))
	})
	return out
}

// agrees reports whether what m says of a field is what the winner says.
func (f *field) agrees(won, m *member) bool {
	if f.name == "cvss" && won.version != m.version {
		return true // another scale
	}
	return f.key(won) == f.key(m)
}

// counts reports whether m's word can contradict the winner's: a withdrawn record's cannot, unless all are withdrawn.
func (f *field) counts(won, m *member) bool {
	return f.every || m.Withdrawn.IsZero() || !won.Withdrawn.IsZero()
}

// decide returns who wins the field, nil where nobody says anything, and whether the others agree.
func (v *view) decide(f *field) (won *member, differs bool) {
	all := v.sorted(f)
	if len(all) == 0 {
		return nil, false
	}
	for _, m := range all[1:] {
		differs = differs || f.counts(all[0], m) && !f.agrees(all[0], m)
	}
	return all[0], differs
}

// withdrawn returns since when the whole is withdrawn; zero: it is not.
func (v *view) withdrawn() model.Time {
	var at model.Time
	for i := range v.members {
		m := &v.members[i]
		if m.fact {
			continue
		}
		if m.Withdrawn.IsZero() {
			return 0
		}
		at = max(at, m.Withdrawn)
	}
	return at
}
