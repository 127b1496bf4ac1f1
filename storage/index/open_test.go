package index

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// broken is a disk on which every operation that inject gives an error for fails with it.
func broken(inject func(errorfs.Op) error) *Disk {
	return &Disk{errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(inject))}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	s, err := Open(filepath.Join(dir, "a", "b"), Options{})
	ok(t, err)
	_, err = Open(filepath.Join(dir, "a", "b"), Options{})
	kind(t, err, fault.Conflict, "a/b", "is another skerry using this folder?")
	ok(t, s.Close())

	_, err = Open(filepath.Join(dir, "file", "index"), Options{})
	kind(t, err, fault.Invalid, "is a file, not a folder")

	for name, c := range map[string]struct {
		op  errorfs.OpKind
		err error
		say string
	}{
		"folder":    {errorfs.OpMkdirAll, &fs.PathError{Op: "mkdir", Path: testDir, Err: syscall.EACCES}, "give the folder to the user"},
		"lock":      {errorfs.OpLock, &fs.PathError{Op: "open", Path: testDir, Err: syscall.EACCES}, "cannot be written"},
		"read-only": {errorfs.OpLock, &fs.PathError{Op: "open", Path: testDir, Err: syscall.EROFS}, "mount it writable"},
		"files":     {errorfs.OpCreate, &fs.PathError{Op: "open", Path: testDir, Err: syscall.EROFS}, "cannot be written"},
		"full":      {errorfs.OpCreate, &fs.PathError{Op: "open", Path: testDir, Err: syscall.ENOSPC}, "no space left"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(testDir, Options{Disk: broken(func(op errorfs.Op) error {
				if op.Kind == c.op {
					return c.err
				}
				return nil
			})})
			kind(t, err, fault.ReadOnly, testDir, c.say)
		})
	}
	_, err = Open(testDir, Options{Disk: broken(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLock {
			return syscall.EAGAIN // as fcntl answers for another process
		}
		return nil
	})})
	kind(t, err, fault.Conflict, "is another skerry using this folder?")
}

func TestSchema(t *testing.T) {
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk})
	ok(t, err)
	write(t, s, func(tx *Tx) { ok(t, tx.setNumber(key.MetaSchema, key.Schema+1)) })
	ok(t, s.Close())
	for range 2 { // refused, and left as it is
		_, err = Open(testDir, Options{Disk: disk})
		kind(t, err, fault.Version, "has schema 5", "reads up to 4")
	}

	disk = NewMemDisk()
	s, err = Open(testDir, Options{Disk: disk})
	ok(t, err)
	write(t, s, func(tx *Tx) { ok(t, tx.remove(key.Of(key.MetaSchema))) })
	ok(t, s.Close())
	_, err = Open(testDir, Options{Disk: disk})
	kind(t, err, fault.Corrupt, "not a Skerry index")

	disk = NewMemDisk()
	s, err = Open(testDir, Options{Disk: disk})
	ok(t, err)
	ok(t, s.Close())
	ok(t, disk.fs.RemoveAll(testDir+"/1"))
	_, err = Open(testDir, Options{Disk: disk})
	kind(t, err, fault.Corrupt, "restore it from a snapshot")

	disk = NewMemDisk()
	s, err = Open(testDir, Options{Disk: disk})
	ok(t, err)
	ok(t, disk.fs.MkdirAll(testDir+"/4", 0o700))
	ok(t, s.Close())
	ok(t, disk.fs.Remove(testDir+"/current"))
	_, err = Open(testDir, Options{Disk: disk})
	kind(t, err, fault.Corrupt, "databases [1 4]", "which one counts")
}

