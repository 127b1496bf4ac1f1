package index

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skerryhq/skerry/engine/model"
)

// entry commits what the n-th entry of a log says: some hosts change, every seventh takes one away.
func entry(t testing.TB, s *Store, n uint64) {
	t.Helper()
	tx := s.Begin()
	for i := range 8 {
		h := host(int(n*5+uint64(i)*3)%60, model.SiteID{1})
		h.PackageN = int(n)
		ok(t, tx.PutHost(h))
	}
	if n%7 == 0 {
		ok(t, tx.DeleteHost(hostID(int(n)%60)))
	}
	ok(t, tx.Commit(n, false))
}

func hashOf(t testing.TB, s *Store) []byte {
	t.Helper()
	h, err := s.Hash(t.Context())
	ok(t, err)
	return h
}

// hashes returns the hash of a store after each of n entries.
func hashes(t testing.TB, n uint64) [][]byte {
	t.Helper()
	s := openMem(t)
	all := [][]byte{hashOf(t, s)}
	for i := range n {
		entry(t, s, i+1)
		all = append(all, hashOf(t, s))
	}
	return all
}

// tight makes memory tables, and checkpoints of the index in memory, so small that a short log has many.
func tight(disk *Disk) Options {
	return Options{Disk: disk, NoWAL: true, MemBytes: 32 << 10, CacheBytes: 1 << 20, limits: limits{rows: 100, every: time.Hour, atEnd: 1, replay: 1000}}
}

// A large commit is told of when it is written out, so that no View that is made then keeps it in memory.
func TestALargeCommitIsWrittenOut(t *testing.T) {
	told := make(chan struct{})
	var early atomic.Bool
	s, err := Open(testDir, Options{Disk: NewMemDisk(), CacheBytes: 1 << 20, MemBytes: 1 << 20, tune: func(o *pebble.Options) {
		o.EventListener.FlushBegin = func(pebble.FlushInfo) {
			select {
			case <-told:
				early.Store(true)
			case <-time.After(100 * time.Millisecond): // for as long as it is not written, nobody is to be told
			}
		}
	}})
	ok(t, err)
	tx := s.Begin()
	for i := range 4000 {
		ok(t, tx.PutHost(host(i, model.SiteID{1})))
	}
	ok(t, tx.Commit(1, true))
	close(told)
	v := s.View()
	if n := s.life.db.Metrics().MemTable.Count; early.Load() || n != 1 {
		t.Errorf("told before it was written: %v; tables in memory: %d", early.Load(), n)
	}
	ok(t, v.Close())
	ok(t, s.Close())
}

// changes reports whether an operation changes what a power cut leaves.
func changes(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileWrite:
		return true
	}
	return false
}

