package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// TestEveryRecordDecodes reads the whole tree: each record becomes an advisory of its folder's name, and
// no two become the same one.
func TestEveryRecordDecodes(t *testing.T) {
	s := mustTree(t)
	for i, r := range s.refused {
		if i < 20 {
			t.Errorf("%s: %v", r.name, r.err)
		}
	}
	if s.all != 73_717 || len(s.refused) != 0 || len(s.keys) != 73_717 || len(s.sources) != 31 {
		t.Errorf("%d records, %d refused, %d distinct, %d sources; want 73717, 0, 73717, 31 (%v)", s.all, len(s.refused), len(s.keys), len(s.sources), s.repeated)
	}
	for key, file := range s.keys {
		if want := strings.Split(file, "/")[1]; key.Source != want {
			t.Errorf("%s has source %s", file, key.Source)
		}
	}
	t.Logf("decoded %d of %d records, %.1f MB, in %v (%.0f MB/s)", len(s.keys), s.all, float64(s.bytes)/1e6, s.decoding.Round(time.Millisecond),
		float64(s.bytes)/1e6/s.decoding.Seconds())
}

// TestVersionOrder compares every recorded pair with the answer of the ecosystem's own tool.
func TestVersionOrder(t *testing.T) {
	files := mustExtras(t)
	for _, c := range []struct {
		file, ecosystem string
		pairs           int
		// invalid is how many pairs have a text that the tool orders but that is no version by our table.
		invalid int
	}{
		{"debian", "Debian:12", 3_363, 0},
		{"rpm", "AlmaLinux:9", 4_191, 0},
		{"pypi", "PyPI", 4_100, 0},
		{"npm", "npm", 1_259, 0},
	} {
		pairs, wrong, invalid := 0, 0, 0
		for line := range strings.Lines(string(files["oracles/version-compare/"+c.file+".tsv"])) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if strings.HasPrefix(line, "#") || len(f) != 3 {
				continue
			}
			pairs++
			got, ok := exposure.Compare(c.ecosystem, f[0], f[1])
			back, _ := exposure.Compare(c.ecosystem, f[1], f[0])
			switch {
			case !ok:
				invalid++
				t.Logf("%s: not comparable: %q %q", c.file, f[0], f[1])
			case fmt.Sprint(got) != f[2] || back != -got:
				wrong++
				t.Errorf("%s: compare(%q, %q) = %d and back %d; the tool says %s", c.file, f[0], f[1], got, back, f[2])
			}
		}
		if pairs != c.pairs || invalid != c.invalid {
			t.Errorf("%s: %d pairs, %d not comparable; want %d, %d", c.file, pairs, invalid, c.pairs, c.invalid)
		}
		t.Logf("%s: %d of %d pairs as the tool orders them, %d not comparable", c.file, pairs-wrong-invalid, pairs, invalid)
	}
}

// inventory reads one package list as a host of that system would report it.
func inventory(t testing.TB, files map[string][]byte, name string, os model.OS, manager string) model.Inventory {
	t.Helper()
	var rows []struct {
		Name, Version, Arch, Source string
		SourceVersion               string `json:"source_version"`
	}
	if err := json.Unmarshal(files["inventories/"+name+".json"], &rows); err != nil {
		t.Fatal(err)
	}
	inv := model.Inventory{OS: os}
	for _, r := range rows {
		inv.Packages = append(inv.Packages, model.Package{Manager: manager, Name: r.Name, Version: r.Version, Arch: r.Arch, Source: r.Source, SourceVersion: r.SourceVersion})
	}
	return inv
}

// want is one expected finding.
type want struct {
	Name, Source, Version, ID, CVE, Fixed string
}

func readWant(t testing.TB, files map[string][]byte, name string) []want {
	t.Helper()
	var out []want
	dec := json.NewDecoder(bytes.NewReader(files["expected/"+name+".json"]))
	dec.DisallowUnknownFields()
	var rows []struct {
		Name, Source, Version, ID, CVE, Fixed, Published string
	}
	if err := dec.Decode(&rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		out = append(out, want{r.Name, r.Source, r.Version, r.ID, r.CVE, r.Fixed})
	}
	return out
}

// only is a shelf that shows the records of one source for packages.
type only struct {
	*shelf
	source string
}

func (o only) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	return o.shelf.AdvisoriesFor(ecosystem, pkg, func(a model.Advisory) error {
		if a.Source != o.source {
			return nil
		}
		return fn(a)
	})
}

