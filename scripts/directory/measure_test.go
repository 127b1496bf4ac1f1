package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

func TestPercentile(t *testing.T) {
	times := func(n int) (out []time.Duration) {
		for i := range n {
			out = append(out, time.Duration(n-i)) // n down to 1
		}
		return out
	}
	for _, c := range []struct {
		n    int
		p    float64
		want time.Duration
	}{{0, .5, 0}, {1, .5, 1}, {1, .99, 1}, {2, .5, 1}, {100, .5, 50}, {100, .99, 99}, {400, .99, 396}, {10, 0, 1}, {10, 1, 10}} {
		if got := percentile(times(c.n), c.p); got != c.want {
			t.Errorf("percentile %v of 1 to %d is %d, want %d", c.p, c.n, got, c.want)
		}
	}
}

func TestGeomean(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{4}, 4}, {[]float64{1, 100}, 10}, {[]float64{2, 0, 8}, 4}} {
		if got := geomean(c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("geomean(%v) is %v, want %v", c.v, got, c.want)
		}
	}
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{4321: "0.004", 912 * time.Microsecond: "0.912", 9120 * time.Microsecond: "9.12", 91_200 * time.Microsecond: "91.2", 912 * time.Millisecond: "912"} {
		if got := millis(d); got != want {
			t.Errorf("millis(%v) is %s, want %s", d, got, want)
		}
	}
}

// TestFacetLines: the order in which an engine gives equal counts is no difference, and which of equals were
// cut off is none either; another number is.
func TestFacetLines(t *testing.T) {
	lines := func(distinct int, v ...facetValue) []string {
		return facetLines(9, map[string]facet{"tag": {distinct: distinct, values: v}})
	}
	a, b, c, d := facetValue{"a", 5}, facetValue{"b", 3}, facetValue{"c", 3}, facetValue{"d", 3}
	for _, x := range []struct {
		one, two []string
		same     bool
	}{
		{lines(3, a, b, c), lines(3, a, c, b), true},
		{lines(4, a, b, c), lines(4, a, d, c), true}, // cut: which of b, c and d stand there is chance
		{lines(3, a, b, c), lines(3, a, b, d), false},
		{lines(3, a, b, c), lines(4, a, b, c), false},
		{lines(2, a, b), lines(2, a, facetValue{"b", 2}), false},
	} {
		if slices.Equal(x.one, x.two) != x.same {
			t.Errorf("same should be %v:\n%q\n%q", x.same, x.one, x.two)
		}
	}
}

// TestTextArray reads what PostgreSQL sends for '{}' and for '{env:prod,"",b}'.
func TestTextArray(t *testing.T) {
	empty := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25}
	three := []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x03\x00\x00\x00\x01" +
		"\x00\x00\x00\x08env:prod\x00\x00\x00\x00\x00\x00\x00\x01b")
	if got := readTextArray(empty); len(got) != 0 {
		t.Errorf("the empty array is %q", got)
	}
	if got := readTextArray(three); !slices.Equal(got, []string{"env:prod", "", "b"}) {
		t.Errorf("the array is %q", got)
	}
}

// TestColumns: the places by which rows are read and written are those of the columns.
func TestColumns(t *testing.T) {
	for at, name := range map[int]string{colID: "host_id", colSeen: "last_seen", colCritical: "cve_critical", colHigh: "cve_high", colStatus: "status", colName: "hostname", colTags: "tags"} {
		if columns[at].name != name {
			t.Errorf("column %d is %s, not %s", at, columns[at].name, name)
		}
	}
	h := fleet.New(fleet.Config{Seed: 1, Hosts: 10, Sites: 1}).Host(0, 0)
	if n := len(values(h)); n != len(columns) {
		t.Errorf("%d values for %d columns", n, len(columns))
	}
	var c columnArrays
	c.add(h)
	if n := len(c.args()); n != len(columns) {
		t.Errorf("%d arrays for %d columns", n, len(columns))
	}
}

// TestTraffic: streams share no site, and no heartbeat is of a host that is gone.
func TestTraffic(t *testing.T) {
	b := &bench{fleet: fleet.New(fleet.Config{Seed: 1, Hosts: 100_000, Sites: 40}), gone: map[string]bool{}}
	gone, rows, left := map[string]bool{}, 0, 0
	for range 6 {
		all := b.traffic(2, 20)
		writer := map[string]int{}
		for w, list := range all {
			for _, d := range list {
				if was, ok := writer[d.SiteID]; ok && was != w {
					t.Fatalf("site %s has two writers", d.SiteID)
				}
				writer[d.SiteID] = w
				left += batchSize - len(d.Deltas)
				for _, x := range d.Deltas {
					switch {
					case x.Op == fleet.OpRemove:
						gone[x.HostID] = true
					case x.Op != fleet.OpBeat:
						delete(gone, x.HostID)
					case gone[x.HostID]:
						t.Fatalf("a heartbeat of host %s, which is gone", x.HostID)
					}
				}
			}
		}
		rows += all.rows()
	}
	if rows+left != 6*20*batchSize || left == 0 {
		t.Errorf("%d rows and %d left out of %d", rows, left, 6*20*batchSize)
	}
}
