package recalc

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
)

// scopeEvery is how long it is trusted which hosts acceptances are of, in milliseconds: hosts come into a search and leave it.
const scopeEvery = 60_000

// accepted are the acceptances that some hosts have in common.
type accepted struct {
	key   string                     // their ids
	whole map[string]bool            // vulnerabilities accepted in every package
	some  map[string]map[string]bool // by vulnerability: packages, installed or source
}

// accepts returns in how many packages of a set, all built from source, a vulnerability is accepted.
func (a *accepted) accepts(t *table, vuln, set uint32, source string) int {
	id := t.vulns.all[vuln]
	if a.whole[id] {
		return t.packageN(set)
	}
	names := a.some[id]
	if names == nil {
		return 0
	}
	if names[source] {
		return t.packageN(set)
	}
	n := 0
	for _, p := range t.packages(set) {
		if names[p] {
			n++
		}
	}
	return n
}

// accepted reports whether a vulnerability is accepted in one package that is built from source.
func (a *accepted) accepted(id, pkg, source string) bool {
	return a.whole[id] || a.some[id][source] || a.some[id][pkg]
}

// scope says which hosts have which acceptances.
type scope struct {
	at     model.Time
	print  uint64
	hosts  map[string]map[model.HostID]*accepted // by the digest of their inventory
	counts map[string]counted                    // by digest and accepted.key, while the table is of version
	table  uint64
}

func (s *scope) fingerprint() uint64 {
	if s == nil {
		return 0
	}
	return s.print
}

// group is how many hosts of an inventory have the same acceptances; nil: none.
type group struct {
	by    *accepted
	hosts int
}

// groups splits the hosts of an inventory.
func (s *scope) groups(digest string, all int) []group {
	if s == nil || len(s.hosts[digest]) == 0 {
		return []group{{nil, all}}
	}
	sum := map[string]*group{}
	for _, a := range s.hosts[digest] {
		if sum[a.key] == nil {
			sum[a.key] = &group{by: a}
		}
		sum[a.key].hosts++
		all--
	}
	out := make([]group, 0, len(sum)+1)
	if all > 0 {
		out = append(out, group{nil, all})
	}
	for _, k := range slices.Sorted(maps.Keys(sum)) {
		out = append(out, *sum[k])
	}
	return out
}

// see brings the scope of the acceptances up to date, where it is not trusted any more.
func (r *recalc) see(view View, _ apply.Shelf) error {
	if r.Holds == nil || r.Scope == nil {
		return nil
	}
	now := model.TimeOf(r.Now())
	all, err := view.Acceptances()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(a model.Acceptance) bool { return now < a.At || now >= a.Until })
	if len(all) == 0 {
		r.scope = nil
		return nil
	}
	print := fnv.New64a()
	for _, a := range all {
		fmt.Fprintf(print, "%q %q %q %q %d\n", a.ID, a.Vulnerability, a.Package, a.Hosts, a.Until)
	}
	if s := r.scope; s != nil && s.print == print.Sum64() && now-s.at < scopeEvery && now >= s.at {
		return nil
	}
	s := &scope{at: now, print: print.Sum64(), hosts: map[string]map[model.HostID]*accepted{}, counts: map[string]counted{}}
	type of struct {
		model.Acceptance
		in func(*model.Host) bool
	}
	var holding []of
	for _, a := range all {
		if !r.Holds(view, a) {
			continue
		}
		in, err := r.Scope(view, a.Hosts, now)
		if err != nil {
			r.Log.Warn("an acceptance counts for no host: its search cannot be read", "acceptance", a.ID, "err", err)
			continue
		}
		holding = append(holding, of{a, in})
	}
	r.scope = s
	if len(holding) == 0 {
		return nil
	}
	sets := map[string]*accepted{}
	return view.EachHost(func(h model.Host) error {
		if h.PackagesDigest == "" {
			return nil
		}
		var ids []string
		var mine []model.Acceptance
		for _, a := range holding {
			if a.in(&h) {
				ids, mine = append(ids, a.ID), append(mine, a.Acceptance)
			}
		}
		if len(mine) == 0 {
			return nil
		}
		key := strings.Join(ids, " ")
		set := sets[key]
		if set == nil {
			set = newAccepted(key, mine)
			sets[key] = set
		}
		if s.hosts[h.PackagesDigest] == nil {
			s.hosts[h.PackagesDigest] = map[model.HostID]*accepted{}
		}
		s.hosts[h.PackagesDigest][h.ID] = set
		return nil
	})
}

