package merge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// held is a store of records in memory.
type held map[model.AdvisoryKey]model.Advisory

// Having implements Names.
func (h held) Having(identity string, most int) (out []Record, err error) {
	for _, k := range slices.SortedFunc(maps.Keys(h), model.AdvisoryKey.Compare) {
		if slices.Contains(Identities(h[k]), identity) {
			out = append(out, RecordOf(h[k]))
			if len(out) == most {
				break
			}
		}
	}
	return out, nil
}

// whole is the groups of everything.
func (h held) whole(lim guards) []Group {
	return lim.group(sortedRecords(slices.Collect(maps.Values(h))))
}

func record(source, id string, aliases ...string) model.Advisory {
	return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: source, ID: id}, Aliases: aliases}
}

func facts(source, id, about string) model.Advisory {
	a := record(source, id)
	a.Upstream, a.Exploit = []string{about}, &model.Exploit{Known: 1000}
	return a
}

// shown writes groups as "ID: source/id reason via, …".
func shown(groups []Group) []string {
	out := make([]string, len(groups))
	for i, g := range groups {
		members := make([]string, len(g.Members))
		for j, e := range g.Members {
			members[j] = strings.TrimSpace(fmt.Sprintf("%s %s %s", e.AdvisoryKey, e.Reason, e.Via))
		}
		out[i] = g.ID + ": " + strings.Join(members, ", ")
	}
	return out
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []model.Advisory
		want []string
	}{
		{"alone", []model.Advisory{record("a", "X-1")}, []string{"X-1: a/X-1 alone"}},
		{
			"the same id in several sources",
			[]model.Advisory{record("nvd", "CVE-2024-1000"), record("cve", "CVE-2024-1000")},
			[]string{"CVE-2024-1000: cve/CVE-2024-1000 id CVE-2024-1000, nvd/CVE-2024-1000 id CVE-2024-1000"},
		},
		{
			"an alias in whatever case",
			[]model.Advisory{record("nvd", "CVE-2024-1000"), record("g", "GHSA-aaaa", "cve-2024-1000")},
			[]string{"CVE-2024-1000: g/GHSA-aaaa alias CVE-2024-1000, nvd/CVE-2024-1000 id CVE-2024-1000"},
		},
		{
			"through another",
			[]model.Advisory{record("g", "GHSA-aaaa", "CVE-2024-1000"), record("r", "RUSTSEC-1", "ghsa-AAAA"), record("s", "S-1", "RUSTSEC-1")},
			[]string{"CVE-2024-1000: g/GHSA-aaaa alias CVE-2024-1000, r/RUSTSEC-1 via GHSA-AAAA, s/S-1 via RUSTSEC-1"},
		},
		{
			"nobody knows a CVE",
			[]model.Advisory{record("r", "RUSTSEC-1", "GHSA-aaaa"), record("s", "S-1", "GHSA-aaaa")},
			[]string{"GHSA-aaaa: r/RUSTSEC-1 alias GHSA-AAAA, s/S-1 alias GHSA-AAAA"},
		},
		{
			"neither GitHub",
			[]model.Advisory{record("b", "B-1", "Z-9"), record("a", "A-2", "Z-9")},
			[]string{"A-2: a/A-2 id A-2, b/B-1 via Z-9"},
		},
		{
			"two CVEs never meet",
			[]model.Advisory{record("g", "GHSA-aaaa", "CVE-2024-1000"), record("h", "GHSA-aaaa", "CVE-2024-2000"), record("r", "R-1", "GHSA-aaaa")},
			[]string{"CVE-2024-1000: g/GHSA-aaaa alias CVE-2024-1000", "CVE-2024-2000: h/GHSA-aaaa alias CVE-2024-2000", "R-1: r/R-1 guard CVE-2024-1000"},
		},
		{
			"a record of several CVEs stands alone, and who means it goes with it",
			[]model.Advisory{record("r", "R-1", "CVE-2024-1000", "CVE-2024-2000"), record("nvd", "CVE-2024-1000"), record("s", "S-1", "R-1")},
			[]string{"CVE-2024-1000: nvd/CVE-2024-1000 id CVE-2024-1000", "R-1: r/R-1 guard CVE-2024-1000, s/S-1 alias R-1"},
		},
		{
			"a chain between two CVEs is parted, and its ends go where they point",
			[]model.Advisory{record("g", "A", "CVE-2024-1000"), record("h", "C", "CVE-2024-2000"), record("x", "X-1", "A", "M"), record("y", "Y-1", "M"), record("z", "Z-1", "M", "C")},
			[]string{
				"CVE-2024-1000: g/A alias CVE-2024-1000, x/X-1 via A", "CVE-2024-2000: h/C alias CVE-2024-2000, z/Z-1 via C",
				"Y-1: y/Y-1 guard CVE-2024-1000",
			},
		},
		{
			"facts join nothing but what they are about",
			[]model.Advisory{facts("kev", "KEV-CVE-2024-1000", "CVE-2024-1000"), record("x", "X-1", "KEV-CVE-2024-1000")},
			[]string{"CVE-2024-1000: kev/KEV-CVE-2024-1000 fact CVE-2024-1000", "X-1: x/X-1 alone"},
		},
		{
			"two records of one id",
			[]model.Advisory{record("d", "DSA-1"), record("d", "DSA-1~2", "DSA-1")},
			[]string{"DSA-1: d/DSA-1 id DSA-1, d/DSA-1~2 id DSA-1"},
		},
		{
			"upstream and related join nothing",
			[]model.Advisory{{AdvisoryKey: model.AdvisoryKey{Source: "d", ID: "D-1"}, Upstream: []string{"CVE-2024-1000"}, Related: []string{"CVE-2024-1000"}}, record("nvd", "CVE-2024-1000")},
			[]string{"CVE-2024-1000: nvd/CVE-2024-1000 id CVE-2024-1000", "D-1: d/D-1 alone"},
		},
	} {
		h := held{}
		for _, a := range c.in {
			h[a.AdvisoryKey] = a
		}
		if got := shown(h.whole(usual)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// What hostile sources publish stays in small groups, and takes no more time than its size.
func TestRunawayGroups(t *testing.T) {
	grow := func(n int, make func(i int) model.Advisory) held {
		h := held{}
		for i := range n {
			a := make(i)
			h[a.AdvisoryKey] = a
		}
		return h
	}
	most := func(groups []Group) (n int) {
		for _, g := range groups {
			n = max(n, len(g.Members))
		}
		return n
	}
	for _, c := range []struct {
		name string
		in   held
		most int // members of the largest group
	}{
		{"one CVE for all", grow(1000, func(i int) model.Advisory { return record("h", fmt.Sprintf("H-%05d", i), "CVE-2024-1000") }), MaxHaving},
		{"one alias for all", grow(1000, func(i int) model.Advisory { return record("h", fmt.Sprintf("H-%05d", i), "TAG") }), 1},
		{"a chain", grow(5000, func(i int) model.Advisory { return record("h", fmt.Sprintf("H-%05d", i), fmt.Sprintf("H-%05d", i+1)) }), 1},
		{"the longest chain that is one", grow(MaxFree, func(i int) model.Advisory { return record("h", fmt.Sprintf("H-%05d", i), fmt.Sprintf("H-%05d", i+1)) }), MaxFree},
		{"all behind the aliases of one", func() held {
			var tags []string
			for i := range 1000 {
				tags = append(tags, fmt.Sprintf("T-%04d", i))
			}
			h := grow(1000, func(i int) model.Advisory { return record("h", fmt.Sprintf("H-%05d", i), tags[i]) })
			a := record("a", "A-1", append(tags, "CVE-2024-1000")...)
			h[a.AdvisoryKey] = a
			return h
		}(), 1},
		{"many names each", grow(150, func(i int) model.Advisory {
			a := record("h", fmt.Sprintf("H-%05d", i))
			for j := range 1000 {
				a.Aliases = append(a.Aliases, fmt.Sprintf("T-%05d", j))
			}
			return a
		}), 1},
		{"one id in many sources", grow(1000, func(i int) model.Advisory { return record(fmt.Sprintf("h%04d", i), "CVE-2024-1000") }), MaxHaving},
	} {
		groups := c.in.whole(usual)
		if n := most(groups); n != c.most {
			t.Errorf("%s: the largest group has %d members, want %d", c.name, n, c.most)
		}
		check(t, c.in, groups)
	}
}

// check holds groups against what must be true of any.
func check(t *testing.T, h held, groups []Group) {
	t.Helper()
	placed := map[model.AdvisoryKey]bool{}
	ids := map[string]bool{}
	for i, g := range groups {
		if ids[Fold(g.ID)] || len(g.Members) == 0 || i > 0 && groups[i-1].ID >= g.ID {
			t.Fatalf("group %s is there twice, is empty, or is not in order", g.ID)
		}
		ids[Fold(g.ID)] = true
		cves := map[string]bool{}
		for j, e := range g.Members {
			a, ok := h[e.AdvisoryKey]
			if !ok || placed[e.AdvisoryKey] || j > 0 && g.Members[j-1].AdvisoryKey.Compare(e.AdvisoryKey) >= 0 {
				t.Fatalf("%s: member %s is no record, is in two groups, or is not in order", g.ID, e.AdvisoryKey)
			}
			placed[e.AdvisoryKey] = true
			r := RecordOf(a)
			if r.Fact != "" {
				if e.Reason != model.EdgeGuard {
					cves[r.Fact] = true
				}
			}
			for n, id := range r.IDs {
				if r.Fact == "" && model.IsCVE(id) && e.Reason != model.EdgeGuard && !(n > 0 && model.IsCVE(r.IDs[0])) {
					cves[Fold(id)] = true
				}
			}
			switch e.Reason {
			case model.EdgeVia, model.EdgeAlias, model.EdgeFact:
				if e.Via == "" || e.Reason != model.EdgeFact && !slices.ContainsFunc(r.IDs, func(id string) bool { return Fold(id) == e.Via }) {
					t.Fatalf("%s: %s is joined by %q, which it has not", g.ID, e.AdvisoryKey, e.Via)
				}
			case model.EdgeAlone:
				if len(g.Members) > 1 && !slices.ContainsFunc(g.Members, func(o model.Edge) bool { return o.Reason != model.EdgeAlone }) {
					t.Fatalf("%s: all of several are alone", g.ID)
				}
			}
		}
		if len(cves) > 1 || len(cves) == 1 && !cves[g.ID] {
			t.Fatalf("group %s holds %v: %v", g.ID, slices.Sorted(maps.Keys(cves)), shown([]Group{g}))
		}
	}
	if len(placed) != len(h) {
		t.Fatalf("%d of %d records are in a group", len(placed), len(h))
	}
}

// draw makes a record of a small world, in which collisions are the rule.
func draw(rnd *rand.Rand) model.Advisory {
	ids := []string{"CVE-2024-1000", "CVE-2024-1001", "CVE-2024-1002", "cve-2024-1000", "GHSA-a", "GHSA-b", "ghsa-A", "X-1", "X-2", "x-2", "Y-1", "Y-2", "Z-1", "Z~1", "Z-1~2"}
	a := record([]string{"a", "b", "c"}[rnd.IntN(3)], ids[rnd.IntN(len(ids))])
	for range rnd.IntN(4) {
		a.Aliases = append(a.Aliases, ids[rnd.IntN(len(ids))])
	}
	if rnd.IntN(6) == 0 {
		a.Upstream, a.Exploit = []string{ids[rnd.IntN(3)]}, &model.Exploit{Known: 1000}
	}
	return a
}

// After each change, the groups around it put into the rows give the very rows that grouping everything gives.
func TestRegroupAroundAChange(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, lim := range []guards{usual, {having: 3, free: 2}, {having: 1, free: 1}, {having: 2, free: 4}} {
		for range 6 {
			h, rows := held{}, newRows()
			for step := range 50 {
				var seeds []string
				for range 1 + rnd.IntN(3) {
					a := draw(rnd)
					was, known := h[a.AdvisoryKey]
					if known {
						seeds = append(seeds, Identities(was)...)
					}
					if known && rnd.IntN(3) == 0 {
						delete(h, a.AdvisoryKey)
						rows.drop(a.AdvisoryKey)
						continue
					}
					h[a.AdvisoryKey] = a
					seeds = append(seeds, Identities(a)...)
				}
				rnd.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
				groups, err := lim.regroup(h, seeds)
				if err != nil {
					t.Fatal(err)
				}
				rows.put(groups)
				want := h.whole(lim)
				check(t, h, want)
				if got := rows.list(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("guards %+v, step %d:\n got %q\nwant %q", lim, step, shown(got), shown(want))
				}
			}
		}
	}
}

// rows is what a store keeps of groups: each by its folded id, and each record's.
type rows struct {
	groups map[string]Group
	of     map[model.AdvisoryKey]string
}

func newRows() *rows { return &rows{map[string]Group{}, map[model.AdvisoryKey]string{}} }

func (r *rows) drop(k model.AdvisoryKey) { delete(r.of, k) }

func (r *rows) put(groups []Group) {
	for _, g := range groups {
		r.groups[Fold(g.ID)] = g
		for _, e := range g.Members {
			r.of[e.AdvisoryKey] = Fold(g.ID)
		}
	}
	living := map[string]bool{}
	for _, id := range r.of {
		living[id] = true
	}
	maps.DeleteFunc(r.groups, func(id string, _ Group) bool { return !living[id] })
}

func (r *rows) list() []Group {
	return slices.SortedFunc(maps.Values(r.groups), func(a, b Group) int { return strings.Compare(a.ID, b.ID) })
}

// An error of the store is the error of the search.
func TestRegroupFails(t *testing.T) {
	if _, err := Regroup(broken{}, []string{"X"}); err == nil {
		t.Error("an error of the store was lost")
	}
}

type broken struct{}

func (broken) Having(string, int) ([]Record, error) { return nil, fmt.Errorf("the disk is gone") }

func FuzzGroup(f *testing.F) {
	f.Add("a X-1 CVE-2024-1000\nb GHSA-a X-1\nc Y GHSA-a", uint8(0))
	f.Add("a X CVE-2024-1000 CVE-2024-2000\nb Y X\nc CVE-2024-1000", uint8(1))
	f.Add("a A B\na B C\na C D\na D E\nb CVE-2024-1000 A\nb CVE-2024-2000 E", uint8(2))
	f.Add("a Z~1 Z\na Z\nb Z~b\na ~ ~1\nb ~~ Z", uint8(3))
	f.Fuzz(func(t *testing.T, text string, small uint8) {
		lim := []guards{usual, {1, 1}, {2, 2}, {3, 8}}[small%4]
		h := held{}
		for n, line := range strings.Split(text, "\n") {
			words := strings.Fields(line)
			if len(words) < 2 || n > 100 || !strings.Contains("abc", words[0][:1]) {
				continue
			}
			a := record(words[0][:1], words[1], words[2:]...)
			if strings.HasPrefix(line, "c") && len(words) > 2 {
				a.Exploit, a.Aliases, a.Upstream = &model.Exploit{Known: 1000}, nil, words[2:]
			}
			h[a.AdvisoryKey] = a
		}
		want := h.whole(lim)
		check(t, h, want)
		// Around each record, the groups are those of the whole.
		byID := map[string]Group{}
		for _, g := range want {
			byID[g.ID] = g
		}
		for _, k := range slices.SortedFunc(maps.Keys(h), model.AdvisoryKey.Compare) {
			groups, err := lim.regroup(h, Identities(h[k]))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				if !reflect.DeepEqual(g, byID[g.ID]) {
					t.Fatalf("around %s: %q; of the whole: %q", k, shown([]Group{g}), shown([]Group{byID[g.ID]}))
				}
			}
		}
	})
}
