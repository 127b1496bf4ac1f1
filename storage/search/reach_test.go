package search

import (
	"encoding/binary"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// TestReachInSteps: between the steps in which a site is lost its hosts go, come, move to another site and change,
// and ordinals of theirs are used again. What is shown in the end is as if nothing had come in between.
func TestReachInSteps(t *testing.T) {
	x := New(1)
	here, there := model.SiteID{1}, model.SiteID{2}
	rows := map[model.HostID]model.Host{}
	put := func(n int, site model.SiteID, s model.HostStatus) {
		h := model.Host{Site: site, Status: s, LastSeen: model.Time(n + 1)}
		binary.BigEndian.PutUint64(h.ID[8:], uint64(n+1))
		rows[h.ID] = h
		x.Apply([]Change{{ID: h.ID, Host: &h}})
	}
	drop := func(n int) {
		var id model.HostID
		binary.BigEndian.PutUint64(id[8:], uint64(n+1))
		delete(rows, id)
		x.Apply([]Change{{ID: id, Gone: true}})
	}
	const hosts = 5*reachStep + 17
	for n := range hosts {
		put(n, here, model.HostUp)
	}
	for _, up := range []bool{false, true} {
		step := x.ReachInSteps(here, up)
		_, place, _ := x.Changes(0, 0)
		last := hosts - 1
		for steps := 1; ; steps++ {
			more := step()
			ids, _, lost := x.Changes(place, hosts)
			if len(ids) > reachStep+8 || lost {
				t.Fatalf("step %d touches %d hosts, lost %v", steps, len(ids), lost)
			}
			if !more {
				if steps < hosts/reachStep {
					t.Fatalf("%d steps for %d hosts", steps, hosts)
				}
				break
			}
			// The last ones have not had their turn.
			drop(last)
			put(hosts+2*last, there, model.HostDown) // where the dropped one was
			drop(last - 3)
			put(last-1, there, model.HostUp)
			put(last-2, here, model.HostLate)
			put(hosts+2*last+1, here, model.HostUp)
			drop(last - 4)
			last -= 5
			_, place, _ = x.Changes(0, 0)
		}
		for id, h := range rows {
			if faults := x.Verify(&h); len(faults) > 0 {
				t.Fatalf("up %v: host %s: %q", up, id, faults)
			}
		}
		if faults := x.Census(); len(faults) > 0 {
			t.Fatal(faults)
		}
	}
	if x.ReachInSteps(here, true)() {
		t.Error("there is something to do for a word that changes nothing")
	}
}

// TestReachLeavesNoBounds: when a site is back, no run of ordinals keeps bounds of the time when its hosts were shown
// as unknown. With them, the newest of those that are unknown were looked for in every run.
func TestReachLeavesNoBounds(t *testing.T) {
	x := New(1)
	var first []Change
	for n := range 5*zoneHosts + 17 {
		h := numbered(n)
		h.LastSeen = model.Time(n + 1)
		first = append(first, Change{ID: h.ID, Host: &h})
	}
	x.Apply(first)
	for site := range byte(3) {
		x.Reach(model.SiteID{site}, false)
	}
	for i := range x.zones.of {
		if z := &x.zones.of[i]; z.latest[statusUnknown] < z.earliest[statusUnknown] || z.latest[statusUp] > z.earliest[statusUp] {
			t.Fatalf("all are lost; run %d has %+v", i, *z)
		}
	}
	for site := range byte(3) {
		x.Reach(model.SiteID{site}, true)
	}
	for i := range x.zones.of {
		if z := &x.zones.of[i]; z.latest[statusUnknown] > z.earliest[statusUnknown] || z.latest[statusUp] < z.earliest[statusUp] {
			t.Errorf("all are back; run %d has %+v", i, *z)
		}
	}
}
