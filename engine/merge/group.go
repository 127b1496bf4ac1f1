package merge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// The guards. What is beyond them is grouped as if it had no aliases.
const (
	// MaxHaving is how many records one identity may join: the first by source and id.
	MaxHaving = 512
	// MaxFree is how many records without any CVE one chain of aliases may join.
	MaxFree = 64
	// MaxAround is how many records are looked at around one change.
	MaxAround = 4096
)

// Names finds records by their identities.
type Names interface {
	// Having returns the first records, by source and id, one of whose Identities is the folded identity; at most most.
	Having(identity string, most int) ([]Record, error)
}

// Group is one canonical and the records in it.
type Group struct {
	ID      string // the chief identity, as the first record that has it writes it; a CVE in upper case
	Members []model.Edge
}

// Regroup returns the groups of all records around the identities: those that have one of them, and whoever aliases join to
// those. To bring stored groups up to date after a change, pass the identities of the record as it was and as it is.
// Groups are sorted by id, and their members by source and id. Errors are those of names.
func Regroup(names Names, identities []string) ([]Group, error) {
	records, err := around(names, identities)
	if err != nil {
		return nil, err
	}
	return group(records), nil
}

// anchor returns the identity that decides alone where r belongs: its own id where that is a CVE, its only CVE, the CVE that its
// facts are about, or, where it names several CVEs, its own id (guarded). Empty: its aliases decide.
func (r *Record) anchor() (id string, guarded string) {
	if r.Fact != "" {
		return r.Fact, ""
	}
	var cves []string
	for i, id := range r.IDs {
		if !IsCVE(id) {
			continue
		}
		if i == 0 {
			return Fold(id), ""
		}
		cves = append(cves, Fold(id))
	}
	switch len(cves) {
	case 0:
		return "", ""
	case 1:
		return cves[0], ""
	}
	return Fold(r.IDs[0]), slices.Min(cves)
}

// joins returns the folded identities by which r may be joined to others.
func (r *Record) joins() []string {
	at, guarded := r.anchor()
	if guarded != "" || r.Fact != "" {
		return []string{at}
	}
	out := make([]string, 0, len(r.IDs))
	for _, id := range r.IDs {
		if f := Fold(id); f == at || !IsCVE(id) {
			out = append(out, f)
		}
	}
	return out
}

// around gathers the records that identities reach, sorted by source and id.
func around(names Names, identities []string) ([]Record, error) {
	seen := map[string]bool{}
	found := map[model.AdvisoryKey]Record{}
	var next []string
	want := func(ids []string) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				next = append(next, id)
			}
		}
	}
	want(identities)
	slices.Sort(next)
	for len(next) > 0 && len(found) < MaxAround {
		id := next[0]
		next = next[1:]
		records, err := names.Having(id, MaxHaving)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if _, ok := found[r.AdvisoryKey]; !ok {
				found[r.AdvisoryKey] = r
				want(r.joins())
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Record) int { return compareKeys(a.AdvisoryKey, b.AdvisoryKey) }), nil
}

func compareKeys(a, b model.AdvisoryKey) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.ID, b.ID))
}

// grouping is one run of group.
type grouping struct {
	records []Record
	groups  map[string]*Group // by folded id
	anchors map[string][]string
}

