package index

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestFailedCheckpointWaits: where a checkpoint cannot be written, the next commits do not each try again; the timer does.
func TestFailedCheckpointWaits(t *testing.T) {
	var fail atomic.Bool
	var tried atomic.Int32
	disk := &Disk{errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, searchName+"0") {
			tried.Add(1)
			if fail.Load() {
				return syscall.EIO
			}
		}
		return nil
	}))}
	clock, asked := make(chan time.Time), make(chan time.Duration, 100)
	s, err := Open(testDir, Options{
		Disk: disk, CacheBytes: 1 << 20, limits: limits{rows: 5, every: 7 * time.Minute, atEnd: 1 << 30, replay: 100},
		After: func(d time.Duration) <-chan time.Time { asked <- d; return clock },
	})
	ok(t, err)
	put := func(n int) {
		write(t, s, func(tx *Tx) {
			for i := range 6 {
				ok(t, tx.PutHost(full(10*n+i)))
			}
		})
		for deadline := time.After(5 * time.Second); len(s.wake) > 0; {
			select {
			case <-deadline:
				t.Fatal("nobody looks after the index")
			case <-time.After(time.Millisecond):
			}
		}
	}
	// The keeper takes the clock when it is done with the commit before.
	triedNow := func(want int32, what string) {
		t.Helper()
		if n := tried.Load(); n != want {
			t.Fatalf("%s: %d were tried, want %d", what, n, want)
		}
	}
	fail.Store(true)
	put(0)
	<-asked
	triedNow(1, "after enough changes")
	put(1)
	put(2)
	clock <- time.Time{}
	if d := <-asked; d != 7*time.Minute {
		t.Errorf("it is tried again after %v", d)
	}
	triedNow(2, "more changes, and the timer")
	put(3)
	fail.Store(false)
	clock <- time.Time{}
	put(4)
	<-asked
	triedNow(4, "it can be written again, first by the timer and then after enough changes")
	ok(t, s.Close())
}
