package node

import (
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// guard stands between Raft and what could hang or fail below it: the log, the values beside it, and the
// rows. It makes the first failed write final, since a failed fsync has told the kernel to forget what it
// could not write, while Raft steps down and may well be elected again and write on. And it takes one
// that does not end for failed: a leader whose disk hangs goes on leading otherwise, for its heartbeats
// touch no disk.
type guard struct {
	store

	limit   time.Duration
	observe func(what string, took time.Duration) // may be nil
	room    func() error                          // why the disk is too full to append; may be nil
	now     func() time.Time
	log     *slog.Logger

	mu      sync.Mutex // guards what follows
	running []*work
	free    []*work
	cause   error
	failed  chan struct{} // closed when cause is set
	hangs   bool
	stalled chan struct{} // closed when something hangs
}

// store is what the log offers.
type store interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
}

// work is one thing that could hang.
type work struct {
	what  string
	began time.Time
	looks int // of the watch, since it began
	vain  int // those of them while this program was starved
}

// looksN is how often the watch looks within the limit. It counts looks instead of reading a clock: a
// machine that slept sees one look, not a disk that hung. Those while this program waits for a processor
// rather than for the disk do not count; but no more than graceN limits in all, since a node that gets nothing
// done must not lead either.
const (
	looksN = 10
	graceN = 2
)

func newGuard(s store, limit time.Duration, now func() time.Time, log *slog.Logger) *guard {
	return &guard{store: s, limit: limit, now: now, log: log, failed: make(chan struct{}), stalled: make(chan struct{})}
}

// err returns the first failure, as the error of every later write.
func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// begin notes that something begins that could hang; end that it has ended.
func (g *guard) begin(what string) *work {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var w *work
	if n := len(g.free); n > 0 {
		w, g.free = g.free[n-1], g.free[:n-1]
	} else {
		w = &work{}
	}
	*w = work{what: what, began: now}
	g.running = append(g.running, w)
	return w
}

func (g *guard) end(w *work) {
	took := g.now().Sub(w.began)
	if g.observe != nil {
		g.observe(w.what, took)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.running, w); i >= 0 {
		g.running = slices.Delete(g.running, i, i+1)
	}
	g.free = append(g.free, w)
}

// doing says what has begun and has not ended.
func (g *guard) doing() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.running) == 0 {
		return "though no write to the log or the rows was under way"
	}
	var all []string
	for _, w := range g.running {
		all = append(all, w.what)
	}
	return "and this was still under way: " + strings.Join(all, ", ")
}

// watch looks at what runs until quit is closed.
func (g *guard) watch(quit <-chan struct{}) {
	every := max(g.limit/looksN, time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	h := hunger{every: every}
	for {
		select {
		case <-tick.C:
			starved := h.look(time.Now(), g.waiting())
			g.look(starved)
		case <-quit:
			return
		}
	}
}

// waiting reports whether anything was looked at and has not ended.
func (g *guard) waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.running, func(w *work) bool { return w.looks > 0 })
}

// look counts a look at everything that runs, and takes for failed what had too many of them. starved says that this
// program had too little time of the processors since the last look.
func (g *guard) look(starved bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.running {
		if w.looks++; starved {
			w.vain++
		}
		hangs, slow := w.looks-w.vain > looksN, w.looks > graceN*looksN
		if g.hangs || !hangs && !slow {
			continue
		}
		g.hangs = true
		close(g.stalled)
		if hangs {
			g.failLocked(fault.New(fault.ReadOnly, "", "%s has not ended for more than %s: the disk hangs; nothing more is written until it is put right and the program is started again", w.what, g.limit))
		} else {
			g.failLocked(fault.New(fault.ReadOnly, "", "%s has not ended for more than %s, in which this program was given too little time by the machine: take load off it, see that its disk is well, and start the program again", w.what, graceN*g.limit))
		}
	}
}

