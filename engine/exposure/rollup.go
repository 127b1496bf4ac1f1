package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// topN is how many vulnerabilities a roll-up names.
const topN = 20

// Summary is what a roll-up takes from the findings of one inventory, in a few bytes for each vulnerability. It is read
// with the Summaries that made it.
type Summary struct {
	sure      []uint32 // the vulnerability's place in Summaries.names << severityBits, and its severity
	uncertain []uint32 // places in Summaries.uncertain
}

const severityBits = 3

// Len returns how many entries a Summary keeps, of four bytes each.
func (s Summary) Len() int { return len(s.sure) + len(s.uncertain) }

// Summaries makes summaries, and keeps each name in them once. It is used by one goroutine.
type Summaries struct {
	at        map[string]uint32
	names     []string
	uncertain map[doubted]uint32
}

// doubted is what tells one finding of verdict unknown from others.
type doubted struct {
	vulnerability, pkg, source, version string
	advisory                            model.AdvisoryKey
}

// NewSummaries returns Summaries that have seen nothing.
func NewSummaries() *Summaries {
	return &Summaries{at: map[string]uint32{}, uncertain: map[doubted]uint32{}}
}

// Of returns the summary of findings sorted by vulnerability, as Match gives them. It keeps nothing of them but names.
func (s *Summaries) Of(found []model.Finding) Summary {
	var out Summary
	eachVulnerability(found, func(id string, worst model.Severity, _ int) {
		if worst == 0 {
			return
		}
		n, ok := s.at[id]
		if !ok {
			n = uint32(len(s.names))
			s.names = append(s.names, id)
			s.at[id] = n
		}
		out.sure = append(out.sure, n<<severityBits|uint32(min(worst, 1<<severityBits-1)))
	})
	for _, f := range found {
		if f.Verdict != model.VerdictUnknown {
			continue
		}
		k := doubted{f.Vulnerability, f.Package, f.Source, f.Version, f.Advisory}
		n, ok := s.uncertain[k]
		if !ok {
			n = uint32(len(s.uncertain))
			s.uncertain[k] = n
		}
		out.uncertain = append(out.uncertain, n)
	}
	out.sure, out.uncertain = slices.Clip(out.sure), slices.Clip(out.uncertain)
	return out
}

// Rollup returns an empty roll-up of summaries that s made.
func (s *Summaries) Rollup() *Rollup { return &Rollup{of: s, uncertain: map[uint32]struct{}{}} }

// Rollup sums the matches of a site's inventories. It is used by one goroutine.
type Rollup struct {
	of        *Summaries
	sums      []sum // by the place of the vulnerability's name
	uncertain map[uint32]struct{}
	affected  int
	matched   int
}

// sum is what is known of one vulnerability; no hosts: it was not seen.
type sum struct {
	severity model.Severity
	hosts    int
}

// NewRollup returns an empty roll-up with summaries of its own.
func NewRollup() *Rollup { return NewSummaries().Rollup() }

// Add counts the match of one inventory that so many hosts have. Each inventory is added once; its
// findings are sorted by vulnerability, as Match gives them. One without hosts counts nothing.
func (r *Rollup) Add(m model.Match, hosts int) {
	if hosts > 0 {
		r.AddSummary(r.of.Of(m.Findings), hosts)
	}
}

// AddSummary is Add with the summary of the match.
func (r *Rollup) AddSummary(s Summary, hosts int) {
	if hosts <= 0 {
		return
	}
	r.matched += hosts
	if len(s.sure) > 0 {
		r.affected += hosts
	}
	if n := len(r.of.names); len(r.sums) < n {
		r.sums = append(r.sums, make([]sum, n-len(r.sums))...)
	}
	for _, v := range s.sure {
		e := &r.sums[v>>severityBits]
		e.severity = max(e.severity, model.Severity(v&(1<<severityBits-1)))
		e.hosts += hosts
	}
	for _, n := range s.uncertain {
		r.uncertain[n] = struct{}{}
	}
}

// Result returns the roll-up: the counts of distinct vulnerabilities (and of distinct uncertain
// findings) over all inventories, the hosts with at least one sure finding, the hosts added, and the top
// vulnerabilities by severity, then hosts, then name. Site, time and generation are left to the caller.
func (r *Rollup) Result() model.Exposure {
	out := model.Exposure{AffectedHosts: r.affected, MatchedHosts: r.matched}
	var top []model.TopEntry
	for i, e := range r.sums {
		if e.hosts > 0 {
			top = append(top, model.TopEntry{Vulnerability: r.of.names[i], Severity: e.severity, Hosts: e.hosts})
		}
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
