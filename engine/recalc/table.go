package recalc

import (
	"strings"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// table is what the rows say of the findings of all inventories, in numbers: which Lookups each inventory has, and what is
// found of each Lookup. It is the index from packages to inventories: what an advisory touches is found by going through the lists of numbers
// once, which costs a few milliseconds for ten thousand hosts and needs nothing that could disagree with them.
type table struct {
	cursor     model.Cursor // of the advisories that all of it was judged by
	generation uint64
	at         map[model.Lookup]uint32
	lookups    []held
	free       []uint32 // places in lookups
	sets       words    // of packages
	vulns      words
	texts      words
	aparts     words   // see apartOf
	apartOf    []apart // by number in aparts
	keys       map[model.AdvisoryKey]uint32
	keyOf      []model.AdvisoryKey
	shared     map[string]string // names and versions, each once
	invs       map[string]*holding
	version    uint64 // rises with every change
	stamps     []uint64
	worst      []uint8
	stamp      uint64
}

// words gives texts numbers; 0 is the empty one.
type words struct {
	at  map[string]uint32
	all []string
}

func newWords() words { return words{map[string]uint32{"": 0}, []string{""}} }

func (w *words) of(s string) uint32 {
	n, ok := w.at[s]
	if !ok {
		n = uint32(len(w.all))
		s = strings.Clone(s)
		w.all = append(w.all, s)
		w.at[s] = n
	}
	return n
}

// held is a Lookup and what is found of it.
type held struct {
	model.Lookup
	id    string // Lookup.ID; empty: a free place
	found []entry
	leans []uint32
	idle  model.Time // since when no inventory has it; zero: one has
	used  bool       // while that is looked for
}

// entry is a finding.
type entry struct {
	vuln, adv, fixed, reason uint32
	apart                    uint32 // in table.apartOf; 0: none
	severity                 model.Severity
	verdict                  uint8
}

// apart is what is said of binary packages for which something else goes than for their source.
type apart struct {
	verdicts map[string]uint8
	doubt    bool // one of them is unknown
}

// The verdicts of an entry.
const (
	affected = iota
	unknown
	suppressed
)

// holding is an inventory.
type holding struct{ parts []part }

// part is a Lookup of an inventory, by its place in the table, and the packages that it stands for.
type part struct{ lookup, set uint32 }

func newTable() *table {
	return &table{
		at: map[model.Lookup]uint32{}, sets: newWords(), vulns: newWords(), texts: newWords(), aparts: newWords(), apartOf: []apart{{}}, keys: map[model.AdvisoryKey]uint32{},
		shared: map[string]string{}, invs: map[string]*holding{},
	}
}

// share returns s, the same bytes for the same text.
func (t *table) share(s string) string {
	if got, ok := t.shared[s]; ok {
		return got
	}
	s = strings.Clone(s)
	t.shared[s] = s
	return s
}

// add returns the place of a Lookup, and whether it is new: then nothing is known of it yet.
func (t *table) add(l model.Lookup) (uint32, bool) {
	if i, ok := t.at[l]; ok {
		return i, false
	}
	l.Ecosystem, l.Also, l.Name, l.Source = t.share(l.Ecosystem), t.share(l.Also), t.share(l.Name), t.share(l.Source)
	l.Version, l.Module = t.share(l.Version), t.share(l.Module)
	h := held{Lookup: l, id: l.ID()}
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
		t.lookups[i] = h
	} else {
		i = uint32(len(t.lookups))
		t.lookups = append(t.lookups, h)
	}
	t.at[l] = i
	return i, true
}

// drop forgets a Lookup that no inventory has.
func (t *table) drop(i uint32) {
	delete(t.at, t.lookups[i].Lookup)
	t.lookups[i] = held{}
	t.free = append(t.free, i)
}

func (t *table) key(k model.AdvisoryKey) uint32 {
	n, ok := t.keys[k]
	if !ok {
		n = uint32(len(t.keyOf))
		t.keyOf = append(t.keyOf, k)
		t.keys[k] = n
	}
	return n
}

// entries turns findings into entries, in the same order.
func (t *table) entries(found []model.Finding) []entry {
	if len(found) == 0 {
		return nil
	}
	out := make([]entry, len(found))
	for i, f := range found {
		out[i] = entry{t.vulns.of(f.Vulnerability), t.key(f.Advisory), t.texts.of(f.Fixed), t.texts.of(f.Reason), t.apart(f.Apart), f.Severity, verdictOf(f.Verdict)}
	}
	return out
}

func verdictOf(v model.Verdict) uint8 {
	switch v {
	case model.VerdictUnknown:
		return unknown
	case model.VerdictSuppressed:
		return suppressed
	}
	return affected
}

