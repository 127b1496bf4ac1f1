package index

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func anyCounts(t *rapid.T) model.SiteCounts {
	num := rapid.OneOf(rapid.Int64Range(-2, 1_000_000), rapid.Int64())
	words := rapid.OneOf(rapid.Just(map[string]int64(nil)), rapid.MapOfN(rapid.OneOf(rapid.SampledFrom(knownWords[1:]), rapid.String()), num, 0, 12))
	n := model.SiteCounts{
		Site: model.SiteID{byte(rapid.IntRange(0, 9).Draw(t, "site"))}, ByStatus: words.Draw(t, "statuses"), ByWorst: words.Draw(t, "severities"),
		LastItem: model.Time(num.Draw(t, "item")), JudgedAt: model.Time(num.Draw(t, "judged")),
	}
	for _, p := range []*int64{&n.Hosts, &n.Reboot, &n.Updates, &n.Compliance, &n.ComplianceN} {
		*p = num.Draw(t, "sum")
	}
	e := &n.Exposure
	for _, p := range []*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown, &e.Uncertain} {
		*p = int(num.Draw(t, "found"))
	}
	return n
}

func TestCountsReadBack(t *testing.T) {
	c, err := newRowCodec()
	ok(t, err)
	rapid.Check(t, func(t *rapid.T) {
		want := anyCounts(t)
		b := encodeCounts(&want)
		var got model.SiteCounts
		if err := c.readCounts(b, want.Site, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if err := c.readCounts(b[:cut], want.Site, &got); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("a row cut at %d of %d gives %v", cut, len(b), err)
		}
		if err := c.readCounts(append(b, 0), want.Site, &got); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("a row with a byte behind it gives %v", err)
		}
	})
	n := model.SiteCounts{Site: model.SiteID{1}, Hosts: math.MaxInt32, ByStatus: map[string]int64{"up": 3}}
	b := encodeCounts(&n)
	b[1] = countsLayout + 1
	kind(t, c.readCounts(b, n.Site, &n), fault.Version, "start the version")
	old, err := c.encode(model.SiteCounts{Site: model.SiteID{1}, Hosts: 7}, false)
	ok(t, err)
	ok(t, c.readCounts(old, model.SiteID{1}, &n))
	if n.Hosts != 7 {
		t.Errorf("counts in JSON read as %+v", n)
	}
	kind(t, c.readCounts(old, model.SiteID{2}, &n), fault.Corrupt, "holds the row of site")
}

// FuzzCounts: no stored bytes make the readers panic or fail otherwise than as damage.
func FuzzCounts(f *testing.F) {
	c, err := newRowCodec()
	ok(f, err)
	n := model.SiteCounts{Hosts: 5, ByStatus: map[string]int64{"up": 4, "odd": 1}, ByWorst: map[string]int64{"clean": 5}, JudgedAt: 1_700_000_000_000}
	f.Add(encodeCounts(&n))
	f.Add(appendCounts([]byte{formCounts, countsLayout, 2}, &n))
	f.Add([]byte{formCounts})
	f.Add(append([]byte{formCounts, countsLayout, 13: 0}, 0xFF, 0xFF, 0xFF, 0x7F))
	f.Fuzz(func(t *testing.T, v []byte) {
		var n, again model.SiteCounts
		var s model.TrendSlot
		for _, err := range []error{c.readCounts(v, model.SiteID{}, &n), c.readTrend(v, model.SiteID{}, &s)} {
			if err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Version) {
				t.Fatal(err)
			}
		}
		if c.readCounts(v, model.SiteID{}, &n) == nil {
			ok(t, c.readCounts(encodeCounts(&n), model.SiteID{}, &again))
			if !reflect.DeepEqual(n, again) {
				t.Fatalf("%+v became %+v", n, again)
			}
		}
	})
}