// TestFailedSyncIsFinal: when the disk refuses one fsync, no later commit succeeds, and what was
// durable before is there after a restart.
func TestFailedSyncIsFinal(t *testing.T) {
	mem := &memDisk{MemFS: vfs.NewCrashableMem()}
	var fail atomic.Bool
	disk := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return syscall.EIO
		}
		return nil
	}))}
	s, err := Open(testDir, Options{Disk: disk})
	ok(t, err)
	site := func(n byte) model.Site { return model.Site{ID: model.SiteID{n}} }
	tx := s.Begin()
	ok(t, tx.PutSite(site(1)))
	ok(t, tx.Commit(1, true))
	fail.Store(true)
	tx = s.Begin()
	ok(t, tx.PutSite(site(2)))
	kind(t, tx.Commit(2, true), fault.ReadOnly, testDir, "restarts")
	fail.Store(false) // the next fsync would succeed, and lie
	tx = s.Begin()
	ok(t, tx.PutSite(site(3)))
	kind(t, tx.Commit(3, true), fault.ReadOnly, "restarts")
	if s.Applied() != 1 {
		t.Errorf("applied is %d", s.Applied())
	}
	_ = s.Close() // Pebble may complain about its log; it must come back, and not panic

	s, err = Open(testDir, Options{Disk: &Disk{mem.CrashClone(vfs.CrashCloneCfg{})}})
	ok(t, err)
	defer s.Close()
	if got := read(t, s, (*View).siteN); s.Applied() != 1 || got != 1 {
		t.Errorf("after the restart: applied %d, %d sites", s.Applied(), got)
	}
}

func (v *View) siteN() (int, error) { s, err := v.Sites(); return len(s), err }

// TestReplace puts a checkpoint of one store in the place of another, with a view open on the old rows.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *Store {
		s, err := Open(filepath.Join(dir, name), Options{CacheBytes: 1 << 20})
		ok(t, err)
		return s
	}
	a, b := open("a"), open("b")
	fill := func(s *Store, n int, applied uint64) {
		tx := s.Begin()
		for i := range n {
			ok(t, tx.PutHost(host(i, model.SiteID{1})))
		}
		ok(t, tx.Commit(applied, false))
	}
	fill(a, 10, 100)
	fill(b, 3, 50)
	total := func(v *View) int { n, err := v.count(key.SpaceHost.Prefix()); ok(t, err); return n }
	copied := filepath.Join(dir, "copy")
	ok(t, a.Checkpoint(copied))
	kind(t, a.Checkpoint(copied), fault.Exists, "exists already")
	fill(a, 20, 200) // after the checkpoint: not in it

	old, tx := b.View(), b.Begin()
	version := b.Version()
	ok(t, b.Replace(copied))
	if v, err := b.Wait(t.Context(), version); err != nil || b.Applied() != 100 {
		t.Fatalf("version %d, %v, applied %d", v, err, b.Applied())
	}
	kind(t, tx.Commit(51, true), fault.Conflict, "closed or replaced")
	now := b.View()
	if total(old) != 3 || total(now) != 10 {
		t.Fatalf("the old view has %d hosts, the new one %d", total(old), total(now))
	}
	ok(t, now.Close())
	if _, err := os.Stat(filepath.Join(dir, "b", "1")); err != nil {
		t.Errorf("the old rows went away under a view: %v", err)
	}
	ok(t, old.Close())
	if _, err := os.Stat(filepath.Join(dir, "b", "1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old rows are still there: %v", err)
	}
	fill(b, 11, 101)
	kind(t, b.Replace(filepath.Join(dir, "nowhere")), fault.Other, "nowhere")
	ok(t, os.Mkdir(filepath.Join(dir, "junk"), 0o700))
	kind(t, b.Replace(filepath.Join(dir, "junk")), fault.Corrupt)
	fill(b, 12, 102) // goes on as it was
	ok(t, b.Close())
	b = open("b")
	v := b.View()
	if total(v) != 12 || b.Applied() != 102 {
		t.Errorf("after a restart %d hosts, applied %d", total(v), b.Applied())
	}
	ok(t, v.Close())
	sound(t, b)
	if names, err := os.ReadDir(filepath.Join(dir, "b")); err != nil || len(names) != 3 {
		t.Errorf("the folder holds %v, %v; want LOCK, current and one database", names, err)
	}
	ok(t, a.Close())
	ok(t, b.Close())
	kind(t, b.Replace(copied), fault.Conflict, "was closed")
}

