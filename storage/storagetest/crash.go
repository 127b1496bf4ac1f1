package storagetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// Disk is a machine with a store whose power can be cut.
type Disk interface {
	// Open opens the store, new or as it was left.
	Open() (Store, error)
	// Crash returns what a power cut at this moment leaves: all that is durable, and of the rest
	// each piece with a chance of keepPercent in 100. The disk itself goes on.
	Crash(keepPercent int, seed uint64) Disk
}

// Crash writes random transactions, durable and not, cuts the power between and inside commits, and
// requires of what is left that it is exactly the rows of the position it claims, and that no durable
// commit is missing.
func Crash(t *testing.T, disk Disk) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	store, err := disk.Open()
	if err != nil {
		t.Fatal(err)
	}
	states := []map[model.HostID]string{{}} // by position: the hosts and their names
	durable := uint64(0)
	for position := uint64(1); position <= 60; position++ {
		next := maps.Clone(states[position-1])
		tx := store.Begin()
		for range writes(rng) {
			id := model.HostID{byte(1 + rng.IntN(40))}
			if rng.IntN(4) == 0 {
				delete(next, id)
				must(t, tx.DeleteHost(id))
				continue
			}
			h := model.Host{ID: id, Site: model.SiteID{byte(rng.IntN(3))}, PackagesDigest: fmt.Sprint(rng.IntN(5))}
			h.Hostname = fmt.Sprintf("%d-%d", position, rng.Uint64())
			next[id] = h.Hostname
			must(t, tx.PutHost(h))
		}
		must(t, tx.PutWatermark(model.NodeID{1}, model.Position{Epoch: 1, Seq: model.Seq(position)}))
		states = append(states, next)
		sync := rng.IntN(4) == 0

		// Cut the power while the commit is under way: wherever it then is, it is all or nothing.
		committed := make(chan error, 1)
		go func() { committed <- tx.Commit(position, sync) }()
		during := disk.Crash(keep(rng), rng.Uint64())
		must(t, <-committed)
		left(t, during, states, durable, position)
		if sync {
			durable = position
		}
		if rng.IntN(3) == 0 {
			left(t, disk.Crash(keep(rng), rng.Uint64()), states, durable, position)
		}
		if rng.IntN(20) == 0 { // an orderly restart
			must(t, store.Close())
			if store, err = disk.Open(); err != nil {
				t.Fatal(err)
			}
			if store.Applied() != position {
				t.Fatalf("after an orderly restart the position is %d, not %d", store.Applied(), position)
			}
			durable = position
		}
	}
	must(t, store.Close())
}

// writes returns how many rows a transaction writes: few, and sometimes many.
func writes(rng *rand.Rand) int {
	if rng.IntN(15) == 0 {
		return 300
	}
	return rng.IntN(20)
}

func keep(rng *rand.Rand) int { return []int{0, 10, 50, 90, 100}[rng.IntN(5)] }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// left opens what a power cut left and compares it with the state of the position it says it has.
func left(t *testing.T, disk Disk, states []map[model.HostID]string, durable, begun uint64) {
	t.Helper()
	store, err := disk.Open()
	must(t, err)
	at := store.Applied()
	if at < durable || at > begun {
		t.Fatalf("the position is %d; %d was durable and %d begun", at, durable, begun)
	}
	must(t, store.Check())
	tx := store.Begin()
	got := map[model.HostID]string{}
	must(t, tx.EachHost(func(h model.Host) error { got[h.ID] = h.Hostname; return nil }))
	mark, err := tx.Watermark(model.NodeID{1})
	must(t, err)
	tx.Discard()
	if uint64(mark.Seq) != at || !maps.Equal(got, states[at]) {
		t.Fatalf("position %d, watermark %d: hosts %v\nwant %v", at, mark.Seq, slices.Sorted(maps.Values(got)), slices.Sorted(maps.Values(states[at])))
	}
	must(t, store.Close())
}
