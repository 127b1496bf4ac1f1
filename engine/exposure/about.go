package exposure

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// about is what all records that name one vulnerability say of it.
type about struct {
	alone, shared rating // of records about this vulnerability only, and of others: those may be another's
	statements    []statement
}

// rating is the highest severity that some records give, and which do.
type rating struct {
	severity model.Severity
	by       []model.AdvisoryKey
}

func (r *rating) add(s model.Severity, by model.AdvisoryKey) {
	r.severity = max(r.severity, s)
	if len(r.by) < leansMax {
		r.by = append(r.by, by)
	}
}

// leansMax bounds the records that are remembered as rating one vulnerability.
const leansMax = 16

// severity rates the vulnerability id as advisory a has it, and names the other records that this hangs on. An advisory's own
// rating comes first where it is about this one alone; a rating of several at once is an upper bound, so what others say about
// this one alone goes before it.
func (m *Matcher) severity(a *model.Advisory, entries []*model.Affected, id string, alone bool) (model.Severity, []model.AdvisoryKey, error) {
	own := model.SeverityUnknown
	for _, e := range entries {
		own = max(own, SeverityOf(e.Severity))
	}
	if own == model.SeverityUnknown {
		own = SeverityOf(a.Severity)
	}
	if alone && own != model.SeverityUnknown {
		return own, nil, nil
	}
	r, err := m.about(id)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case r.alone.severity != model.SeverityUnknown:
		return r.alone.severity, r.alone.by, nil
	case own != model.SeverityUnknown:
		return own, nil, nil
	}
	return r.shared.severity, r.shared.by, nil
}

// about returns what all records say of the vulnerability id.
func (m *Matcher) about(id string) (*about, error) {
	if r, known := m.names[id]; known {
		return r, nil
	}
	named, err := m.shelf.AdvisoriesNaming(id)
	if err != nil {
		return nil, err
	}
	r := gather(named, id)
	if len(m.names) >= namesMax {
		clear(m.names)
	}
	m.names[id] = r
	return r, nil
}

func gather(named []model.Advisory, id string) *about {
	r := &about{alone: rating{severity: model.SeverityUnknown}, shared: rating{severity: model.SeverityUnknown}}
	for i := range named {
		a := &named[i]
		if !a.Withdrawn.IsZero() {
			continue
		}
		r.statements = appendStatements(r.statements, a, id)
		s := SeverityOf(a.Severity)
		for _, e := range a.Affected {
			s = max(s, SeverityOf(e.Severity))
		}
		if s == model.SeverityUnknown {
			continue
		}
		if len(Identifiers(*a)) == 1 {
			r.alone.add(s, a.AdvisoryKey)
		} else {
			r.shared.add(s, a.AdvisoryKey)
		}
	}
	return r
}

// Rates reports whether a says anything of the vulnerabilities that it names, by which findings of other records may change.
func Rates(a *model.Advisory) bool {
	if len(a.Severity) > 0 || len(a.Statements) > 0 {
		return true
	}
	for i := range a.Affected {
		if len(a.Affected[i].Severity) > 0 {
			return true
		}
	}
	return false
}

// Named returns every vulnerability that findings of other records may have, and that a may rate or speak of: its own id, aliases,
// upstream and related ids, CVEs in upper case.
func Named(a *model.Advisory) []string {
	own, _, _ := strings.Cut(a.ID, "~")
	out := []string{own}
	for _, list := range [][]string{a.Aliases, a.Upstream, a.Related} {
		out = append(out, list...)
	}
	for i, id := range out {
		if model.IsCVE(id) {
			out[i] = strings.ToUpper(id)
		}
	}
	return out
}