// TestPowerCutAtEachStep cuts the power before each operation that changes the disk, from the creation of
// a store over commits and a Replace to its end, and opens what is left: the rows must be exactly those of
// the position it says it has, not older than the last durable commit.
func TestPowerCutAtEachStep(t *testing.T) {
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
	)
	disk := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileWrite:
		default:
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}
		if rng.IntN(3) == 0 {
			cfg = vfs.CrashCloneCfg{}
		}
		cuts = append(cuts, cut{op.Path, mem.CrashClone(cfg), durable, begun})
		return nil
	}))}
	mark := func(d, b uint64) {
		mu.Lock()
		durable, begun = max(durable, d), max(begun, b)
		mu.Unlock()
	}
	// Position n holds n hosts, whose rows say n.
	put := func(s *Store, n uint64, sync bool) {
		mark(0, n)
		tx := s.Begin()
		for i := range n {
			h := host(int(i), model.SiteID{byte(n)})
			h.PackageN = int(n)
			ok(t, tx.PutHost(h))
		}
		ok(t, tx.Commit(n, sync))
		if sync {
			mark(n, 0)
		}
	}
	s, err := Open(testDir, Options{Disk: disk})
	ok(t, err)
	for n := uint64(1); n <= 20; n++ {
		put(s, n, n%3 == 0)
	}
	ok(t, s.Checkpoint(testDir+".copy"))
	mark(20, 20)
	for n := uint64(21); n <= 25; n++ {
		put(s, n, true)
	}
	mu.Lock()
	durable = 20 // Replace goes back to the checkpoint
	mu.Unlock()
	ok(t, s.Replace(testDir+".copy"))
	for n := uint64(21); n <= 30; n++ {
		put(s, n, n%2 == 0)
	}
	ok(t, s.Close())

	seen := map[uint64]bool{}
	for i, c := range cuts {
		s, err := Open(testDir, Options{Disk: &Disk{c.disk}, CacheBytes: 1 << 20})
		if err != nil {
			t.Fatalf("cut %d at %s: %v", i, c.at, err)
		}
		n := s.Applied()
		seen[n] = true
		if n < c.durable || n > c.begun {
			t.Fatalf("cut %d at %s: applied is %d; durable was %d, begun %d", i, c.at, n, c.durable, c.begun)
		}
		r := sound(t, s)
		if r.Rows != int(n) {
			t.Fatalf("cut %d at %s: applied %d, but %d rows", i, c.at, n, r.Rows)
		}
		v := s.View()
		ok(t, v.EachHost(func(h model.Host) error {
			if h.PackageN != int(n) || h.Site != (model.SiteID{byte(n)}) {
				t.Fatalf("cut %d at %s: applied %d, but a host of position %d", i, c.at, n, h.PackageN)
			}
			return nil
		}))
		ok(t, v.Close())
		ok(t, s.Close())
	}
	if len(cuts) < 50 || len(seen) < 15 {
		t.Fatalf("only %d cuts with %d positions", len(cuts), len(seen))
	}
	t.Logf("%d cuts, %d positions", len(cuts), len(seen))
}

// TestPowerCutInLargeCommit: a commit too large for memory goes another way through Pebble, and is all or
// nothing too.
func TestPowerCutInLargeCommit(t *testing.T) {
	rng := seeded(t)
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	const n = 40_000
	tx := s.Begin()
	for i := range n {
		ok(t, tx.PutHost(host(i, model.SiteID{1})))
	}
	ok(t, tx.writeHosts())
	if size := tx.batch.Len(); size < memTable/2 {
		t.Fatalf("the commit has only %d bytes", size)
	}
	done := make(chan error, 1)
	go func() { done <- tx.Commit(1, true) }()
	cuts := []*Disk{disk.Crash(50, rng.Uint64()), disk.Crash(100, rng.Uint64())}
	ok(t, <-done)
	cuts = append(cuts, disk.Crash(0, 0))
	for i, cut := range cuts {
		after, err := Open(testDir, Options{Disk: cut, CacheBytes: 1 << 20})
		ok(t, err)
		want := int(after.Applied()) * n
		if i == 2 && want == 0 {
			t.Error("the durable commit is gone")
		}
		v := after.View()
		got, err := v.count(key.SpaceHost.Prefix())
		ok(t, err)
		if got != want {
			t.Errorf("cut %d: position %d with %d hosts", i, after.Applied(), got)
		}
		ok(t, v.Close())
		ok(t, after.Close())
	}
	ok(t, s.Close())
}
