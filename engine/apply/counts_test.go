package apply_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func (w *world) trend(s model.SiteID, res model.Resolution, at model.Time) (slot model.TrendSlot, ok bool) {
	slot = look(w, func(v *index.View) (model.TrendSlot, error) {
		slot, found, err := v.Trend(s, res, at)
		ok = found
		return slot, err
	})
	return slot, ok
}

// scan sums the rows as they are.
func (w *world) scan() map[model.SiteID]*model.SiteCounts {
	return look(w, func(v *index.View) (map[model.SiteID]*model.SiteCounts, error) {
		all := map[model.SiteID]*model.SiteCounts{{}: {}, berlin: {Site: berlin}, oslo: {Site: oslo}}
		err := v.EachHost(func(h model.Host) error {
			all[h.Site].Add(&h, 1)
			all[model.SiteID{}].Add(&h, 1)
			return nil
		})
		return all, err
	})
}

// agree compares every aggregate row, and the newest point of each trend, with a scan.
func (w *world) agree(when string) {
	w.t.Helper()
	for site, want := range w.scan() {
		got := w.counts(site)
		if !got.SameSums(*want) {
			w.t.Fatalf("%s: the counts of %s are\n%+v, a scan gives\n%+v", when, site, got, *want)
		}
		for _, words := range []map[string]int64{got.ByStatus, got.ByWorst} {
			for k, n := range words {
				if n <= 0 {
					w.t.Fatalf("%s: %q is counted %d times", when, k, n)
				}
			}
		}
	}
}

// some returns a random row of one of a few hosts.
func some(r *rand.Rand, at model.Time) model.Host {
	pick := func() *bool {
		switch r.IntN(3) {
		case 0:
			return nil
		case 1:
			return new(false)
		}
		return new(true)
	}
	h := model.Host{ID: model.HostID(id(byte(100 + r.IntN(12)))), Facts: model.Facts{Hostname: fmt.Sprint("h", r.IntN(3)), RebootNeeded: pick()}}
	h.Status = []model.HostStatus{model.HostUp, model.HostDown, model.HostLate, model.HostUnknown, ""}[r.IntN(5)]
	h.StatusAt, h.LastSeen = at, at
	if r.IntN(2) == 0 {
		h.Exposure = model.SeverityCounts{Critical: r.IntN(2), High: r.IntN(3), Medium: r.IntN(3), Low: r.IntN(2), None: r.IntN(2), Unknown: r.IntN(2), Uncertain: r.IntN(2)}
		h.ExposureAt = at
		h.Updates = new(r.IntN(4))
	}
	if r.IntN(2) == 0 {
		h.Compliance = new(float64(r.IntN(1001)) / 10)
	}
	return h
}

// Counts are kept by increments: after whatever came, they are what a scan finds.
func TestCountsAreWhatAScanFinds(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, model.RoleController, groupID)
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	seq := map[model.SiteID]model.Seq{}
	for step := range 300 {
		site := []model.SiteID{berlin, oslo}[r.IntN(2)] // either may try to write the other's
		var items []model.Item
		for range 1 + r.IntN(8) {
			h := some(r, w.at)
			seq[site]++
			switch r.IntN(5) {
			case 0:
				items = append(items, item(t, seq[site], model.ItemHostGone, h.ID.String(), nil))
			case 1, 2:
				items = append(items, item(t, seq[site], model.ItemStatus, h.ID.String(), h.Beat()))
			default:
				items = append(items, item(t, seq[site], model.ItemHost, h.ID.String(), h))
			}
		}
		w.receive(model.NodeID(site), items...)
		if r.IntN(4) == 0 { // the answer was lost: it comes again
			w.receive(model.NodeID(site), items...)
		}
		w.agree(fmt.Sprintf("seed %d, step %d", seed, step))
		for site, want := range w.scan() {
			if want.Hosts == 0 {
				continue
			}
			if slot, ok := w.trend(site, model.ResDay, w.at); !ok || !slot.Counts.SameSums(*want) {
				t.Fatalf("seed %d, step %d: the newest point of the trend of %s is %+v, want %+v", seed, step, site, slot, *want)
			}
		}
	}
	// What is gone leaves nothing behind.
	for site := range w.scan() {
		var items []model.Item
		for n := range 12 {
			seq[site]++
			items = append(items, item(t, seq[site], model.ItemHostGone, model.HostID(id(byte(100+n))).String(), nil))
		}
		if !site.IsZero() {
			w.receive(model.NodeID(site), items...)
		}
	}
	for site := range w.scan() {
		n := w.counts(site)
		if !n.SameSums(model.SiteCounts{}) || len(n.ByStatus)+len(n.ByWorst) != 0 {
			t.Errorf("seed %d: after every host went, %s counts %+v", seed, site, n)
		}
		slot, ok := w.trend(site, model.ResFiveMinutes, w.at)
		if !ok || !slot.Counts.SameSums(model.SiteCounts{}) {
			t.Errorf("seed %d: and its trend says %+v", seed, slot)
		}
	}
}