// TestPowerCutsWithoutLog cuts the power before operations of the disk while a store without a log takes the
// entries of somebody else's: in flushes, while the index in memory is checkpointed, in a checkpoint and
// in a Replace. What is left must be the state of one entry, none older than what was made durable, and the
// entries behind it must bring it to the end.
func TestPowerCutsWithoutLog(t *testing.T) {
	mem := &memDisk{MemFS: vfs.NewCrashableMem()}
	rng := seeded(t)
	type cut struct {
		at             string
		disk           *vfs.MemFS
		durable, begun uint64
	}
	var (
		mu             sync.Mutex // the injector is called from Pebble's goroutines too
		cuts           []cut
		durable, begun uint64
		ops            int
		places         = map[string]int{}
	)
	disk := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !changes(op) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		ops++
		// All of them would take too long: of the many some, of the rare ones each.
		rare := strings.Contains(op.Path, searchName) || strings.Contains(op.Path, currentName) || strings.Contains(op.Path, ".copy")
		if op.Kind == errorfs.OpFileWrite && rng.IntN(12) > 0 || op.Kind != errorfs.OpFileWrite && !rare && rng.IntN(4) > 0 {
			return nil
		}
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}
		if rng.IntN(3) == 0 {
			cfg = vfs.CrashCloneCfg{}
		}
		cuts = append(cuts, cut{fmt.Sprint(op.Kind, " ", op.Path), mem.CrashClone(cfg), durable, begun})
		for _, part := range []string{searchName, ".sst", "MANIFEST", currentName, ".copy"} {
			if strings.Contains(op.Path, part) {
				places[part]++
			}
		}
		return nil
	}))}
	run := func(s *Store, from, to uint64) {
		for n := from; n <= to; n++ {
			mu.Lock()
			begun = max(begun, n)
			mu.Unlock()
			entry(t, s, n)
			if n%40 == 0 {
				ok(t, s.Flush())
				mu.Lock()
				durable = n
				mu.Unlock()
			}
		}
	}
	const end = 300
	want := hashes(t, end)
	s, err := Open(testDir, tight(disk))
	ok(t, err)
	run(s, 1, 150)
	ok(t, s.Checkpoint(testDir+".copy"))
	mu.Lock()
	durable = 150
	mu.Unlock()
	run(s, 151, 230)
	mu.Lock()
	durable = 150 // Replace goes back to the checkpoint
	mu.Unlock()
	ok(t, s.Replace(testDir+".copy"))
	run(s, 151, end)
	ok(t, s.Close())
	for _, part := range []string{searchName, ".sst", "MANIFEST", currentName, ".copy"} {
		if places[part] == 0 {
			t.Errorf("no cut at %s", part)
		}
	}

	seen := map[uint64]bool{}
	for i, c := range cuts {
		s, err := Open(testDir, tight(&Disk{c.disk}))
		if err != nil {
			t.Fatalf("cut %d at %s: %v", i, c.at, err)
		}
		n := s.Applied()
		seen[n] = true
		if n < c.durable || n > c.begun {
			t.Fatalf("cut %d at %s: applied is %d; durable was %d, begun %d", i, c.at, n, c.durable, c.begun)
		}
		if !bytes.Equal(hashOf(t, s), want[n]) {
			t.Fatalf("cut %d at %s: the rows are not those of entry %d", i, c.at, n)
		}
		sound(t, s)
		if i%8 == 0 {
			for n := n + 1; n <= c.begun; n++ {
				entry(t, s, n)
			}
			if !bytes.Equal(hashOf(t, s), want[c.begun]) {
				t.Fatalf("cut %d at %s: the entries behind %d do not bring the rows to %d", i, c.at, n, c.begun)
			}
			sound(t, s)
		}
		ok(t, s.Close())
	}
	if len(cuts) < 100 || len(seen) < 10 {
		t.Fatalf("only %d cuts with %d positions", len(cuts), len(seen))
	}
	t.Logf("%d cuts in %d operations, %d positions", len(cuts), ops, len(seen))
}

// TestOverToNoLog: a store that kept a log opens without one and has all that the log held, also after
// the next power cut; and one without opens with one again.
func TestOverToNoLog(t *testing.T) {
	disk := NewMemDisk()
	want := hashes(t, 6)
	with, without := tight(disk), tight(disk)
	with.NoWAL = false
	s, err := Open(testDir, with)
	ok(t, err)
	entry(t, s, 1)
	entry(t, s, 2)
	ok(t, s.makeDurable(s.life.db))
	disk = disk.Crash(0, 1) // its rows are in the log only
	check := func(s *Store, n uint64) {
		t.Helper()
		if s.Applied() != n || !bytes.Equal(hashOf(t, s), want[n]) {
			t.Fatalf("applied %d, want %d; or other rows", s.Applied(), n)
		}
		sound(t, s)
	}
	ok(t, s.Close())

	without.Disk = disk
	s, err = Open(testDir, without)
	ok(t, err)
	check(s, 2)
	again := disk.Crash(0, 1)
	entry(t, s, 3)
	lost := disk.Crash(0, 1)
	ok(t, s.Flush())
	kept := disk.Crash(0, 1)
	entry(t, s, 4)
	ok(t, s.Close()) // writes out what is in memory
	for at, d := range map[uint64]*Disk{2: again, 3: kept, 4: disk.Crash(0, 1)} {
		without.Disk = d
		s, err := Open(testDir, without)
		ok(t, err)
		check(s, at)
		ok(t, s.Close())
	}
	without.Disk = lost
	s, err = Open(testDir, without)
	ok(t, err)
	check(s, 2) // a commit in memory alone: had it been there, there would have been a log
	ok(t, s.Close())

	with.Disk = kept
	s, err = Open(testDir, with)
	ok(t, err)
	check(s, 3)
	entry(t, s, 4)
	ok(t, s.makeDurable(s.life.db))
	with.Disk = kept.Crash(0, 1)
	ok(t, s.Close())
	s, err = Open(testDir, with)
	ok(t, err)
	check(s, 4)
	ok(t, s.Close())
}

