package exposure

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// asked counts how often a shelf is asked for the advisories of a package.
type asked struct {
	shelf
	n *int
}

func (a asked) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	*a.n++
	return a.shelf.AdvisoriesFor(ecosystem, pkg, fn)
}

// A Matcher that has seen a thousand inventories says of each what one that has seen nothing says, and asks for each
// version of a package once; and a roll-up of summaries is that of the findings.
func TestAMatcherRemembers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var s shelf
	for i := range 120 {
		a := model.Advisory{AdvisoryKey: key("x", fmt.Sprintf("CVE-2024-%04d", i)), Affected: []model.Affected{
			below("Debian:12", fmt.Sprint("source-", r.IntN(12)), fmt.Sprint(1+r.IntN(9))),
		}}
		if i%10 == 0 { // one that cannot be compared
			a.Affected = append(a.Affected, below("Debian:12", fmt.Sprint("source-", r.IntN(12)), "no version"))
		}
		if i%17 == 0 {
			a.Aliases = []string{fmt.Sprintf("CVE-2023-%04d", i)}
		}
		s = append(s, a)
	}
	n := 0
	m := NewMatcher(asked{s, &n})
	summaries := NewSummaries()
	kept, whole := summaries.Rollup(), NewRollup()
	versions := map[string]bool{}
	for round := range 1000 {
		inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}}
		for range r.IntN(30) {
			source, version := fmt.Sprint("source-", r.IntN(14)), fmt.Sprint(r.IntN(10))
			versions[source+" "+version] = true
			inv.Packages = append(inv.Packages, model.Package{
				Manager: "dpkg", Name: fmt.Sprint(source, "-", r.IntN(3)), Version: version, Source: source, SourceVersion: version,
			})
		}
		if round%7 == 0 {
			m.On(asked{s, &n})
		}
		got, counts, err := m.Match(inv)
		if err != nil {
			t.Fatal(err)
		}
		want, wanted, err := Match(inv, s)
		if err != nil || counts != wanted || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: %+v\n%+v\nwant %+v\n%+v, %v", round, counts, got, wanted, want, err)
		}
		hosts := r.IntN(4)
		kept.AddSummary(summaries.Of(got), hosts)
		whole.Add(model.Match{Findings: want}, hosts)
	}
	if n > len(versions) {
		t.Errorf("the shelf was asked %d times about %d versions of packages", n, len(versions))
	}
	if got, want := kept.Result(), whole.Result(); !reflect.DeepEqual(got, want) || want.Counts.Uncertain == 0 || want.AffectedHosts == 0 {
		t.Errorf("rolled up %+v, want %+v", got, want)
	}
	m.knownN = knownMax // what is remembered has an end
	before := n
	if _, _, err := m.Match(model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{{Manager: "dpkg", Name: "source-1", Version: "1"}}}); err != nil || n == before || m.knownN > 1000 {
		t.Errorf("asked %d times, %d findings are remembered; %v", n-before, m.knownN, err)
	}
}