// group joins records, which are sorted by source and id.
func group(records []Record) []Group {
	g := &grouping{records: records, groups: map[string]*Group{}, anchors: map[string][]string{}}
	var free []*Record
	for i := range records {
		r := &records[i]
		at, guarded := r.anchor()
		if at == "" {
			free = append(free, r)
			continue
		}
		switch {
		case r.Fact != "":
			g.join(at, r, model.EdgeFact, at)
		case guarded != "":
			g.join(at, r, model.EdgeGuard, guarded)
		case Fold(r.IDs[0]) == at:
			g.join(at, r, model.EdgeID, at)
		default:
			g.join(at, r, model.EdgeAlias, at)
		}
		for _, id := range r.joins() {
			if !slices.Contains(g.anchors[id], at) {
				g.anchors[id] = append(g.anchors[id], at)
			}
		}
	}
	for _, chain := range chains(free) {
		g.settle(chain)
	}
	out := make([]Group, 0, len(g.groups))
	for _, id := range slices.Sorted(maps.Keys(g.groups)) {
		x := g.groups[id]
		slices.SortFunc(x.Members, func(a, b model.Edge) int { return compareKeys(a.AdvisoryKey, b.AdvisoryKey) })
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Group) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// join puts r into the group with that folded id.
func (g *grouping) join(id string, r *Record, why model.EdgeReason, via string) {
	x := g.groups[id]
	if x == nil {
		x = &Group{ID: id}
		g.groups[id] = x
	}
	if !IsCVE(id) { // shown as the first record has it
		for _, own := range r.IDs {
			if Fold(own) == id && (x.ID == id || own < x.ID) {
				x.ID = own
			}
		}
	}
	x.Members = append(x.Members, model.Edge{AdvisoryKey: r.AdvisoryKey, Reason: why, Via: via})
}

// reach returns the anchors that r is directly joined to, and by which identity first.
func (g *grouping) reach(r *Record) (anchors []string, via string) {
	for _, id := range r.IDs {
		for _, at := range g.anchors[Fold(id)] {
			if !slices.Contains(anchors, at) {
				if len(anchors) == 0 {
					via = id
				}
				anchors = append(anchors, at)
			}
		}
	}
	slices.Sort(anchors)
	return anchors, via
}

// settle finds the group of records without a CVE that aliases join to each other.
func (g *grouping) settle(chain []*Record) {
	var all []string
	for _, r := range chain {
		at, _ := g.reach(r)
		all = append(all, at...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	switch {
	case len(chain) > MaxFree || len(all) > 1:
		// Joined whole they would make one vulnerability of several: each goes where it alone points, or stands alone.
		for _, r := range chain {
			at, via := g.reach(r)
			switch {
			case len(at) == 1:
				g.join(at[0], r, reason(at[0], via), via)
			case len(at) > 1:
				g.join(Fold(r.IDs[0]), r, model.EdgeGuard, at[0])
			case len(all) > 0:
				g.join(Fold(r.IDs[0]), r, model.EdgeGuard, all[0])
			default:
				g.join(Fold(r.IDs[0]), r, model.EdgeGuard, "")
			}
		}
	case len(all) == 1:
		for _, r := range chain {
			_, via := g.reach(r)
			if via == "" {
				via = shared(r, chain)
			}
			g.join(all[0], r, reason(all[0], via), via)
		}
	default:
		chief := chiefOf(chain)
		for _, r := range chain {
			switch {
			case len(chain) == 1:
				g.join(chief, r, model.EdgeAlone, "")
			case Fold(r.IDs[0]) == chief:
				g.join(chief, r, model.EdgeID, chief)
			default:
				via := shared(r, chain)
				if slices.ContainsFunc(r.IDs, func(id string) bool { return Fold(id) == chief }) {
					via = chief
				}
				g.join(chief, r, reason(chief, via), via)
			}
		}
	}
}

func reason(id, via string) model.EdgeReason {
	if Fold(via) == id {
		return model.EdgeAlias
	}
	return model.EdgeVia
}

// shared returns the first identity that r has in common with another record of the chain.
func shared(r *Record, chain []*Record) string {
	for _, id := range r.IDs {
		for _, other := range chain {
			if other != r && slices.ContainsFunc(other.IDs, func(x string) bool { return Fold(x) == Fold(id) }) {
				return id
			}
		}
	}
	return ""
}

// chiefOf returns the folded identity that a group without a CVE is known by: one of GitHub's, which several sources
// point to, before all others; else the first in byte order among ids that are the records' own.
func chiefOf(chain []*Record) string {
	best := ""
	better := func(id string) bool {
		a, b := strings.HasPrefix(id, "GHSA-"), strings.HasPrefix(best, "GHSA-")
		return best == "" || a && !b || a == b && id < best
	}
	for _, r := range chain {
		for i, id := range r.IDs {
			if f := Fold(id); (i == 0 || strings.HasPrefix(f, "GHSA-")) && better(f) {
				best = f
			}
		}
	}
	return best
}

// chains splits records into those that share identities, directly or through others, each in the order of records.
func chains(records []*Record) [][]*Record {
	parent := make([]int, len(records))
	var root func(i int) int
	root = func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[string]int{}
	for i, r := range records {
		parent[i] = i
		for _, id := range r.IDs {
			f := Fold(id)
			j, ok := first[f]
			if !ok {
				first[f] = i
				continue
			}
			a, b := root(i), root(j)
			parent[max(a, b)] = min(a, b)
		}
	}
	at := map[int]int{}
	var out [][]*Record
	for i, r := range records {
		p := root(i)
		n, ok := at[p]
		if !ok {
			n = len(out)
			at[p] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], r)
	}
	return out
}
