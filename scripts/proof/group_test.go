package proof

import (
	"maps"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// Having implements merge.Names.
func (s *shelf) Having(identity string, most int) ([]merge.Record, error) {
	keys := slices.SortedFunc(slices.Values(s.had[identity]), model.AdvisoryKey.Compare)
	if most > 0 {
		keys = keys[:min(most, len(keys))]
	}
	out := make([]merge.Record, len(keys))
	for i, k := range keys {
		out[i] = merge.RecordOf(s.records[k])
	}
	return out, nil
}

// cvesOf returns the CVEs among a record's own id and aliases.
func cvesOf(a model.Advisory) []string {
	var out []string
	for _, id := range merge.RecordOf(a).IDs {
		if model.IsCVE(id) {
			out = append(out, merge.Fold(id))
		}
	}
	return out
}

// wholeTree is the canonicals of the whole tree, once.
var wholeTree struct {
	sync.Once
	groups []merge.Group
	err    error
	took   time.Duration
	bytes  uint64
}

// groups returns the canonicals of the whole tree.
func groups(t testing.TB, s *shelf) []merge.Group {
	t.Helper()
	w := &wholeTree
	w.Do(func() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		w.groups, w.err = merge.Regroup(s, slices.Sorted(maps.Keys(s.had)))
		w.took = time.Since(start)
		runtime.ReadMemStats(&after)
		w.bytes = after.TotalAlloc - before.TotalAlloc
	})
	if w.err != nil {
		t.Fatal(w.err)
	}
	return w.groups
}

// TestGrouping joins all records of all sources. None gets lost, no group has two CVEs, each record that names several stands
// guarded, and the groups around any record are those of the whole.
func TestGrouping(t *testing.T) {
	s := mustTree(t)
	all := groups(t, s)

	reasons, sizes, placed := map[model.EdgeReason]int{}, map[int]int{}, map[model.AdvisoryKey]string{}
	var guarded []string
	for _, g := range all {
		sizes[len(g.Members)]++
		cves := map[string]bool{}
		for _, e := range g.Members {
			reasons[e.Reason]++
			if was, twice := placed[e.AdvisoryKey]; twice {
				t.Errorf("%s is in %s and in %s", e.AdvisoryKey, was, g.ID)
			}
			placed[e.AdvisoryKey] = g.ID
			own := cvesOf(s.records[e.AdvisoryKey])
			if e.Reason == model.EdgeGuard {
				guarded = append(guarded, e.String())
				if len(g.Members) > 1 || len(own) < 2 {
					t.Errorf("%s stands guarded in %s with %d others and %v", e.AdvisoryKey, g.ID, len(g.Members)-1, own)
				}
				continue
			}
			if len(own) > 0 && model.IsCVE(s.records[e.AdvisoryKey].ID) {
				own = own[:1] // what it is, whatever else it names
			}
			for _, id := range own {
				cves[id] = true
			}
		}
		if len(cves) > 1 || len(cves) == 1 && !cves[g.ID] {
			t.Errorf("the group %s holds %v", g.ID, slices.Sorted(maps.Keys(cves)))
		}
	}
	if len(placed) != 73_717 || len(guarded) != 48 {
		t.Errorf("%d records are placed and %d guarded; want 73717 and 48: %v", len(placed), len(guarded), guarded)
	}
	most := 0
	for _, keys := range s.had {
		most = max(most, len(keys))
	}
	t.Logf("%d records make %d canonicals in %v, %.0f MB allocated; joined by %v; groups by size %v; one identity has at most %d records",
		len(placed), len(all), wholeTree.took.Round(time.Millisecond), float64(wholeTree.bytes)/1e6, reasons, sizes, most)

	byID := map[string]merge.Group{}
	for _, g := range all {
		byID[g.ID] = g
	}
	keys := slices.SortedFunc(maps.Keys(s.records), model.AdvisoryKey.Compare)
	for i := 0; i < len(keys); i += 61 {
		around, err := merge.Regroup(s, merge.Identities(s.records[keys[i]]))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(around, func(g merge.Group) bool { return g.ID == placed[keys[i]] }) {
			t.Errorf("around %s there is no %s", keys[i], placed[keys[i]])
		}
		for _, g := range around {
			if !reflect.DeepEqual(g, byID[g.ID]) {
				t.Errorf("around %s the group %s is another than of the whole", keys[i], g.ID)
			}
		}
	}
}

// TestHeads works out what lists show of each canonical.
func TestHeads(t *testing.T) {
	s := mustTree(t)
	all := groups(t, s)
	start := time.Now()
	differing, withdrawn, known, rated := 0, 0, 0, 0
	for _, g := range all {
		members := make([]model.Advisory, len(g.Members))
		for i, e := range g.Members {
			members[i] = s.records[e.AdvisoryKey]
		}
		h := merge.Head(g.ID, members)
		if h.Differing > 0 {
			differing++
		}
		if !h.Withdrawn.IsZero() {
			withdrawn++
		}
		if !h.Known.IsZero() {
			known++
		}
		if h.Severity != model.SeverityUnknown {
			rated++
		}
	}
	t.Logf("%d heads in %v: %d rated, %d known to be exploited, %d withdrawn, %d with sources that do not agree",
		len(all), time.Since(start).Round(time.Millisecond), rated, known, withdrawn, differing)
	if known == 0 || withdrawn == 0 || differing == 0 || rated == 0 {
		t.Error("the heads are empty")
	}
	// Every one of CISA's records is a fact about a canonical of that CVE.
	n := 0
	for k, a := range s.records {
		if k.Source != "cisa-kev" {
			continue
		}
		n++
		if a.Exploit == nil || a.Exploit.Known.IsZero() || merge.RecordOf(a).Fact != a.Upstream[0] {
			t.Errorf("%s: %+v", k, a.Exploit)
		}
	}
	if n != s.sources["cisa-kev"] || known != n {
		t.Errorf("%d records of the catalog, %d canonicals known to be exploited", n, known)
	}
}