// TestUnwrittenIsBounded: however much is committed, a power cut takes no more than two memory tables hold.
func TestUnwrittenIsBounded(t *testing.T) {
	disk := NewMemDisk()
	o := tight(disk)
	o.MemBytes = 256 << 10
	s, err := Open(testDir, o)
	ok(t, err)
	sizes := []int{0}
	s.Tap(func(batch []byte) { sizes = append(sizes, len(batch)) })
	cuts := map[uint64]*Disk{}
	for n := uint64(1); n <= 2000; n++ {
		entry(t, s, n)
		if n%400 == 0 {
			cuts[n] = disk.Crash(0, n)
		}
	}
	for n, cut := range cuts {
		o.Disk = cut
		after, err := Open(testDir, o)
		ok(t, err)
		lost := 0
		for i := after.Applied() + 1; i <= n; i++ {
			lost += sizes[i]
		}
		if lost > tablesN*o.MemBytes || after.Applied() == 0 {
			t.Errorf("after entry %d: %d bytes are lost, applied is %d", n, lost, after.Applied())
		}
		ok(t, after.Close())
	}
	ok(t, s.Close())
}

// TestFailedFlushIsFinal: Pebble tries a flush again for ever; the store says what happened, and to whoever
// commits next as well.
func TestFailedFlushIsFinal(t *testing.T) {
	mem := &memDisk{MemFS: vfs.NewCrashableMem()}
	var fail atomic.Bool
	o := tight(&Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail.Load() && strings.HasSuffix(op.Path, ".sst") && op.Kind == errorfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	}))})
	s, err := Open(testDir, o)
	ok(t, err)
	entry(t, s, 1)
	ok(t, s.Flush())
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	fail.Store(true)
	entry(t, s, 2)
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a flush on a full disk: %v", err)
	}
	select {
	case <-s.Failed():
	default:
		t.Fatal("it failed, and Failed is open")
	}
	tx := s.Begin()
	ok(t, tx.PutSite(model.Site{ID: model.SiteID{1}}))
	if err := tx.Commit(3, false); !errors.Is(err, syscall.ENOSPC) || !errors.Is(s.Err(), syscall.ENOSPC) {
		t.Errorf("a commit after it: %v; Err: %v", err, s.Err())
	}
	if err := s.Replace(testDir + ".copy"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a Replace after it: %v", err)
	}
	if got := read(t, s, func(v *View) (model.Host, error) { h, _, err := v.Host(hostID(10)); return h, err }); got.PackageN != 2 {
		t.Errorf("what was committed is not read any more: %+v", got)
	}
	fail.Store(false)
	_ = s.Close() // it must come back; what was not written is the log's to bring
	o.Disk = &Disk{mem.CrashClone(vfs.CrashCloneCfg{})}
	s, err = Open(testDir, o)
	ok(t, err)
	if n := s.Applied(); n != 1 && n != 2 {
		t.Errorf("after the restart applied is %d", n)
	}
	sound(t, s)
	ok(t, s.Close())
}
