package index

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestReplaceFails lets the disk fail at each step of a Replace. Whatever a commit after it says is durable must be there
// at the next start: where the pointer may name the new rows already, nothing more may be committed to the old ones.
func TestReplaceFails(t *testing.T) {
	current := func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, currentName+".new") }
	for name, tc := range map[string]struct {
		at    func(op errorfs.Op) bool
		final bool // so is the failure; the folder counts once the pointer was renamed in it
	}{
		"before the rows move":   {func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename && strings.HasSuffix(op.Path, ".copy") }, false},
		"the pointer is created": {func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && current(op) }, false},
		"the pointer is synced":  {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && current(op) }, false},
		"the pointer is renamed": {func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename && current(op) }, true},
		"the folder is opened":   {func(op errorfs.Op) bool { return op.Kind == errorfs.OpOpenDir && op.Path == testDir }, true},
		"the folder is synced":   {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && op.Path == testDir }, true},
	} {
		t.Run(name, func(t *testing.T) {
			mem := &memDisk{MemFS: vfs.NewCrashableMem()}
			var fail atomic.Bool
			renamed, failed := false, false
			o := Options{CacheBytes: 1 << 20, Disk: &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpRename && current(op) {
					renamed = true
				}
				if fail.Load() && tc.at(op) && (renamed || op.Path != testDir) {
					failed = true
					return syscall.EIO
				}
				return nil
			}))}}
			s, err := Open(testDir, o)
			ok(t, err)
			commit := func(n byte) error {
				tx := s.Begin()
				ok(t, tx.PutSite(model.Site{ID: model.SiteID{n}}))
				return tx.Commit(uint64(n), true)
			}
			ok(t, commit(1))
			ok(t, s.Checkpoint(testDir+".copy"))
			ok(t, commit(2))
			renamed = false
			fail.Store(true)
			if err := s.Replace(testDir + ".copy"); err == nil || !failed {
				t.Fatalf("the disk failed: %v, and the Replace says %v", failed, err)
			}
			fail.Store(false)
			err = commit(3)
			if tc.final {
				kind(t, err, fault.ReadOnly)
				kind(t, s.Err(), fault.ReadOnly)
			} else {
				ok(t, err)
			}
			want := s.Applied()
			if got := len(read(t, s, func(v *View) ([]model.Site, error) { return v.Sites() })); uint64(got) != want {
				t.Errorf("%d sites are read at %d", got, want)
			}
			committed := err == nil
			_ = s.Close()
			for _, kept := range []int{0, 100} {
				o.Disk = (&Disk{mem}).Crash(kept, 1)
				s, err := Open(testDir, o)
				ok(t, err)
				if n := s.Applied(); committed && n != 3 || n < 1 {
					t.Errorf("with %d %% of what was not durable, the store is at %d; commit 3 was durable: %v", kept, n, committed)
				}
				sound(t, s)
				ok(t, s.Close())
			}
		})
	}
}
