package index

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// longRun is a run that is larger than several memory tables of these tests.
func longRun() []model.Change {
	stamp := model.Stamp{Actor: "account:ann", At: 1_700_000_000_000}
	changes := []model.Change{model.Found{Stamp: stamp, Self: model.NodeID{1}, Role: model.RoleSite, Name: "here"}}
	const parts = 3
	for p := range parts {
		s := model.Stage{Stamp: stamp, Run: "r", Part: p}
		for i := range 150 {
			s.Put = append(s.Put, model.Advisory{
				AdvisoryKey: model.AdvisoryKey{Source: fmt.Sprint("s", p), ID: fmt.Sprint("X-", i)}, Aliases: []string{fmt.Sprintf("CVE-2024-%04d", i)},
				Summary: strings.Repeat("text ", 50), Affected: []model.Affected{{Ecosystem: "npm", Name: fmt.Sprint("p", i)}},
			})
		}
		changes = append(changes, s)
	}
	return append(changes, model.Commit{Stamp: stamp, Run: "r", Parts: parts, Kind: model.RunIngest})
}

// take applies the changes that s has not got yet, each durably, and returns the first error.
func take(s *Store, changes []model.Change) error {
	for i, c := range changes {
		if uint64(i+1) <= s.Applied() {
			continue
		}
		err := func() error {
			tx := s.Begin()
			defer tx.Discard()
			if _, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c); err != nil {
				return err
			}
			return tx.Commit(uint64(i+1), true)
		}()
		if err == nil && s.noWAL {
			err = s.Flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wholeOrNot requires that s holds all of the run or nothing of it, as its position says, and goes on from there to the rows of
// a store that nothing happened to.
func wholeOrNot(t testing.TB, s *Store, changes []model.Change, want []byte) {
	t.Helper()
	v := s.View()
	shelf, err := v.Shelf()
	ok(t, err)
	_, newest, err := v.EventBounds()
	ok(t, err)
	_, found, err := v.Canonical("CVE-2024-0001")
	ok(t, err)
	ok(t, v.Close())
	in := s.Applied() == uint64(len(changes))
	if in != (shelf.AdvisoryN == 450) || in != (shelf.Generation == 1) || in != (newest == 150) || in != found || !in && shelf.AdvisoryN != 0 {
		t.Fatalf("at %d of %d: %+v, %d events", s.Applied(), len(changes), shelf, newest)
	}
	sound(t, s)
	ok(t, take(s, changes))
	if got, err := s.Hash(t.Context()); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("other rows, %v", err)
	}
}

func runOptions(disk *Disk, noWAL bool) Options {
	return Options{Disk: disk, CacheBytes: 1 << 20, MemBytes: 64 << 10, NoWAL: noWAL}
}

// A power cut at any operation on the disk, while parts are kept aside or while the run is taken in.
func TestPowerCutInARun(t *testing.T) {
	changes := longRun()
	for _, noWAL := range []bool{false, true} {
		clean, err := Open(testDir, runOptions(NewMemDisk(), noWAL))
		ok(t, err)
		ok(t, take(clean, changes))
		want, err := clean.Hash(t.Context())
		ok(t, err)
		ok(t, clean.Close())

		mem := &memDisk{MemFS: vfs.NewCrashableMem()}
		rng := seeded(t)
		var mu sync.Mutex
		var cuts []*vfs.MemFS
		disk := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpCreate, errorfs.OpRename, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
				mu.Lock()
				defer mu.Unlock()
				cuts = append(cuts, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 * rng.IntN(2), RNG: rng}))
			}
			return nil
		}))}
		s, err := Open(testDir, runOptions(disk, noWAL))
		ok(t, err)
		mu.Lock()
		cuts = nil // those before are other tests'
		mu.Unlock()
		ok(t, take(s, changes))
		mu.Lock()
		all := cuts
		mu.Unlock()
		ok(t, s.Close())
		positions := map[uint64]int{}
		for i, cut := range all {
			if i > 10 && rng.IntN(len(all)) >= 20 {
				continue // any of them will do, and the next run takes others; the first stand where parts are kept aside
			}
			s, err := Open(testDir, runOptions(&Disk{cut}, noWAL))
			if err != nil {
				t.Fatalf("cut %d: %v", i, err)
			}
			positions[s.Applied()]++
			wholeOrNot(t, s, changes, want)
			ok(t, s.Close())
		}
		if len(positions) < 3 {
			t.Errorf("%d cuts reached only %v", len(all), positions)
		}
	}
}

// A disk that is full when the run is taken in: nothing of it is there, and it is taken in when there is room. The store has no
// log of its own here: where Pebble has one and cannot begin the next it ends the process, which is the test above.
func TestFullDiskInARun(t *testing.T) {
	changes := longRun()
	clean, err := Open(testDir, runOptions(NewMemDisk(), true))
	ok(t, err)
	ok(t, take(clean, changes))
	want, err := clean.Hash(t.Context())
	ok(t, err)
	ok(t, clean.Close())
	failed := 0
	for room := range 8 {
		mem := &memDisk{MemFS: vfs.NewCrashableMem()}
		var mu sync.Mutex
		left := -1
		limit := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			left = n
		}
		full := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			// Where the list of files cannot be written, a compaction of Pebble's own ends the process, by design.
			if op.Kind != errorfs.OpFileWrite || left < 0 || strings.Contains(op.Path, "MANIFEST") {
				return nil
			}
			if left > 0 {
				left--
				return nil
			}
			return syscall.ENOSPC
		}))}
		s, err := Open(testDir, runOptions(full, true))
		ok(t, err)
		ok(t, take(s, changes[:len(changes)-1]))
		limit(room)
		done, whole := make(chan error, 1), false
		go func() { done <- take(s, changes) }()
		select {
		case <-s.broken: // it may wait for room now, which whoever watches it does not
			failed++
		case err = <-done:
			done <- err
			whole = err == nil
		}
		disk := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: seeded(t)})
		limit(-1)
		if err = <-done; err != nil && !fault.Is(err, fault.ReadOnly) {
			t.Fatalf("%v", err)
		}
		_ = s.Close() // it says what failed
		again, e := Open(testDir, runOptions(&Disk{disk}, true))
		ok(t, e)
		if whole && again.Applied() != uint64(len(changes)) {
			t.Fatal("a run that was taken in is lost")
		}
		wholeOrNot(t, again, changes, want)
		ok(t, again.Close())
	}
	if failed == 0 {
		t.Error("the disk was never full")
	}
}
