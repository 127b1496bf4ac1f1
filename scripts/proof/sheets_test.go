package proof

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// sheets are all records of the tree by what they say of each package.
func (s *shelf) sheets() (sheets map[[2]string]*exposure.Sheet, spoken map[string][]model.Advisory) {
	sheets, spoken = map[[2]string]*exposure.Sheet{}, map[string][]model.Advisory{}
	var by exposure.Sheets
	for _, a := range s.records { // in no order
		rec := by.Record(&a, a.AdvisoryKey)
		if rec == nil {
			continue
		}
		if len(a.Statements) > 0 {
			for _, id := range exposure.Identifiers(a) {
				spoken[id] = append(spoken[id], a)
			}
		}
		exposure.ByPackage(&a, func(ecosystem, name string, entries []*model.Affected) {
			k := [2]string{ecosystem, name}
			if sheets[k] == nil {
				sheets[k] = &exposure.Sheet{Ecosystem: ecosystem, Name: name}
			}
			by.Add(sheets[k], rec, entries)
		})
	}
	var sorter exposure.Sorter
	for _, x := range sheets {
		sorter.Prepare(x)
	}
	return sheets, spoken
}

// TestSheetsSayWhatMatchingSays holds the short way of judging one version against the long one: for every package of every recorded
// inventory in the version that is installed, in each release that its package URL may mean; and for the packages that most records name, at
// versions that those name.
func TestSheetsSayWhatMatchingSays(t *testing.T) {
	files, s := mustExtras(t), mustTree(t)
	sheets, spoken := s.sheets()
	systems := map[string][]string{} // by the name of the package
	for k := range sheets {
		systems[k[1]] = append(systems[k[1]], k[0])
	}
	asked := map[model.Lookup]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var rows []struct {
			PURL, Version, Source string
			SourceVersion         string `json:"source_version"`
		}
		if !strings.HasPrefix(name, "inventories/") || json.Unmarshal(files[name], &rows) != nil {
			continue
		}
		for _, r := range rows {
			u, ok := exposure.ReadPackageURL(r.PURL)
			if !ok {
				continue
			}
			for name, version := range map[string]string{u.Name: u.Version, r.Source: cmp.Or(r.SourceVersion, r.Version)} {
				for _, e := range systems[name] {
					if u.In(e) {
						asked[model.Lookup{Ecosystem: e, Name: name, Version: version}] = true
					}
				}
			}
		}
	}
	installed := len(asked)
	long := slices.SortedFunc(maps.Values(sheets), func(a, b *exposure.Sheet) int {
		return cmp.Or(cmp.Compare(b.Len(), a.Len()), strings.Compare(a.Ecosystem+a.Name, b.Ecosystem+b.Name))
	})
	for _, x := range long[:50] {
		versions := map[string]bool{"0": true}
		for _, a := range s.pkgs[[2]string{x.Ecosystem, x.Name}] {
			for _, e := range a.Affected {
				if e.Ecosystem != x.Ecosystem || e.Name != x.Name {
					continue
				}
				for _, r := range e.Ranges {
					for _, ev := range r.Events {
						versions[ev.Introduced+ev.Fixed+ev.LastAffected] = true
					}
				}
			}
		}
		all := slices.Sorted(maps.Keys(versions))
		for i := 0; i < len(all); i += 1 + len(all)/7 {
			asked[model.Lookup{Ecosystem: x.Ecosystem, Name: x.Name, Version: all[i]}] = true
		}
	}
	m := exposure.NewMatcher(s)
	asked[model.Lookup{Ecosystem: long[0].Ecosystem, Name: long[0].Name, Version: "no version"}] = true
	clerk := exposure.NewClerk(func(id string) ([]model.Advisory, error) { return spoken[id], nil }, func(id string) bool { return len(spoken[id]) > 0 })
	verdicts, wrong := map[model.Verdict]int{}, 0
	for _, l := range slices.SortedFunc(maps.Keys(asked), exposure.CompareLookups) {
		differ := holds(t, m, clerk, sheets[[2]string{l.Ecosystem, l.Name}], l, verdicts)
		for _, d := range differ {
			if wrong++; wrong <= 20 {
				t.Errorf("%+v: %s", l, d)
			}
		}

	}
	if verdicts[model.VerdictAffected] < 10_000 || verdicts[model.VerdictUnknown] < 20 {
		t.Errorf("%v", verdicts)
	}
	t.Logf("%d packages as installed in their releases and %d versions of the longest: %v, %d otherwise than by matching", installed, len(asked)-installed, verdicts, wrong)
}

// holds judges one Lookup both ways.
func holds(t *testing.T, m *exposure.Matcher, clerk *exposure.Clerk, x *exposure.Sheet, l model.Lookup, verdicts map[model.Verdict]int) (differ []string) {
	t.Helper()
	type of struct {
		key model.AdvisoryKey
		id  string
	}
	heard, first := map[of]exposure.Opinion{}, map[model.AdvisoryKey]exposure.Opinion{}
	err := clerk.Judge(x, l.Version, func(o exposure.Opinion) {
		k := o.Of.(model.AdvisoryKey)
		heard[of{k, o.Vulnerability}], first[k] = o, o
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.Judge([]model.Lookup{l})
	if err != nil {
		t.Fatal(err)
	}
	found := map[of]bool{}
	for _, f := range all[0].Findings {
		found[of{f.Advisory, f.Vulnerability}] = true
		o, ok := heard[of{f.Advisory, f.Vulnerability}]
		if !ok { // said of the first of several vulnerabilities
			o = first[f.Advisory]
		}
		verdicts[f.Verdict]++
		if o.Verdict != f.Verdict || o.Fixed != f.Fixed || o.Reason != f.Reason {
			differ = append(differ, f.Advisory.String()+" "+string(f.Verdict)+" "+f.Fixed+" "+f.Reason+", by its sheet "+string(o.Verdict)+" "+o.Fixed+" "+o.Reason)
		}
	}
	for k := range heard {
		if !found[k] {
			differ = append(differ, k.key.String()+" only by its sheet")
		}
	}
	return differ
}
