package node

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// TestAFullDiskRefusesAndGoesOn: without room nothing is taken in, without any at all nothing is even appended; the
// node is not ended, and goes on when there is room.
func TestAFullDiskRefusesAndGoesOn(t *testing.T) {
	const plenty, low, critical = 0, 1, 2
	var level atomic.Int32
	dir := t.TempDir()
	w, err := start(dir, true, nil, func(c *Config) {
		c.Room = func(keepUp bool) error {
			if l := level.Load(); l == critical || l == low && !keepUp {
				return fault.New(fault.Full, "", "the disk is full")
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	if err := w.WaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	propose(t, w, found(1), account(1))
	for n, l := range []int32{low, critical} {
		level.Store(l)
		last := w.raft.LastIndex()
		if err := w.Propose(t.Context(), account(10+n)); !fault.Is(err, fault.Full) {
			t.Errorf("at level %d: %v", l, err)
		}
		if now := w.raft.LastIndex(); now != last {
			t.Errorf("at level %d the log grew from %d to %d", l, last, now)
		}
		if w.Err() != nil || w.has(t, 10+n) {
			t.Errorf("at level %d: %v", l, w.Err())
		}
	}
	level.Store(plenty)
	propose(t, w, account(2))
	// What Raft itself wants to append meets the second mark alone.
	level.Store(critical)
	if err := w.guard.StoreLogs(nil); !fault.Is(err, fault.Full) || w.Err() != nil {
		t.Errorf("appended without room: %v, %v", err, w.Err())
	}
	level.Store(low)
	if err := w.guard.StoreLogs(nil); err != nil {
		t.Errorf("could not keep up: %v", err)
	}
	level.Store(plenty)
	propose(t, w, account(3))
}

// A leader that has no room, asked again for what may be carried out already, does not say that nothing was.
func TestAFullDiskAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var full atomic.Bool
	w.tune = func(_ string, c *Config) {
		c.Room = func(keepUp bool) error {
			if full.Load() && !keepUp {
				return fault.New(fault.Full, "", "the disk is full")
			}
			return nil
		}
	}
	w.group(3)
	ctx := soon(t)
	if err := w.at("a").Propose(ctx, account(0)); err != nil { // the group uses requests from here on
		t.Fatal(err)
	}
	n := w.other(w.awaitLeader().id)
	w.losing(func(_, _, route string) bool { return route == routePropose && full.CompareAndSwap(false, true) })
	err := n.Propose(ctx, note(1))
	if !fault.Is(err, fault.Full) || !strings.Contains(err.Error(), "may or may not") {
		t.Errorf("%v", err)
	}
	if err := n.Propose(ctx, note(2)); !fault.Is(err, fault.Full) || strings.Contains(err.Error(), "may or may not") {
		t.Errorf("what was never tried: %v", err)
	}
	w.settle()
	if got := n.notes(t); got[1] != 1 || got[2] != 0 {
		t.Errorf("the notes are %v: the test proves nothing", got)
	}
}

// A follower that must replace the end of its log, and has no room, does neither half of it: Raft goes on counting what
// was cut away, and would not find it.
func TestAFullDiskCutsNothing(t *testing.T) {
	log, err := openLog(t.TempDir(), newLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	full := false
	g := newGuard(log, time.Minute, time.Now, slog.New(slog.DiscardHandler))
	g.room = func() error {
		if full {
			return fault.New(fault.Full, "", "the disk is full")
		}
		return nil
	}
	for i := uint64(1); i <= 10; i++ {
		if err := g.StoreLogs([]*raft.Log{{Index: i, Term: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	full = true
	if err := g.DeleteRange(8, 10); !fault.Is(err, fault.Full) || g.err() != nil {
		t.Errorf("the end was cut off without room for another: %v, %v", err, g.err())
	}
	if last, err := g.LastIndex(); last != 10 || err != nil {
		t.Errorf("the log ends at %d, %v", last, err)
	}
	if err := g.DeleteRange(1, 4); err != nil { // that makes room
		t.Errorf("the beginning was not cut off: %v", err)
	}
	if err := g.DeleteRange(5, 10); err != nil { // as much as there is: behind a snapshot
		t.Errorf("the whole was not cut off: %v", err)
	}
}
