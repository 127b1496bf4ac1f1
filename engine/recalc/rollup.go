package recalc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// topN is how many vulnerabilities a roll-up names.
const topN = inventory.MaxTop // a controller takes no more

// idleMax is how many Lookups are kept that no inventory has, and idleFor how long: what hosts had before is asked for by people who
// want to know what an update closed.
const (
	idleMax = 100_000
	idleFor = 90 * 24 * 60 * 60 * 1000 // ms
)

// fact is what is known of attacks on a vulnerability.
type fact struct {
	known       bool
	probability float64
}

// rollup proposes the site's roll-up where it says something else than the stored one.
func (r *recalc) rollup(ctx context.Context) error {
	view, done := r.View()
	defer done()
	shelf, err := view.Shelf()
	if err != nil || shelf.AdvisoryN == 0 || r.table == nil {
		return err
	}
	hosts := map[string]int{}
	var order []string
	print := fnv.New64a()
	err = view.EachMatchHead(func(head model.Match, n int) error {
		hosts[head.Digest] = n
		order = append(order, head.Digest)
		_, _ = print.Write([]byte(head.Digest))
		_, _ = print.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.tidy(ctx, hosts); err != nil {
		return err
	}
	for _, n := range []uint64{r.table.version, shelf.Generation, uint64(shelf.AdvisoryN), uint64(shelf.Cursor.Seq), r.scope.fingerprint()} {
		_, _ = print.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	if r.rolled == print.Sum64() {
		return nil
	}
	next, err := r.sum(view, order, hosts)
	if err != nil {
		return err
	}
	next.Site, next.Generation, next.AdvisoryN = r.Site, shelf.Generation, shelf.AdvisoryN
	was, ok, err := view.Exposure(r.Site)
	if err != nil {
		return err
	}
	next.At = was.At
	same, err := equal(was, next)
	if err == nil && !(ok && same) {
		s := r.stamp()
		next.At = s.At
		err = r.Proposer.Propose(ctx, model.Rollup{Stamp: s, Exposure: next})
	}
	if err == nil {
		r.rolled = print.Sum64()
	}
	return err
}

// sum sums all inventories, each as often as hosts have it: the counts of distinct vulnerabilities and of distinct uncertain
// findings, the hosts with at least one sure finding, and the top vulnerabilities: known to be exploited first, then by severity, by the probability of
// an attack, by hosts and by name.
func (r *recalc) sum(view View, order []string, hosts map[string]int) (model.Exposure, error) {
	t := r.table
	severity, on := make([]model.Severity, len(t.vulns.all)), make([]int, len(t.vulns.all))
	var doubted []part // Lookups of which something cannot be told, with their packages
	var out model.Exposure
	for _, d := range order {
		h, all := t.invs[d], hosts[d]
		if h == nil || all <= 0 {
			continue
		}
		out.MatchedHosts += all
		for _, g := range r.scope.groups(d, all) {
			found := false
			t.count(h, g.by, func(v uint32, worst model.Severity) {
				severity[v], found = max(severity[v], worst), true
				on[v] += g.hosts
			})
			if found {
				out.AffectedHosts += g.hosts
			}
		}
		for _, p := range h.parts {
			if slices.ContainsFunc(t.lookups[p.lookup].found, t.doubts) {
				doubted = append(doubted, p)
			}
		}
	}
	out.Counts.Uncertain = t.uncertain(doubted)
	var top []topped
	for v, n := range on {
		if n > 0 {
			f, err := r.fact(view, uint32(v))
			if err != nil {
				return out, err
			}
			out.Counts.Add(severity[v])
			top = append(top, topped{f, model.TopEntry{Vulnerability: t.vulns.all[v], Severity: severity[v], Hosts: n}})
		}
	}
	slices.SortFunc(top, topped.compare)
	for _, e := range top[:min(topN, len(top))] {
		out.Top = append(out.Top, e.TopEntry)
	}
	return out, nil
}

// uncertain counts the distinct findings of verdict unknown of Lookups with their packages.
func (t *table) uncertain(doubted []part) int {
	slices.SortFunc(doubted, func(a, b part) int { return cmp.Or(cmp.Compare(a.lookup, b.lookup), cmp.Compare(a.set, b.set)) })
	doubted = slices.Compact(doubted)
	n := 0
	for len(doubted) > 0 {
		at := doubted[0].lookup
		packages := map[string]bool{}
		for len(doubted) > 0 && doubted[0].lookup == at {
			for _, p := range t.packages(doubted[0].set) {
				packages[p] = true
			}
			doubted = doubted[1:]
		}
		for _, e := range t.lookups[at].found {
			if e.apart == 0 {
				if e.verdict == unknown {
					n += len(packages)
				}
				continue
			}
			for name := range packages {
				if t.verdict(e, name) == unknown {
					n++
				}
			}
		}
	}
	return n
}

// topped is a vulnerability and where it stands.
type topped struct {
	fact
	model.TopEntry
}

func (a topped) compare(b topped) int {
	if a.known != b.known {
		if a.known {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.probability, a.probability), cmp.Compare(b.Hosts, a.Hosts),
		strings.Compare(a.Vulnerability, b.Vulnerability))
}

// fact returns what is known of attacks on a vulnerability.
func (r *recalc) fact(view View, vuln uint32) (fact, error) {
	f, ok := r.facts[vuln]
	if ok {
		return f, nil
	}
	c, ok, err := view.Canonical(r.table.vulns.all[vuln])
	if err == nil && ok {
		f = fact{!c.Head.Known.IsZero(), c.Head.Probability}
	}
	if err == nil {
		r.facts[vuln] = f
	}
	return f, err
}

// tidy forgets inventories that are gone, and drops Lookups that nobody has had for long.
func (r *recalc) tidy(ctx context.Context, hosts map[string]int) error {
	t := r.table
	all := len(t.invs)
	maps.DeleteFunc(t.invs, func(d string, _ *holding) bool { _, ok := hosts[d]; return !ok })
	if len(t.invs) == all {
		return nil
	}
	t.version++
	for i := range t.lookups {
		t.lookups[i].used = false
	}
	for _, d := range slices.Sorted(maps.Keys(t.invs)) {
		for _, p := range t.invs[d].parts {
			t.lookups[p.lookup].used = true
		}
	}
	st := r.stamp()
	var idle []uint32
	for i := range t.lookups {
		switch h := &t.lookups[i]; {
		case h.id == "" || h.used:
			continue
		case h.idle.IsZero():
			h.idle = st.At
			fallthrough
		default:
			idle = append(idle, uint32(i))
		}
	}
	slices.SortFunc(idle, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(t.lookups[a].idle, t.lookups[b].idle), strings.Compare(t.lookups[a].id, t.lookups[b].id))
	})
	change := model.Matched{Stamp: st}
	for k, i := range idle {
		if h := &t.lookups[i]; len(idle)-k > idleMax || st.At-h.idle > idleFor {
			change.Gone = append(change.Gone, h.id)
			t.drop(i)
		}
	}
	if len(change.Gone) == 0 {
		return nil
	}
	return r.Proposer.Propose(ctx, change)
}

// equal compares as the rows do, where a missing list and an empty one are the same.
func equal(a, b model.Exposure) (bool, error) {
	x, err := model.Encode(a)
	if err != nil {
		return false, err
	}
	y, err := model.Encode(b)
	return bytes.Equal(x, y), err
}
