package simulate

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

func newTestWorld(t testing.TB, seed uint64, hosts, sites, site int) *world {
	t.Helper()
	return newTestLogOf(t, seed, hosts, sites, site).world
}

func step(t testing.TB, w *world, now model.Time) happening {
	t.Helper()
	h, err := w.step(now)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// missing counts the hosts of a world that do not report, by looking at each.
func missing(w *world) (n int) {
	for i := range w.next {
		if w.there(i) && w.status(i) != model.HostUp {
			n++
		}
	}
	return n
}

// TestStatusesAreStationary: hosts come back as often as they are missed, so that after any time most sites
// are well, and at the others about as many hosts are missing as at the beginning.
func TestStatusesAreStationary(t *testing.T) {
	const sites = 24
	f := fleet.New(fleet.Config{Seed: 4, Hosts: 12_000, Sites: sites})
	im, err := newImages(4, variants)
	if err != nil {
		t.Fatal(err)
	}
	troubled := 0
	for i := range sites {
		w := newWorld(f, im, i, model.TimeOf(start))
		first := f.Sites[i].Hosts
		usual := w.trouble * float64(first)
		if w.trouble > 0 {
			troubled++
		}
		if got := float64(missing(w)); w.trouble == 0 && got > 0 || got > 2*usual+5 || got < usual/2-5 {
			t.Errorf("site %d: %g hosts of %d are missing at the beginning; usual are %g", i, got, first, usual)
		}
		ill, sum, looks, now := 0, 0, 0, model.TimeOf(start)
		kinds := map[model.HostStatus]int{}
		events := min(max(20*first, 2000), 20_000)
		for e := range events {
			now = now.Add(time.Second)
			h := step(t, w, now)
			if h.kind == model.ItemStatus {
				kinds[w.status(h.n)]++
			}
			n := len(w.late.all) + len(w.lost.all)
			if n > 0 {
				ill++
			}
			if e > events/2 {
				looks++
				sum += n
			}
		}
		if got := missing(w); got != len(w.late.all)+len(w.lost.all) {
			t.Fatalf("site %d: %d hosts are missing, and %d are known to be", i, got, len(w.late.all)+len(w.lost.all))
		}
		if len(w.gone) == 0 || w.next == first {
			t.Errorf("site %d: %d hosts of %d went, %d came", i, len(w.gone), first, w.next-first)
		}
		mean := float64(sum) / float64(looks)
		if w.trouble == 0 {
			if ill*10 > events || kinds[model.HostLate] == 0 || kinds[model.HostUp] == 0 {
				t.Errorf("site %d is to be well, and hosts were missing for %d of %d events; turns %v", i, ill, events, kinds)
			}
			continue
		}
		if mean > 1.6*usual+2 || mean < usual/1.6-2 {
			t.Errorf("site %d: %.1f hosts of %d are missing in the long run; usual are %.1f", i, mean, first, usual)
		}
		for _, s := range []model.HostStatus{model.HostUp, model.HostLate, model.HostDown, model.HostUnknown} {
			if kinds[s] == 0 {
				t.Errorf("site %d: no host turned %s: %v", i, s, kinds)
			}
		}
	}
	if troubled != sites/blockSites {
		t.Errorf("%d of %d sites have trouble", troubled, sites)
	}
}

// TestFactsAgree: what a row says in one field must not deny what it says in another, at the beginning and
// after anything that happened.
func TestFactsAgree(t *testing.T) {
	site := slices.IndexFunc([]int{0, 1, 2, 3, 4, 5}, func(i int) bool { return troubleAt(6, i, 6) > 0 })
	w := newTestWorld(t, 6, 6000, 6, site)
	seen := map[string]int{}
	images := map[string]model.Host{}
	check := func(n int) {
		t.Helper()
		h, i, err := w.host(n)
		if err != nil {
			t.Fatal(err)
		}
		seen[h.Worst()]++
		fail := func(why string) { t.Helper(); t.Fatalf("host %d %s: %+v", n, why, h) }
		switch {
		case i == nil && (h.ExposureAt != 0 || h.Updates != nil || h.Exposure != model.SeverityCounts{} || h.PackageN != 0):
			fail("has findings, and its packages are not known")
		case i != nil && (h.ExposureAt == 0 || h.Updates == nil || h.PackagesDigest == ""):
			fail("has packages, and nobody compared them")
		case i != nil && *h.Updates > 0 && h.Worst() == model.WorstClean:
			fail("is clean, and has updates that would fix something")
		case i != nil && *h.Updates > h.PackageN:
			fail("has more updates than packages")
		case h.FactsAt > h.LastSeen || h.ExposureAt > h.LastSeen || h.StatusAt < h.LastSeen || h.FirstSeen > h.LastSeen || h.BootedAt > h.LastSeen:
			fail("has times that cannot be")
		}
		if i != nil {
			seen["updates"] += *h.Updates
			if was, ok := images[i.digest]; ok && (was.Exposure != h.Exposure || *was.Updates != *h.Updates) {
				fail("has other findings than another host with the same packages")
			}
			images[i.digest] = h
		}
		regulated := slices.ContainsFunc(h.Tags, func(tag string) bool { return slices.Contains(regimes[:], tag) })
		switch {
		case regulated != (h.Compliance != nil):
			fail("has a compliance without a policy, or the other way round")
		case h.Compliance != nil && (*h.Compliance < 0 || *h.Compliance > 100 || *h.Compliance == 100 && h.Exposure.Critical > 0):
			fail("has a compliance that cannot be")
		case h.Compliance != nil:
			seen["compliant"]++
		}
	}
	for n := range w.next {
		check(n)
	}
	now := model.TimeOf(start)
	for range 4000 {
		now = now.Add(time.Second)
		if e := step(t, w, now); e.kind != model.ItemHostGone {
			check(e.n)
		}
	}
	for _, s := range []string{"critical", "high", model.WorstClean, model.WorstUnmatched, "updates", "compliant"} {
		if seen[s] == 0 {
			t.Errorf("no host is %s: %v", s, seen)
		}
	}
	t.Log(seen)
}

// TestRollup: what a site says of its findings is what its rows come to, whatever happened, and however its
// hosts came to be counted.
func TestRollup(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	l, m := newTestLogOf(t, 8, 900, 6, 1), newMirror()
	_ = l.DropThrough(0)
	m.drain(t, l)
	if l.world.tally.upto != l.world.next {
		t.Fatalf("%d of %d hosts are counted when their rows went up", l.world.tally.upto, l.world.next)
	}
	for range 20 {
		if r.IntN(4) == 0 {
			l.world.tally = tally{} // as after a restart
		}
		for range r.IntN(100) {
			l.happen()
		}
		m.drain(t, l)
		judge(t, l)
		got, ok, err := l.world.exposure(0)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		sum, severities := exposure.NewRollup(), model.SiteCounts{}
		for n := range l.world.next {
			if !l.world.there(n) {
				continue
			}
			h, i, err := l.world.host(n)
			if err != nil {
				t.Fatal(err)
			}
			severities.Add(&h, 1)
			if i != nil {
				sum.Add(model.Match{Findings: i.found}, 1)
			}
		}
		want := sum.Result()
		want.Site, want.Generation, want.AdvisoryN = got.Site, 1, got.AdvisoryN
		if !bytes.Equal(encoded(t, got), encoded(t, want)) {
			t.Fatalf("the roll-up is\n%s\nthe rows come to\n%s", encoded(t, got), encoded(t, want))
		}
		if clean := severities.ByWorst[model.WorstClean]; got.MatchedHosts-got.AffectedHosts != int(clean) || got.AdvisoryN < got.Counts.Total() || len(got.Top) == 0 {
			t.Fatalf("%+v; %d hosts are clean", got, clean)
		}
	}
	m.drain(t, l)
	judge(t, l)
	items, err := l.After(m.at, 1000, 1<<20)
	if err != nil || len(items) != 1 {
		t.Fatal(len(items), err)
	}
	for _, i := range items {
		if i.Kind == model.ItemExposure {
			t.Fatal("it is said again, and nothing changed")
		}
	}
}

// TestNamesAreDistinct: no two hosts of a simulated federation have one name, nor does a fleet of the same seed
// at a site beside it have one of theirs.
func TestNamesAreDistinct(t *testing.T) {
	const seed, hosts, sites = 1, 20_000, 20
	names, serials := map[string]string{}, map[string]string{}
	add := func(f model.Facts, of string) {
		t.Helper()
		for _, k := range []string{f.Hostname, f.FQDN} {
			if was, ok := names[k]; ok {
				t.Fatalf("%s is a host of %s and of %s", k, was, of)
			}
		}
		names[f.Hostname], names[f.FQDN] = of, of
		if was, ok := serials[f.Serial]; ok {
			t.Fatalf("the serial number %s is of a host of %s and of %s", f.Serial, was, of)
		}
		serials[f.Serial] = of
		if !strings.HasPrefix(f.FQDN, f.Hostname+"."+of+".") || f.Hostname != strings.ToLower(f.Hostname) {
			t.Fatalf("host %q of %s has the FQDN %q", f.Hostname, of, f.FQDN)
		}
	}
	f := newTestWorld(t, seed, hosts, sites, 0).fleet
	for i := range sites {
		w := newTestWorld(t, seed, hosts, sites, i)
		for n := range w.next {
			h, _, err := w.host(n)
			if err != nil {
				t.Fatal(err)
			}
			add(h.Facts, f.Sites[i].Code)
		}
	}
	for _, site := range []string{"oslo", "bergen"} {
		f := newFleet(t, seed, site, 1)
		for n := range 3000 {
			facts, _ := hostOf(t, f, n)
			add(facts, site)
		}
	}
}