// apart returns the number of what is said of binary packages alone.
func (t *table) apart(list []model.Apart) uint32 {
	if len(list) == 0 {
		return 0
	}
	var text strings.Builder
	for _, a := range list {
		for _, s := range []string{a.Package, string(a.Verdict), a.Reason} {
			text.WriteString(s)
			text.WriteString(setMark)
		}
	}
	n := t.aparts.of(text.String())
	if int(n) == len(t.apartOf) {
		of := apart{verdicts: make(map[string]uint8, len(list))}
		for _, a := range list {
			v := verdictOf(a.Verdict)
			of.verdicts[strings.Clone(a.Package)] = v
			of.doubt = of.doubt || v == unknown
		}
		t.apartOf = append(t.apartOf, of)
	}
	return n
}

// verdict returns what e is of one package.
func (t *table) verdict(e entry, pkg string) uint8 {
	if v, ok := t.apartOf[e.apart].verdicts[pkg]; ok {
		return v
	}
	return e.verdict
}

// doubts reports whether e may be unknown of a package.
func (t *table) doubts(e entry) bool {
	return e.verdict == unknown || t.apartOf[e.apart].doubt
}

// hold takes in an inventory by its parts, and returns the Lookups that are new.
func (t *table) hold(digest string, parts []exposure.Part) (fresh []uint32) {
	h := &holding{make([]part, len(parts))}
	for i, p := range parts {
		at, isNew := t.add(p.Lookup)
		if isNew {
			fresh = append(fresh, at)
		}
		t.lookups[at].idle = 0
		h.parts[i] = part{at, t.sets.of(strings.Join(p.Packages, setMark))}
	}
	t.invs[digest] = h
	t.version++
	return fresh
}

// setMark stands between the packages of a set: no name of a package has it.
const setMark = "\x00"

func (t *table) packages(set uint32) []string { return strings.Split(t.sets.all[set], setMark) }

func (t *table) packageN(set uint32) int { return 1 + strings.Count(t.sets.all[set], setMark) }

// parts returns an inventory as it is stored.
func (t *table) parts(h *holding) []model.MatchPart {
	out := make([]model.MatchPart, len(h.parts))
	for i, p := range h.parts {
		out[i] = model.MatchPart{Lookup: t.lookups[p.lookup].id, Packages: t.packages(p.set)}
	}
	return out
}

// counted is what is counted of one inventory.
type counted struct {
	model.SeverityCounts
	fixable int
}

// count counts the distinct vulnerabilities of an inventory, each at its highest sure severity, its findings of verdict unknown, and
// the packages that an update would mend. sure is called with each vulnerability that counts; nil: nobody wants to know.
func (t *table) count(h *holding, by *accepted, sure func(vuln uint32, worst model.Severity)) counted {
	if n := len(t.vulns.all); len(t.stamps) < n {
		t.stamps, t.worst = append(t.stamps, make([]uint64, n-len(t.stamps))...), append(t.worst, make([]uint8, n-len(t.worst))...)
	}
	t.stamp++
	var c counted
	var seen []uint32
	for _, p := range h.parts {
		found := t.lookups[p.lookup].found
		if len(found) == 0 {
			continue
		}
		all := t.packageN(p.set)
		fixable := 0
		var mended map[string]bool // of entries that are not the same for all packages
		for _, e := range found {
			sure, doubt := 0, 0
			switch {
			case e.apart != 0:
				for _, name := range t.packages(p.set) {
					v := t.verdict(e, name)
					if v == suppressed || by != nil && by.accepted(t.vulns.all[e.vuln], name, t.lookups[p.lookup].Source) {
						continue
					}
					if v == unknown {
						doubt++
						continue
					}
					if sure++; e.fixed != 0 {
						if mended == nil {
							mended = map[string]bool{}
						}
						mended[name] = true
					}
				}
			case e.verdict == suppressed:
				continue
			default:
				n := all
				if by != nil {
					n -= by.accepts(t, e.vuln, p.set, t.lookups[p.lookup].Source)
				}
				if n <= 0 {
					continue
				}
				if e.verdict == unknown {
					doubt = n
					break
				}
				if sure = n; e.fixed != 0 {
					fixable = max(fixable, n)
				}
			}
			c.Uncertain += doubt
			if sure == 0 {
				continue
			}
			switch {
			case t.stamps[e.vuln] != t.stamp:
				t.stamps[e.vuln], t.worst[e.vuln] = t.stamp, uint8(e.severity)
				seen = append(seen, e.vuln)
			case t.worst[e.vuln] < uint8(e.severity):
				t.worst[e.vuln] = uint8(e.severity)
			}
		}
		c.fixable += max(fixable, len(mended))
	}
	for _, v := range seen {
		c.Add(model.Severity(t.worst[v]))
		if sure != nil {
			sure(v, model.Severity(t.worst[v]))
		}
	}
	return c
}
