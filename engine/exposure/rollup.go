package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// topN is how many vulnerabilities a roll-up names.
const topN = 20

// Rollup sums the matches of a site's inventories. It is used by one goroutine.
type Rollup struct {
	byID      map[string]*model.TopEntry
	uncertain map[model.Finding]struct{}
	affected  int
	matched   int
}

// NewRollup returns an empty roll-up.
func NewRollup() *Rollup {
	return &Rollup{byID: map[string]*model.TopEntry{}, uncertain: map[model.Finding]struct{}{}}
}

// Add counts the match of one inventory that so many hosts have. Each inventory is added once; its
// findings are sorted by vulnerability, as Match gives them. One without hosts counts nothing.
func (r *Rollup) Add(m model.Match, hosts int) {
	if hosts <= 0 {
		return
	}
	r.matched += hosts
	sure := false
	eachVulnerability(m.Findings, func(id string, worst model.Severity, _ int) {
		if worst == 0 {
			return
		}
		sure = true
		e := r.byID[id]
		if e == nil {
			e = &model.TopEntry{Vulnerability: id}
			r.byID[id] = e
		}
		e.Severity = max(e.Severity, worst)
		e.Hosts += hosts
	})
	if sure {
		r.affected += hosts
	}
	for _, f := range m.Findings {
		if f.Verdict == model.VerdictUnknown {
			r.uncertain[f] = struct{}{}
		}
	}
}

// Result returns the roll-up: the counts of distinct vulnerabilities (and of distinct uncertain
// findings) over all inventories, the hosts with at least one sure finding, the hosts added, and the top
// vulnerabilities by severity, then hosts, then name. Site, time and generation are left to the caller.
func (r *Rollup) Result() model.Exposure {
	out := model.Exposure{AffectedHosts: r.affected, MatchedHosts: r.matched}
	top := make([]model.TopEntry, 0, len(r.byID))
	for _, e := range r.byID {
		top = append(top, *e)
	}
	for _, e := range top {
		out.Counts.Add(e.Severity)
	}
	out.Counts.Uncertain = len(r.uncertain)
	slices.SortFunc(top, func(a, b model.TopEntry) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Hosts, a.Hosts), strings.Compare(a.Vulnerability, b.Vulnerability))
	})
	out.Top = slices.Clone(top[:min(topN, len(top))])
	return out
}

// FixableN returns how many distinct installed packages (name and version) have a sure finding that a
// known version fixes: the pending updates that would make a difference.
func FixableN(findings []model.Finding) int {
	type installed struct{ name, version string }
	seen := map[installed]bool{}
	for _, f := range findings {
		if f.Verdict == model.VerdictAffected && f.Fixed != "" {
			seen[installed{f.Package, f.Version}] = true
		}
	}
	return len(seen)
}
