package exposure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// sheetOf puts the records of a shelf that name a package on a sheet, in some order.
func sheetOf(s shelf, ecosystem, name string, order []int) *Sheet {
	var by Sheets
	out := &Sheet{Ecosystem: ecosystem, Name: name}
	for _, i := range order {
		rec := by.Record(&s[i], i)
		if rec == nil {
			continue
		}
		ByPackage(&s[i], func(e, n string, entries []*model.Affected) {
			if e == ecosystem && n == name {
				by.Add(out, rec, entries)
			}
		})
	}
	return out
}

// same holds what a clerk says of a version against Judge, and returns how much was said.
func same(t *testing.T, c *Clerk, s shelf, sheet *Sheet, version string) (n int) {
	t.Helper()
	type of struct {
		key model.AdvisoryKey
		id  string
	}
	heard := map[of]Opinion{}
	if err := c.Judge(sheet, version, func(o Opinion) { heard[of{o.key, o.Vulnerability}] = o }); err != nil {
		t.Fatal(err)
	}
	all, err := NewMatcher(s).Judge([]model.Lookup{{Ecosystem: sheet.Ecosystem, Name: sheet.Name, Version: version}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[of]bool{}
	for _, f := range all[0].Findings {
		found[of{f.Advisory, f.Vulnerability}] = true
		o, ok := heard[of{f.Advisory, f.Vulnerability}]
		if !ok { // what is the same for all of a record's vulnerabilities is said of the first
			i := slices.IndexFunc(s, func(a model.Advisory) bool { return a.AdvisoryKey == f.Advisory })
			o = heard[of{f.Advisory, Identifiers(s[i])[0]}]
		}
		if o.Verdict != f.Verdict || o.Fixed != f.Fixed || o.Reason != f.Reason {
			t.Fatalf("%s of %s in %s: %s: the clerk says %+v, and it is %+v", sheet.Name, version, sheet.Ecosystem, f.Advisory, o, f)
		}
	}
	for k := range heard {
		if !found[k] {
			t.Fatalf("%s of %s in %s: only the clerk names %+v", sheet.Name, version, sheet.Ecosystem, k)
		}
	}
	return len(heard)
}

// TestAClerkSaysWhatAJurySays: over records of all shapes, in several orders of versions, with and without the places of the marks.
func TestAClerkSaysWhatAJurySays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	said, verdicts := 0, map[model.Verdict]int{}
	for round := range 60 {
		ecosystem := []string{"Debian:12", "npm", "AlmaLinux:8", "Alpine:v3.17", "PyPI", "Julia", "Maven", "OSS-Fuzz"}[round%8]
		version := func() string {
			v := fmt.Sprintf("%d.%d.%d", r.IntN(3), r.IntN(4), r.IntN(3))
			switch r.IntN(12) {
			case 0:
				v = "no version"
			case 1:
				v = fmt.Sprint(r.IntN(4))
			case 2:
				v += "-r1"
			case 3:
				v = "v" + v
			}
			return v
		}
		var s shelf
		for i := range 8 + r.IntN(60) {
			a := model.Advisory{AdvisoryKey: key(fmt.Sprint("s", r.IntN(3)), fmt.Sprintf("X-%d", i))}
			for range r.IntN(3) {
				a.Aliases = append(a.Aliases, fmt.Sprintf("CVE-2024-%04d", r.IntN(30)))
			}
			if r.IntN(15) == 0 {
				a.Withdrawn = 1
			}
			for range 1 + r.IntN(9)/8 {
				e := model.Affected{Ecosystem: ecosystem, Name: "thing", Outside: r.IntN(20) == 0}
				if r.IntN(12) == 0 {
					e.Modules = []string{"thing:1"}
				}
				if r.IntN(8) == 0 {
					e.Versions = []string{version(), version()}
				}
				for range 1 + r.IntN(9)/8 {
					rg := model.Range{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}}}
					if r.IntN(9) == 0 {
						rg.Type = "SEMVER"
					}
					if r.IntN(3) == 0 {
						rg.Events[0].Introduced = version()
					}
					switch r.IntN(12) {
					case 0:
					case 1:
						rg.Events = append(rg.Events, model.Event{LastAffected: version()})
					case 2:
						rg.Events = append(rg.Events, model.Event{Fixed: version()}, model.Event{Introduced: version()}, model.Event{Fixed: version()})
					case 3:
						rg.Events = append(rg.Events, model.Event{Limit: version()})
					case 4:
						rg.Events = []model.Event{{Fixed: version()}}
					default:
						rg.Events = append(rg.Events, model.Event{Fixed: version()})
					}
					e.Ranges = append(e.Ranges, rg)
				}
				if r.IntN(15) == 0 {
					e.Ranges = nil
				}
				a.Affected = append(a.Affected, e)
			}
			s = append(s, a)
		}
		for i := range r.IntN(4) {
			s = append(s, model.Advisory{AdvisoryKey: key("vex", fmt.Sprint("V-", i)), Aliases: []string{fmt.Sprintf("CVE-2024-%04d", r.IntN(30))}, Statements: []model.Statement{{
				Status: []model.StatementStatus{model.StatementNotAffected, model.StatementUnderReview}[r.IntN(2)], Products: []string{"pkg:deb/debian/thing", "pkg:npm/thing", "pkg:pypi/thing"},
			}}})
		}
		slices.SortFunc(s, func(a, b model.Advisory) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) }) // as a store has them
		spoken := map[string]bool{}
		for _, a := range s {
			for _, id := range Identifiers(a) {
				spoken[id] = spoken[id] || len(a.Statements) > 0
			}
		}
		sheet := sheetOf(s, ecosystem, "thing", r.Perm(len(s)))
		c := NewClerk(s.AdvisoriesNaming, func(id string) bool { return spoken[id] })
		for prepared := range 2 {
			if prepared == 1 {
				new(Sorter).Prepare(sheet)
			}
			for range 12 {
				v := version()
				said += same(t, c, s, sheet, v)
				if err := c.Judge(sheet, v, func(o Opinion) { verdicts[o.Verdict]++ }); err != nil {
					t.Fatal(err)
				}
			}
		}
		// Without some records it is as if those had never been.
		sheet.Drop(func(rec *Record) bool { return rec.Of.(int)%3 == 0 })
		var left shelf
		for i, a := range s {
			if i%3 != 0 || len(a.Affected) == 0 {
				left = append(left, a)
			}
		}
		new(Sorter).Prepare(sheet)
		same(t, c, left, sheet, version())
	}
	if said == 0 || verdicts[model.VerdictAffected] == 0 || verdicts[model.VerdictUnknown] == 0 || verdicts[model.VerdictSuppressed] == 0 {
		t.Errorf("%d said, %v", said, verdicts)
	}
}

// TestPlacesSpareTheJury: on a long sheet a version is judged by hand only where a record reaches it in a way that is not plain.
func TestPlacesSpareTheJury(t *testing.T) {
	var s shelf
	for i := range 5000 {
		s = append(s, model.Advisory{AdvisoryKey: key("x", fmt.Sprintf("CVE-2024-%04d", i)), Affected: []model.Affected{below("Debian:12", "linux", fmt.Sprint(1+i%500))}})
	}
	sheet := sheetOf(s, "Debian:12", "linux", rand.Perm(len(s)))
	new(Sorter).Prepare(sheet)
	for i := range sheet.mentions {
		if sheet.mentions[i].reach == undecided {
			t.Fatalf("%+v", sheet.mentions[i])
		}
	}
	if len(sheet.marks) != 500 || sheet.Len() != 5000 {
		t.Errorf("%d marks", len(sheet.marks))
	}
	n := 0
	c := NewClerk(s.AdvisoriesNaming, func(string) bool { return false })
	if err := c.Judge(sheet, "250", func(o Opinion) { n++ }); err != nil || n != 2500 || len(c.m.versions.parsed) > 20 {
		t.Errorf("%d found by %d versions, %v", n, len(c.m.versions.parsed), err)
	}
}
