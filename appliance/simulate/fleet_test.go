package simulate

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newFleet(t *testing.T, seed uint64, site string, owner byte) *Fleet {
	t.Helper()
	f, err := NewFleet(seed, site, model.NodeID{owner}, start)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func hostOf(t *testing.T, f *Fleet, n int) (model.Facts, []byte) {
	t.Helper()
	facts, packages, err := f.Host(n)
	if err != nil {
		t.Fatal(err)
	}
	return facts, packages
}

func TestFleetIsAFunctionOfItsSeed(t *testing.T) {
	a, b, other := newFleet(t, 7, "oslo", 1), newFleet(t, 7, "oslo", 1), newFleet(t, 8, "oslo", 1)
	elsewhere, again := newFleet(t, 7, "bergen", 2), newFleet(t, 7, "oslo", 3)
	same, ids := true, map[model.HostID]bool{}
	for n := range 800 {
		x, p := hostOf(t, a, n)
		y, q := hostOf(t, b, n)
		if !reflect.DeepEqual(x, y) || !bytes.Equal(p, q) || a.ID(n) != b.ID(n) {
			t.Fatalf("host %d differs between two fleets of one seed", n)
		}
		z, _ := hostOf(t, other, n)
		same = same && reflect.DeepEqual(x, z)
		if w, r := hostOf(t, again, n); !reflect.DeepEqual(x, w) || !bytes.Equal(p, r) {
			t.Fatalf("host %d depends on who reports it", n)
		}
		w, r := hostOf(t, elsewhere, n)
		if x.OS != w.OS || !slices.Equal(x.Tags, w.Tags) || !bytes.Equal(p, r) {
			t.Fatalf("what host %d is depends on its site", n)
		}
		if x.Hostname == w.Hostname || x.FQDN == w.FQDN || x.Serial == w.Serial || slices.Equal(x.MAC, w.MAC) || slices.Equal(x.IPv6, w.IPv6) {
			t.Fatalf("two sites have the same host:\n%+v\n%+v", x, w)
		}
		if elsewhere.ID(n) == a.ID(n) || again.ID(n) == a.ID(n) {
			t.Fatalf("two gateways claim host %s", a.ID(n))
		}
		ids[a.ID(n)] = true
	}
	if same || len(ids) != 800 {
		t.Fatalf("another seed gives the same fleet: %v; %d ids of 800 hosts", same, len(ids))
	}
}

// TestSkew checks that the fleet is worth searching: systems differ, a few tags are everywhere and most
// are rare, and what a site can match is there in good and in bad care.
func TestSkew(t *testing.T) {
	f := newFleet(t, 1, "oslo", 1)
	systems, tags, kernels, owners := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	inventories := map[string]int{}
	const hosts = 3000
	for n := range hosts {
		facts, packages := hostOf(t, f, n)
		systems[facts.OS.ID]++
		kernels[facts.Kernel]++
		owners[facts.Owner]++
		for _, tag := range facts.Tags {
			tags[tag]++
		}
		system := f.System(n, facts)
		if err := inventory.CheckOSFacts(&system); err != nil || !reflect.DeepEqual(system, f.System(n, facts)) || len(system.Interfaces) != 1 {
			t.Fatalf("the system of host %d: %+v, %v", n, system, err)
		}
		if facts.Hostname == "" || facts.FQDN == "" || len(facts.IPv4) != 1 || !facts.Simulated || facts.BootedAt > model.TimeOf(start) {
			t.Fatalf("host %d: %+v", n, facts)
		}
		if packages == nil {
			continue
		}
		inventories[string(packages)]++
		var inv model.Inventory
		if err := model.Decode(packages, &inv); err != nil {
			t.Fatal(err)
		}
		if inv.OS != facts.OS || len(inv.Packages) < 10 {
			t.Fatalf("host %d runs %+v and has %d packages of %+v", n, facts.OS, len(inv.Packages), inv.OS)
		}
	}
	if len(systems) < 9 || systems["debian"] < hosts/5 || systems["rhel"] < hosts/20 || systems["windows-server"] == 0 || systems["ubuntu"] != 0 {
		t.Errorf("systems %v", systems)
	}
	if len(tags) < 800 || tags["env:prod"] < 10*tags["frozen"] || len(kernels) < 100 || len(owners) < 200 {
		t.Errorf("%d tags, env:prod %d and frozen %d; %d kernels, %d owners", len(tags), tags["env:prod"], tags["frozen"], len(kernels), len(owners))
	}
	matched := 0
	for _, n := range inventories {
		matched += n
	}
	if got, err := Inventoried(1, hosts); err != nil || got != matched || matched < hosts/2 || matched == hosts {
		t.Errorf("%d of %d hosts have an inventory; Inventoried says %d, %v", matched, hosts, got, err)
	}
	if len(inventories) < profileN || len(inventories) > 4*profileN {
		t.Errorf("%d different inventories", len(inventories))
	}
}

func TestProfilesGoFromKeptToForgotten(t *testing.T) {
	im, err := newImages(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	fresh, old := im.installation(0), im.installation(profileN-1)
	if len(fresh) < 150 || reflect.DeepEqual(fresh, old) {
		t.Fatalf("%d packages in the newest installation", len(fresh))
	}
}

func TestOutboxNumbersEveryItemOnce(t *testing.T) {
	f := newFleet(t, 1, "oslo", 1)
	const hosts = 40
	o, err := newOutbox(f, hosts, 1, model.TimeOf(start), nil)
	if err != nil {
		t.Fatal(err)
	}
	o.append([]model.Item{{Kind: model.ItemMove, Key: "m"}})
	var after model.Seq
	seen := map[model.ItemKind]int{}
	for {
		items, err := o.After(after, 7, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		for _, i := range items {
			if i.Seq <= after || len(i.Payload) == 0 && i.Kind != model.ItemMove {
				t.Fatalf("item %d after %d, %d bytes", i.Seq, after, len(i.Payload))
			}
			after = i.Seq
			seen[i.Kind]++
		}
	}
	packages, err := Inventoried(1, hosts)
	if err != nil {
		t.Fatal(err)
	}
	if after != o.Head() || seen[model.ItemFacts] != hosts || seen[model.ItemPackages] != packages || seen[model.ItemOSFacts] != hosts || packages == hosts || seen[model.ItemMove] != 1 {
		t.Fatalf("ended at %d of %d: %v; %d hosts have packages", after, o.Head(), seen, packages)
	}
	acked := 0
	o.acked = func(sent, _ int) { acked = sent }
	if err := o.DropThrough(o.fixed); err != nil || acked != hosts {
		t.Fatalf("all of them are durable, %d of %d were said to be; %v", acked, hosts, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Wait(ctx, after); err == nil {
		t.Fatal("a wait for nothing did not end with its context")
	}
}