func newAccepted(key string, all []model.Acceptance) *accepted {
	out := &accepted{key: key, whole: map[string]bool{}, some: map[string]map[string]bool{}}
	for _, a := range all {
		if a.Package == "" {
			out.whole[a.Vulnerability] = true
			continue
		}
		if out.some[a.Vulnerability] == nil {
			out.some[a.Vulnerability] = map[string]bool{}
		}
		out.some[a.Vulnerability][a.Package] = true
	}
	return out
}

// wanted returns what the row of a host with acceptances is to say.
func (r *recalc) wanted(digest string, h *holding, by *accepted) counted {
	s := r.scope
	if s.table != r.table.version {
		s.table = r.table.version
		clear(s.counts)
	}
	k := digest + " " + by.key
	c, ok := s.counts[k]
	if !ok {
		c = r.table.count(h, by, nil)
		s.counts[k] = c
	}
	return c
}

// hosts returns what the rows of the hosts of an inventory that have acceptances are to say.
func (r *recalc) hosts(digest string, h *holding, at model.Time) []model.HostExposure {
	if r.scope == nil {
		return nil
	}
	mine := r.scope.hosts[digest]
	out := make([]model.HostExposure, 0, len(mine))
	for id, by := range mine {
		c := r.wanted(digest, h, by)
		out = append(out, model.HostExposure{Host: id, Digest: digest, At: at, Counts: c.SeverityCounts, FixableN: c.fixable})
	}
	slices.SortFunc(out, func(a, b model.HostExposure) int { return cmp.Compare(a.Host.String(), b.Host.String()) })
	return out
}

// accept brings the rows of hosts to what their acceptances say, and back to what their inventories have where those ended. It compares
// rows, so that it comes to the same whatever happened before.
func (r *recalc) accept(ctx context.Context) error {
	view, done := r.View()
	defer done()
	shelf, err := view.Shelf()
	if err != nil || shelf.AdvisoryN == 0 || r.table == nil {
		return err
	}
	was := r.scope
	if err := r.see(view, shelf); err != nil {
		return err
	}
	if r.scope == was && !r.accepting {
		return nil // nothing is marked, or all is as it was a moment ago
	}
	change := model.Matched{Stamp: r.stamp()}
	err = view.EachHost(func(row model.Host) error {
		h := r.table.invs[row.PackagesDigest]
		if h == nil {
			return nil
		}
		var c counted
		if by := r.scope.of(&row); by != nil {
			c = r.wanted(row.PackagesDigest, h, by)
		} else {
			head, ok, err := view.MatchHead(row.PackagesDigest)
			if err != nil || !ok || head.FixableN == nil {
				return err
			}
			c = counted{head.Counts, *head.FixableN}
		}
		if row.Exposure != c.SeverityCounts || row.Updates == nil || *row.Updates != c.fixable {
			change.Hosts = append(change.Hosts, model.HostExposure{
				Host: row.ID, Digest: row.PackagesDigest, At: change.At, Counts: c.SeverityCounts, FixableN: c.fixable,
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for rows := range slices.Chunk(change.Hosts, headBatch) {
		if err := r.Proposer.Propose(ctx, model.Matched{Stamp: change.Stamp, Hosts: rows}); err != nil {
			return err
		}
	}
	r.accepting = false
	return nil
}

func (s *scope) of(h *model.Host) *accepted {
	if s == nil {
		return nil
	}
	return s.hosts[h.PackagesDigest][h.ID]
}