// TestDebianFindings holds the findings for three states of a real Debian 12 machine against what the
// order of the entries in Debian's own changelogs says, which no comparison of versions went into. Only
// expectations about records that the tree has count; as it is, it has them all.
func TestDebianFindings(t *testing.T) {
	files, s := mustExtras(t), mustTree(t)
	debian12 := model.OS{ID: "debian", Version: "12"}
	for _, c := range []struct {
		name           string
		listed, equals int
	}{
		{"debian12-asof-2023-07-01", 3_679, 3_679},
		{"debian12-asof-2024-07-01", 3_143, 3_143},
		{"debian12-asof-2025-07-01", 2_334, 2_334},
	} {
		inv := inventory(t, files, c.name, debian12, "dpkg")
		expected := readWant(t, files, c.name)
		wants := map[want]bool{}
		for _, w := range expected {
			if _, ok := s.keys[model.AdvisoryKey{Source: "debian-changelog", ID: w.ID}]; ok {
				wants[w] = true
			}
		}
		start := time.Now()
		found, counts, err := exposure.Match(inv, s)
		took := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		source := map[string][2]string{}
		for _, p := range inv.Packages {
			source[p.Name] = [2]string{p.Source, p.Version}
		}
		equal, severe := 0, 0
		for _, f := range found {
			if f.Advisory.Source != "debian-changelog" || f.Verdict != model.VerdictAffected {
				t.Errorf("%s: finding %+v is none of debian-changelog", c.name, f)
				continue
			}
			w := want{f.Package, f.Source, source[f.Package][1], f.Advisory.ID, f.Vulnerability, f.Fixed}
			if !wants[w] {
				t.Errorf("%s: found %+v, which is not expected", c.name, w)
				continue
			}
			equal++
			delete(wants, w)
			if f.Severity != model.SeverityUnknown {
				severe++
			}
		}
		for w := range wants {
			t.Errorf("%s: expected %+v, which was not found", c.name, w)
		}
		t.Logf("%s: %d of %d expected findings equal (%d listed), %d found in all; %d rated; counts %+v; %d packages, %v",
			c.name, equal, equal+len(wants), len(expected), len(found), severe, counts, len(inv.Packages), took)
		if len(expected) != c.listed || equal != c.equals || len(found) != c.equals {
			t.Errorf("%s: %d listed, %d equal, %d found; want %d, %d, %d", c.name, len(expected), equal, len(found), c.listed, c.equals, c.equals)
		}
	}
}

// TestAlmaLinuxFindings does the same with AlmaLinux 9 errata, which name binary packages. The
// expectation lists the errata published after the date for each package of the list. Findings besides
// are errata of before the date, whose fix the derived list does not have.
func TestAlmaLinuxFindings(t *testing.T) {
	files, s := mustExtras(t), mustTree(t)
	for _, c := range []struct {
		name   string
		listed int
		older  []string
	}{
		{"almalinux9-asof-2023-07-01", 121, []string{"curl-minimal ALSA-2023:2650", "libcurl-minimal ALSA-2023:2650"}}, // of 2023-05-09
		{"almalinux9-asof-2025-01-01", 104, []string{"pam ALSA-2024:10244"}},                                           // of 2024-11-25
	} {
		inv := inventory(t, files, c.name, model.OS{ID: "almalinux", Version: "9.4"}, "rpm")
		wants := map[[3]string]bool{}
		for _, w := range readWant(t, files, c.name) {
			if _, ok := s.keys[model.AdvisoryKey{Source: "almalinux9", ID: w.ID}]; !ok {
				t.Errorf("%s expects %s, which the tree does not have", c.name, w.ID)
			}
			wants[[3]string{w.Name, w.ID, w.Fixed}] = true
		}
		found, _, err := exposure.Match(inv, only{s, "almalinux9"})
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[[3]string]bool{}
		var older []string
		for _, f := range found {
			p := [3]string{f.Package, f.Advisory.ID, f.Fixed}
			if !wants[p] && !pairs[p] {
				older = append(older, p[0]+" "+p[1])
			}
			pairs[p] = true
		}
		slices.Sort(older)
		if !slices.Equal(older, c.older) {
			t.Errorf("%s: found besides %q, want %q", c.name, older, c.older)
		}
		common := 0
		for w := range wants {
			if !pairs[w] {
				t.Errorf("%s: %v was not found", c.name, w)
				continue
			}
			common++
		}
		if common != c.listed {
			t.Errorf("%s: %d equal, want %d", c.name, common, c.listed)
		}
		t.Logf("%s: %d of %d expected errata found, and %d older ones", c.name, common, len(wants), len(older))
	}
}

// TestRecordedAnswers asks what a public service was asked and recorded: for each record that it named
// and the tree has for that very package, the finding must be there. It knew more records and fewer new
// ones than the tree, so the reverse does not hold.
func TestRecordedAnswers(t *testing.T) {
	files, s := mustExtras(t), mustTree(t)
	matcher := exposure.NewMatcher(s)
	queries, found := 0, map[string]int{}
	for line := range strings.Lines(string(files["oracles/osvdev-querybatch.jsonl"])) {
		var q struct {
			Query struct {
				Package struct{ Ecosystem, Name string }
				Version string
			}
			IDs []string
		}
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			t.Fatal(err)
		}
		queries++
		p := model.Package{Name: q.Query.Package.Name, Version: q.Query.Version, Ecosystem: q.Query.Package.Ecosystem}
		held := map[string]bool{}
		err := s.AdvisoriesFor(p.Ecosystem, model.PackageName(p.Ecosystem, p.Name), func(a model.Advisory) error { held[a.ID] = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		findings, _, err := matcher.Match(model.Inventory{Packages: []model.Package{p}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range findings {
			got[f.Advisory.ID] = f.Verdict == model.VerdictAffected
		}
		for _, id := range q.IDs {
			switch prefix, _, _ := strings.Cut(id, "-"); {
			case held[id] && got[id]:
				found[prefix]++
			case held[id]:
				t.Errorf("%s %s %s: %s was not found", p.Ecosystem, p.Name, p.Version, id)
			}
		}
	}
	total := 0
	for _, n := range found {
		total += n
	}
	if queries != 960 || total != 293 {
		t.Errorf("%d queries, %d answers found; want 960, 293", queries, total)
	}
	t.Logf("%d queries, %d answers about records of the tree, all found: %v", queries, total, found)
}
