package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// apart stands between the id of a record that may not even share its own id, and its source. Ids of records have no such
// part (see RecordOf), and no chief is chosen that has one.
const apart = "~"

// grouping is one run of group.
type grouping struct {
	guards
	groups  map[string]*Group   // by folded id
	anchors map[string][]string // by identity: the smallest two ids of the groups that it points to
	free    []freed             // records without a CVE that go to a group with an anchor
}

// entry is a record and the identities by which it may be joined, those beyond the guard left out.
type entry struct {
	*Record
	ids []string // folded; the order of joins
	own bool     // whether its own id is among them
}

// freed is a record without a CVE that a group with an anchor takes.
type freed struct {
	entry
	at  string
	via string
}

// group joins records, which are sorted by source and id. The records must be all those that have an identity in common with
// one of them, or the answer is only right for the groups that are whole.
func (lim guards) group(records []Record) []Group {
	g := &grouping{guards: lim, groups: map[string]*Group{}, anchors: map[string][]string{}}
	var free []entry
	ranks := map[string]int{}
	for i := range records {
		r := &records[i]
		e := entry{Record: r}
		for n, id := range r.joins() {
			if ranks[id]++; ranks[id] <= lim.having {
				e.ids = append(e.ids, id)
				e.own = e.own || n == 0 && id == Fold(r.IDs[0])
			}
		}
		at, guarded := r.anchor()
		switch {
		case at == "":
			free = append(free, e)
			continue
		case !slices.Contains(e.ids, at):
			g.join(e.lone(), r, model.EdgeGuard, "") // there are too many of that CVE
			continue
		case r.Fact != "":
			g.join(at, r, model.EdgeFact, at)
		case guarded != "":
			g.join(at, r, model.EdgeGuard, guarded)
		case Fold(r.IDs[0]) == at:
			g.join(at, r, model.EdgeID, at)
		default:
			g.join(at, r, model.EdgeAlias, at)
		}
		for _, id := range e.ids {
			g.anchors[id] = smallest(g.anchors[id], at)
		}
	}
	for _, chain := range chains(free) {
		g.settle(chain)
	}
	g.admit()
	return g.sorted(records)
}

// smallest returns the smallest two of list and id: that there are two is all that is asked, and which of them is named.
func smallest(list []string, id string) []string {
	if slices.Contains(list, id) {
		return list
	}
	list = append(list, id)
	slices.Sort(list)
	return list[:min(len(list), 2)]
}

// join puts r into the group with that folded id.
func (g *grouping) join(id string, r *Record, why model.EdgeReason, via string) {
	x := g.groups[id]
	if x == nil {
		x = &Group{ID: id}
		g.groups[id] = x
	}
	x.Members = append(x.Members, model.Edge{AdvisoryKey: r.AdvisoryKey, Reason: why, Via: via})
}

// sorted returns the groups in order, each shown as its first record writes its id.
func (g *grouping) sorted(records []Record) []Group {
	out := make([]Group, 0, len(g.groups))
	for _, id := range slices.Sorted(maps.Keys(g.groups)) {
		x := g.groups[id]
		slices.SortFunc(x.Members, func(a, b model.Edge) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) })
		if !model.IsCVE(id) {
			x.ID = written(id, x.Members, records)
		}
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Group) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// written returns the folded id as the first member that has it writes it.
func written(id string, members []model.Edge, records []Record) string {
	for _, e := range members {
		n, _ := slices.BinarySearchFunc(records, e.AdvisoryKey, func(r Record, k model.AdvisoryKey) int { return r.AdvisoryKey.Compare(k) })
		for _, own := range records[n].IDs {
			if Fold(own) == id {
				return strings.TrimSpace(own)
			}
		}
		if whole := lone(e.AdvisoryKey); Fold(whole) == id {
			return whole
		}
	}
	return id
}

// lone returns the id of a group that no other record can be in, not even one whose id is the same in another case.
func lone(k model.AdvisoryKey) string {
	id := k.ID + apart + k.Source
	if k.ID != Fold(k.ID) {
		sum := sha256.Sum256([]byte(k.ID))
		id += apart + hex.EncodeToString(sum[:4])
	}
	return id
}

func (e *entry) lone() string { return Fold(lone(e.AdvisoryKey)) }

// home returns the folded id of the group that e is in when it stands alone: its own, which records of other sources may have
// as well.
func (e *entry) home() string {
	if e.own && !strings.Contains(e.IDs[0], apart) {
		return Fold(e.IDs[0])
	}
	return e.lone()
}

// reach returns the smallest two anchors that e is directly joined to, and by which identity first.
func (g *grouping) reach(e *entry) (anchors []string, via string) {
	for _, id := range e.ids {
		for _, at := range g.anchors[id] {
			if via == "" {
				via = id
			}
			anchors = smallest(anchors, at)
		}
	}
	return anchors, via
}

