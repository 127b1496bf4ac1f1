package raftfsm

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/storage/index"
)

// openBare opens a store without a log of its own, whose memory tables are written out after a few entries.
func openBare(t *testing.T, disk *index.Disk) *index.Store {
	t.Helper()
	s, err := index.Open("/data/index", index.Options{Disk: disk, NoWAL: true, MemBytes: 32 << 10, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPowerCutMissesNothing cuts the power at many moments of a log and lets Raft's part be played: all entries
// come again from the first. The store must stand at one entry, exactly those behind it may be applied, each
// once, and the end must be the same rows.
func TestPowerCutMissesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	logs := requested(rnd, history(t, rnd, 600))
	whole := map[uint64]string{} // the hash after each entry
	ref, refStore := newFSM(t)
	whole[0] = hash(t, refStore)
	for _, l := range logs {
		ref.Apply(l)
		if l.Type == raft.LogCommand {
			whole[l.Index] = hash(t, refStore)
		}
	}
	want := hash(t, refStore)

	disk := index.NewMemDisk()
	s := openBare(t, disk)
	f := New(s, env, nil)
	f.Scratch = filepath.Join(t.TempDir(), "scratch")
	type cut struct {
		disk         *index.Disk
		least, begun uint64
	}
	var cuts []cut
	least := uint64(0)
	for at := 0; at < len(logs); {
		n := min(1+rnd.IntN(12), len(logs)-at)
		f.ApplyBatch(logs[at : at+n])
		at += n
		if rnd.IntN(12) == 0 {
			snap, err := f.Snapshot() // the log may be cut here: nothing before may be lost any more
			if err != nil {
				t.Fatal(err)
			}
			least = s.Applied()
			cuts = append(cuts, cut{disk.Crash(0, seed), least, s.Applied()})
			snap.Release()
		}
		if rnd.IntN(6) == 0 {
			cuts = append(cuts, cut{disk.Crash(rnd.IntN(101), seed+uint64(at)), least, s.Applied()})
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var last uint64 // what is no command at the end of a log leaves no trace in the store
	for _, l := range logs {
		if l.Type == raft.LogCommand {
			last = l.Index
		}
	}
	cuts = append(cuts, cut{disk.Crash(0, seed), last, last})

	lost := 0
	for i, c := range cuts {
		s := openBare(t, c.disk)
		stands := s.Applied()
		if stands < c.least || stands > c.begun {
			t.Fatalf("cut %d: the store stands at %d, not between %d and %d", i, stands, c.least, c.begun)
		}
		if got := hash(t, s); got != whole[stands] {
			t.Fatalf("cut %d: the rows are not those of entry %d", i, stands)
		}
		if stands < c.begun {
			lost++
		}
		var expected, committed []uint64
		f := New(s, env, nil)
		now := uint64(0)
		s.Tap(func([]byte) { committed = append(committed, now) })
		for _, l := range logs {
			if now = l.Index; l.Type == raft.LogCommand && now > stands {
				expected = append(expected, now)
			}
			f.Apply(l)
			if l.Type == raft.LogCommand && s.Applied() < now {
				t.Fatalf("cut %d: entry %d was not applied: %v", i, now, f.Err())
			}
		}
		s.Tap(nil)
		if len(committed) != len(expected) {
			t.Fatalf("cut %d at %d: %d entries were missing, %d were applied", i, stands, len(expected), len(committed))
		}
		for j := range expected {
			if committed[j] != expected[j] {
				t.Fatalf("cut %d at %d: entry %d was applied in the place of %d", i, stands, committed[j], expected[j])
			}
		}
		if got := hash(t, s); got != want {
			t.Fatalf("cut %d at %d: the log behind it does not give the same rows", i, stands)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lost < 5 {
		t.Errorf("only %d of %d cuts took anything: the test proves little", lost, len(cuts))
	}
	t.Logf("%d cuts, %d of which took something", len(cuts), lost)
}