// hunger tells a program that waits for a processor from one that waits for a disk.
type hunger struct {
	every time.Duration // from look to look
	at    time.Time     // of the last look; zero: none
}

// look reports whether the program was starved since the last look: it came late itself, or, where it is worth a try,
// gets less than half a processor now.
func (h *hunger) look(now time.Time, try bool) bool {
	late := !h.at.IsZero() && now.Sub(h.at) > h.every+h.every/2
	h.at = now
	return late || try && processor(h.every/10) < 0.5
}

// fail makes err the reason why nothing more is written, unless there is one, and returns the reason.
func (g *guard) fail(what string, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fault.Is(err, fault.Corrupt) {
		g.failLocked(fault.New(fault.ReadOnly, "", "%s failed: %w", what, err))
		return g.cause
	}
	g.failLocked(fault.New(fault.ReadOnly, "", "%s failed (%w); nothing more is written until the disk is put right and the program is started again", what, err))
	return g.cause
}

func (g *guard) failLocked(cause error) {
	if g.cause == nil {
		g.cause = cause
		g.log.Error("this node leaves the group until it is started again", "err", cause)
		close(g.failed)
	}
}

// write runs one write, unless one has failed before.
func (g *guard) write(what string, fn func() error) error {
	if err := g.err(); err != nil {
		return err
	}
	w := g.begin(what)
	err := fn()
	g.end(w)
	if err != nil {
		return g.fail(what, err)
	}
	return g.err() // it hung, and the node has left meanwhile
}

const writeLog = "writing the Raft log"

// StoreLog implements raft.LogStore.
func (g *guard) StoreLog(l *raft.Log) error {
	return g.write(writeLog, func() error { return g.store.StoreLog(l) })
}

// StoreLogs implements raft.LogStore.
func (g *guard) StoreLogs(l []*raft.Log) error {
	if g.room != nil {
		if err := g.room(); err != nil {
			return err // before anything was written: Raft tries again
		}
	}
	return g.write(writeLog, func() error { return g.store.StoreLogs(l) })
}

// GetLog implements raft.LogStore. Where an entry does not read it ends the goroutine of Raft that wants it:
// Raft panics where it cannot read what it must apply, and the program is to end in order.
func (g *guard) GetLog(index uint64, l *raft.Log) error {
	err := g.store.GetLog(index, l)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	if first, e := g.store.FirstIndex(); e == nil && index < first {
		return raft.ErrLogNotFound // it was cut away meanwhile
	}
	_ = g.fail("reading the Raft log", err)
	runtime.Goexit()
	return err
}

// DeleteRange implements raft.LogStore. The end of the log is only cut off where there is room for what comes in its
// place: Raft counts on it that both happen.
func (g *guard) DeleteRange(first, last uint64) error {
	if from, err := g.store.FirstIndex(); err == nil && first > from && g.room != nil {
		if err := g.room(); err != nil {
			return err
		}
	}
	return g.write("cutting the Raft log", func() error { return g.store.DeleteRange(first, last) })
}

// Set implements raft.StableStore.
func (g *guard) Set(key, val []byte) error {
	return g.write("writing the vote", func() error { return g.store.Set(key, val) })
}

// SetUint64 implements raft.StableStore. Where it fails it ends the goroutine of Raft that called it: Raft
// panics where it cannot write its term, and the program is to end in order.
func (g *guard) SetUint64(key []byte, val uint64) error {
	if err := g.write("writing the term", func() error { return g.store.SetUint64(key, val) }); err != nil {
		runtime.Goexit()
	}
	return nil
}

// rowsWatch tells a guard of what the state machine does.
type rowsWatch struct {
	guard *guard
	work  *work
}

// Begin implements raftfsm.Watch.
func (r *rowsWatch) Begin(what string) { r.work = r.guard.begin(what) }

// End implements raftfsm.Watch.
func (r *rowsWatch) End() { r.guard.end(r.work) }