// settle finds the group of records without a CVE that aliases join to each other.
func (g *grouping) settle(chain []entry) {
	var all []string
	for i := range chain {
		at, _ := g.reach(&chain[i])
		for _, id := range at {
			all = smallest(all, id)
		}
	}
	switch {
	case len(chain) > g.guards.free || len(all) > 1:
		// Joined whole they would make one vulnerability of several: each goes where it alone points, or stands alone.
		for i := range chain {
			e := &chain[i]
			at, via := g.reach(e)
			switch {
			case len(at) == 1:
				g.free = append(g.free, freed{*e, at[0], via})
			case len(at) > 1:
				g.join(e.home(), e.Record, model.EdgeGuard, at[0])
			case len(all) > 1 && len(chain) <= g.guards.free:
				g.join(e.home(), e.Record, model.EdgeGuard, all[0])
			default:
				g.join(e.home(), e.Record, model.EdgeGuard, "")
			}
		}
	case len(all) == 1:
		shared := sharedBy(chain)
		for i := range chain {
			e := &chain[i]
			_, via := g.reach(e)
			if via == "" {
				via = first(e, shared)
			}
			g.free = append(g.free, freed{*e, all[0], via})
		}
	default:
		g.found(chain)
	}
}

// found makes a group of a chain that points to no other.
func (g *grouping) found(chain []entry) {
	chief := chiefOf(chain)
	if chief == "" { // nobody may even share an id
		chief = chain[0].lone()
	}
	shared := sharedBy(chain)
	for i := range chain {
		e := &chain[i]
		switch {
		case len(chain) == 1 && !e.own && len(e.ids) == 0:
			g.join(chief, e.Record, model.EdgeGuard, "")
		case len(chain) == 1:
			g.join(chief, e.Record, model.EdgeAlone, "")
		case Fold(e.IDs[0]) == chief:
			g.join(chief, e.Record, model.EdgeID, chief)
		case slices.Contains(e.ids, chief):
			g.join(chief, e.Record, model.EdgeAlias, chief)
		default:
			g.join(chief, e.Record, model.EdgeVia, first(e, shared))
		}
	}
}

// admit lets records without a CVE into the groups that they point to, unless more than the guard allows want into one.
func (g *grouping) admit() {
	wanting := map[string]int{}
	for i := range g.free {
		wanting[g.free[i].at]++
	}
	for i := range g.free {
		f := &g.free[i]
		switch {
		case wanting[f.at] > g.having:
			g.join(f.home(), f.Record, model.EdgeGuard, f.at)
		case f.via == f.at:
			g.join(f.at, f.Record, model.EdgeAlias, f.via)
		default:
			g.join(f.at, f.Record, model.EdgeVia, f.via)
		}
	}
}

// sharedBy returns the identities that more than one record of the chain has.
func sharedBy(chain []entry) map[string]bool {
	n := map[string]bool{}
	for i := range chain {
		for _, id := range chain[i].ids {
			_, again := n[id]
			n[id] = again
		}
	}
	return n
}

// first returns the first identity of e that is shared.
func first(e *entry, shared map[string]bool) string {
	for _, id := range e.ids {
		if shared[id] {
			return id
		}
	}
	return ""
}

// chiefOf returns the folded identity that a group without a CVE is known by: one of GitHub's, which several sources
// point to, before all others; else the first in byte order among ids that are the records' own. Empty: there is none.
func chiefOf(chain []entry) string {
	best := ""
	better := func(id string) bool {
		a, b := strings.HasPrefix(id, "GHSA-"), strings.HasPrefix(best, "GHSA-")
		return best == "" || a && !b || a == b && id < best
	}
	for i := range chain {
		e := &chain[i]
		for n, id := range e.ids {
			if (n == 0 && e.own || strings.HasPrefix(id, "GHSA-")) && !strings.Contains(id, apart) && better(id) {
				best = id
			}
		}
	}
	return best
}

// chains splits records into those that share identities, directly or through others, each in the order of records.
func chains(records []entry) [][]entry {
	parent := make([]int, len(records))
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[string]int{}
	for i := range records {
		parent[i] = i
		for _, id := range records[i].ids {
			j, ok := first[id]
			if !ok {
				first[id] = i
				continue
			}
			a, b := root(i), root(j)
			parent[max(a, b)] = min(a, b)
		}
	}
	at := map[int]int{}
	var out [][]entry
	for i := range records {
		p := root(i)
		n, ok := at[p]
		if !ok {
			n = len(out)
			at[p] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], records[i])
	}
	return out
}
