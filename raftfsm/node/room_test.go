package node

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
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

// rooms says which nodes of a town have room.
type rooms struct {
	mu   sync.Mutex // guards full
	full map[string]bool
}

func (r *rooms) set(full bool, ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.full[id] = full
	}
}

func (r *rooms) of(id string) func(bool) error {
	return func(keepUp bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.full[id] && !keepUp {
			return fault.New(fault.Full, "", "the disk of %s is full", id)
		}
		return nil
	}
}

// A leader whose disk is nearly full lets one lead that has room, however it came to lead; where none has room it
// stays, and the group refuses until there is.
func TestAFullLeaderHandsOver(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	disks := &rooms{full: map[string]bool{}}
	w.tune = func(id string, c *Config) { c.Room = disks.of(id) }
	w.group(3)
	ctx := soon(t)
	if err := w.at("a").Propose(ctx, account(0)); err != nil {
		t.Fatal(err)
	}
	leads := func(want string) {
		t.Helper()
		w.until(want+" leads", func() string {
			if l := w.awaitLeader(); l.id != want {
				return l.id + " does: " + l.status().Next
			}
			return ""
		})
	}
	if err := w.at("a").Transfer(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	leads("a")
	disks.set(true, "a", "b")
	for i, id := range w.ids() { // also those without room take changes in: another one leads, or will in a moment
		if err := w.at(id).Propose(ctx, note(i)); err != nil {
			t.Errorf("on %s: %v", id, err)
		}
	}
	leads("c")

	// Where all are full, nothing moves.
	disks.set(true, "c")
	c := w.at("c")
	w.until("the leader says so", func() string {
		if s := c.status(); !strings.Contains(s.Next, "no other voter has room") {
			return s.Next
		}
		return ""
	})
	term, answers := c.raft.CurrentTerm(), map[time.Time]bool{}
	w.until("many beats", func() string {
		c.tend.mu.Lock()
		answers[c.tend.fellowLocked("a").heard] = true
		c.tend.mu.Unlock()
		if len(answers) < 20 {
			return fmt.Sprintf("a has answered %d times", len(answers))
		}
		return ""
	})
	if l := w.awaitLeader(); l.id != "c" || l.raft.CurrentTerm() != term {
		t.Errorf("%s leads in term %d, c did in %d", l.id, l.raft.CurrentTerm(), term)
	}
	if err := w.at("a").Propose(ctx, note(9)); !fault.Is(err, fault.Full) {
		t.Errorf("a group without room: %v", err)
	}

	// Who has room again, and keeps it, is given the lead by itself; also by one that was elected while it had none.
	disks.set(false, "b")
	leads("b")
	w.kill("b")
	w.awaitLeader("b") // none of those that are left has room
	w.start("b", false)
	leads("b")
	if err := w.at("c").Propose(ctx, note(10)); err != nil {
		t.Error(err)
	}
	w.settle()
}

// One whose room comes and goes counts as one without, until it has had room for a while.
func TestRoomThatComesAndGoes(t *testing.T) {
	now := noon
	full := true
	n := &Node{now: func() time.Time { return now }, policy: policy, room: func(bool) error {
		if full {
			return fault.New(fault.Full, "", "full")
		}
		return nil
	}}
	for i, tc := range []struct {
		after              time.Duration
		full, here, lately bool
	}{
		{0, false, false, false},
		{time.Minute, true, true, true},
		{time.Second, false, false, true},
		{policy.StableFor - 2*time.Second, false, false, true},
		{time.Second, true, true, true},
		{policy.StableFor - time.Second, false, false, true},
		{time.Second, false, false, false},
	} {
		now, full = now.Add(tc.after), tc.full
		if here, lately := n.cramped(); here != tc.here || lately != tc.lately {
			t.Errorf("step %d: now %t, lately %t", i, here, lately)
		}
	}
}