// At a site the rows come from agents, matches and judgements; the same holds there.
func TestCountsOfASite(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gw := model.NodeID(id(50))
	w.enrolled(model.MemberGateway, gw, "gw")
	w.must(model.Generation{Stamp: w.stamp()})
	var seq model.Seq
	for step := range 150 {
		h := some(r, w.at)
		key := h.ID.String()
		seq++
		digest := fmt.Sprint("d", r.IntN(4))
		switch r.IntN(5) {
		case 0:
			w.receive(gw, item(t, seq, model.ItemFacts, key, h.Facts))
		case 1:
			w.receive(gw, item(t, seq, model.ItemPackages, key, model.InventoryRef{Digest: digest, PackageN: 1}))
		case 2:
			w.must(model.Matched{Stamp: w.stamp(), Matches: []model.Match{{Digest: digest, Generation: 1, At: w.at, Counts: h.Exposure, FixableN: h.Updates}}})
		default:
			w.must(model.HostStatuses{Stamp: w.stamp(), All: r.IntN(2) == 0, Hosts: []model.HostStatusAt{{Host: h.ID, Status: model.HostDown, LastSeen: w.at}}})
		}
		w.agree(fmt.Sprintf("seed %d, step %d", seed, step))
	}
}

func TestTrend(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	const minute = model.Time(60_000)
	noon := model.ResDay.Start(w.at) + 12*60*minute
	var seq model.Seq
	put := func(site model.SiteID, host byte, at model.Time, status model.HostStatus) {
		t.Helper()
		seq++
		w.at = at
		h := model.Host{ID: model.HostID(id(host)), Status: status}
		w.receive(model.NodeID(site), item(t, seq, model.ItemHost, h.ID.String(), h))
	}
	check := func(site model.SiteID, res model.Resolution, at model.Time, hosts, up int64) {
		t.Helper()
		slot, ok := w.trend(site, res, at)
		if !ok || slot.Start != res.Start(at) || slot.Counts.Hosts != hosts || slot.Counts.ByStatus["up"] != up {
			t.Errorf("%s of %s at %s: %+v, %v; want %d hosts, %d up", res, site, at, slot, ok, hosts, up)
		}
		if slot.Counts.LastItem != 0 || slot.Counts.JudgedAt != 0 {
			t.Errorf("a slot carries times: %+v", slot)
		}
	}
	all := model.SiteID{}
	put(berlin, 10, noon+1, model.HostUp)
	put(oslo, 11, noon+minute, model.HostDown)
	put(berlin, 12, noon+4*minute, model.HostDown)
	put(berlin, 12, noon+6*minute, model.HostUp) // the next five minutes, the same hour
	check(berlin, model.ResFiveMinutes, noon, 2, 1)
	check(berlin, model.ResFiveMinutes, noon+5*minute, 2, 2)
	check(berlin, model.ResHour, noon, 2, 2)
	check(berlin, model.ResDay, noon, 2, 2)
	check(oslo, model.ResDay, noon, 1, 0)
	check(all, model.ResFiveMinutes, noon, 3, 1)
	check(all, model.ResDay, noon, 3, 2)

	// Nothing moved: no point, though the row of the counts was written.
	put(berlin, 12, noon+20*minute, model.HostUp)
	if slot, ok := w.trend(berlin, model.ResFiveMinutes, noon+20*minute); ok {
		t.Errorf("a change that moved no count made %+v", slot)
	}
	if w.counts(berlin).LastItem != noon+20*minute {
		t.Errorf("counts: %+v", w.counts(berlin))
	}

	// A day later the ring of five minutes comes round, and the older lap is written over.
	day := 24 * 60 * minute
	put(berlin, 13, noon+day+1, model.HostUp)
	check(berlin, model.ResFiveMinutes, noon+day, 3, 3)
	check(berlin, model.ResDay, noon, 2, 2)

	// A clock that went back a whole lap does not write over the newer one; the coarser rings have room.
	put(berlin, 14, noon+2, model.HostUp)
	check(berlin, model.ResFiveMinutes, noon+day, 3, 3)
	check(berlin, model.ResDay, noon, 4, 4)
	check(berlin, model.ResDay, noon+day, 3, 3)
	w.agree("at the end")
}

func TestResolutions(t *testing.T) {
	at := model.Time(1_700_000_123_456)
	for _, tc := range []struct {
		res  model.Resolution
		days float64
	}{{model.ResFiveMinutes, 1}, {model.ResHour, 31}, {model.ResDay, 732}} {
		d := model.Time(tc.res.Duration().Milliseconds())
		if got := float64(d) * float64(tc.res.Slots()) / 86_400_000; got != tc.days {
			t.Errorf("%s is kept for %v days, want %v", tc.res, got, tc.days)
		}
		seen := map[int]bool{}
		for n := range tc.res.Slots() {
			at := at + model.Time(n)*d
			if s := tc.res.Start(at); s > at || at-s >= d || tc.res.Place(s) != tc.res.Place(at) {
				t.Fatalf("%s: %s begins at %s", tc.res, at, s)
			}
			p := tc.res.Place(at)
			if p < 0 || p >= tc.res.Slots() || seen[p] {
				t.Fatalf("%s: place %d of %s", tc.res, p, at)
			}
			seen[p] = true
		}
	}
	for _, r := range []model.Resolution{0, 9} {
		if r.Start(at) != 0 || r.Place(at) != 0 || r.Slots() != 0 || r.Duration() != 0 {
			t.Errorf("%d is a resolution", r)
		}
	}
	if model.ResHour.Start(0) != 0 {
		t.Error("the unknown time has a slot")
	}
}
