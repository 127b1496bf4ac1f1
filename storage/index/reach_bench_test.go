package index

import (
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// BenchmarkSetReach loses and finds a site of 27,000 hosts among 100,000. Beside the time of one word it says how
// long a commit has to wait for it at the most, in half of the words.
func BenchmarkSetReach(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	ok(b, err)
	defer func() { ok(b, s.Close()) }()
	f := fleet.New(fleet.Config{Seed: 1, Hosts: 100_000, Sites: 50})
	large := f.Sites[0].Model().ID
	tx := s.Begin()
	n := 0
	ok(b, f.Order(500, func(site, i int) error {
		h := f.Host(site, i).Model()
		if n++; n <= 27_000 {
			h.Site = large
		}
		return tx.PutHost(h)
	}))
	ok(b, tx.Commit(1, false))
	up := false
	for b.Loop() {
		s.SetReach(large, up)
		up = !up
	}
	var holds []time.Duration // of each word, the longest that others wait for
	for range 50 {
		most := time.Duration(0)
		step := s.life.memory.ReachInSteps(large, up)
		for more := true; more; {
			from := cpuTime(b)
			more = step()
			most = max(most, cpuTime(b)-from)
		}
		holds = append(holds, most)
		up = !up
	}
	slices.Sort(holds)
	b.ReportMetric(float64(holds[len(holds)/2].Microseconds()), "longest-hold-cpu-us")
	p := read(b, s, func(v *View) (int, error) { return v.memory.Len(), nil })
	if p != 100_000 || large == (model.SiteID{}) {
		b.Fatal(p)
	}
}
