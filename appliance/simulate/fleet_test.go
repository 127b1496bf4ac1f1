package simulate

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fleet(t *testing.T, seed uint64, owner byte) *Fleet {
	t.Helper()
	f, err := NewFleet(seed, model.NodeID{owner}, start)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFleetIsAFunctionOfItsSeed(t *testing.T) {
	a, b, other, elsewhere := fleet(t, 7, 1), fleet(t, 7, 1), fleet(t, 8, 1), fleet(t, 7, 2)
	same, ids := true, map[model.HostID]bool{}
	for n := range 2000 {
		x, p := a.Host(n)
		y, q := b.Host(n)
		if !reflect.DeepEqual(x, y) || p != q || a.ID(n) != b.ID(n) {
			t.Fatalf("host %d differs between two fleets of one seed", n)
		}
		z, _ := other.Host(n)
		same = same && reflect.DeepEqual(x, z)
		if w, r := elsewhere.Host(n); !reflect.DeepEqual(x, w) || p != r {
			t.Fatalf("host %d depends on who reports it", n)
		}
		if elsewhere.ID(n) == a.ID(n) {
			t.Fatalf("two gateways claim host %s", a.ID(n))
		}
		ids[a.ID(n)] = true
	}
	if same || len(ids) != 2000 {
		t.Fatalf("another seed gives the same fleet: %v; %d ids of 2000 hosts", same, len(ids))
	}
}

// TestSkew checks that the fleet is worth searching: roles differ, most hosts are kept well, some not.
func TestSkew(t *testing.T) {
	f := fleet(t, 1, 1)
	tags, old, fresh := map[string]int{}, 0, 0
	for n := range 5000 {
		facts, p := f.Host(n)
		for _, tag := range facts.Tags {
			tags[tag]++
		}
		switch {
		case p < profileN/4:
			fresh++
		case p > profileN*3/4:
			old++
		}
	}
	if fresh < 2*old || old < 200 || tags["web"] < 2*tags["storage"] || tags["storage"] == 0 {
		t.Fatalf("%d fresh, %d old, tags %v", fresh, old, tags)
	}
	if n := len(f.Inventory(0).Packages); n < 150 || reflect.DeepEqual(f.Inventory(0), f.Inventory(profileN-1)) {
		t.Fatalf("%d packages in the newest installation", n)
	}
}

func TestOutboxNumbersEveryItemOnce(t *testing.T) {
	o := newOutbox(fleet(t, 1, 1), 10, 1, model.TimeOf(start), nil)
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
			if i.Seq != after+1 || len(i.Payload) == 0 && i.Kind != model.ItemMove {
				t.Fatalf("item %d after %d, %d bytes", i.Seq, after, len(i.Payload))
			}
			after = i.Seq
			seen[i.Kind]++
		}
	}
	if after != o.Head() || seen[model.ItemFacts] != 10 || seen[model.ItemPackages] != 10 || seen[model.ItemMove] != 1 {
		t.Fatalf("ended at %d of %d: %v", after, o.Head(), seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Wait(ctx, after); err == nil {
		t.Fatal("a wait for nothing did not end with its context")
	}
}
