package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// faulty is a log whose disk can hang and fail.
type faulty struct {
	disk
	mu      sync.Mutex // guards what follows
	hang    chan struct{}
	fail    map[string]bool
	read    chan struct{} // reads wait for it; nil: they do not
	reading chan struct{} // 1; a read waits
}

// hangsReading lets reads wait until what it returns is closed.
func (f *faulty) hangsReading() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read, f.reading = make(chan struct{}), make(chan struct{}, 1)
	return f.read
}

func (f *faulty) hangs() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = make(chan struct{})
	return f.hang
}

func (f *faulty) fails(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = map[string]bool{what: true}
}

func (f *faulty) check(what string) error {
	f.mu.Lock()
	hang, fail := f.hang, f.fail[what]
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if fail {
		return errors.New("input/output error")
	}
	return nil
}

func (f *faulty) StoreLogs(l []*raft.Log) error {
	if err := f.check("StoreLogs"); err != nil {
		return err
	}
	return f.disk.StoreLogs(l)
}

func (f *faulty) SetUint64(k []byte, v uint64) error {
	if err := f.check("SetUint64"); err != nil {
		return err
	}
	return f.disk.SetUint64(k, v)
}

func (f *faulty) GetLog(i uint64, l *raft.Log) error {
	f.mu.Lock()
	fail, read := f.fail["GetLog"], f.read
	f.mu.Unlock()
	if read != nil {
		select {
		case f.reading <- struct{}{}:
		default:
		}
		<-read
	}
	if fail {
		return errors.New("a sum is wrong")
	}
	return f.disk.GetLog(i, l)
}

// faultyTown is a group of three on such disks.
func faultyTown(t *testing.T) (*town, map[string]*faulty) {
	w := newTown(t)
	disks := map[string]*faulty{}
	w.tune = func(id string, c *Config) {
		c.StallLimit = 300 * time.Millisecond
		c.wrap = func(d disk) disk {
			disks[id] = &faulty{disk: d}
			return disks[id]
		}
	}
	w.group(3)
	if err := w.at("a").Propose(soon(t), account(0)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	return w, disks
}

// A leader whose disk hangs does not go on leading: it leaves at once, without waiting for the disk, and the
// others go on.
func TestHangingLeader(t *testing.T) {
	t.Parallel()
	w, disks := faultyTown(t)
	l := w.awaitLeader()
	hang := disks[l.id].hangs()
	began := time.Now()
	pending := make(chan error, 1)
	go func() { pending <- l.Propose(soon(t), note(1)) }()
	<-l.Failed()
	if err := l.Err(); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "writing the Raft log has not ended") {
		t.Errorf("Err is %v", err)
	}
	if err := <-pending; !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "may or may not") {
		t.Errorf("the proposal that hung: %v", err)
	}
	if err := l.Fresh(soon(t)); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a read on the node that left: %v", err)
	}
	if _, err := l.Answer(soon(t), "x", routeTerm, nil); !fault.Is(err, fault.Unreachable) {
		t.Errorf("a question to the node that left: %v", err)
	}
	if err := w.other(l.id).Propose(soon(t), note(2)); err != nil {
		t.Errorf("the others: %v", err)
	}
	t.Logf("the others wrote %s after the disk began to hang", time.Since(began))

	// It closes, and says what it could not do; the folder is free once the write has ended.
	if err := l.Close(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("closing while the disk hangs: %v", err)
	}
	dir := filepath.Join(w.dir, l.id, "raft")
	if lock, err := lockDir(dir); err == nil {
		_ = lock.Close()
		t.Error("the folder was let go while a write to it may still come")
	}
	close(hang)
	<-l.closed
	w.mu.Lock()
	w.seats[l.id].world = nil
	w.mu.Unlock()
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.start(l.id, false)
	w.voters(3)
	w.settle()
	if n := w.at(l.id).notes(t); n[1] > 1 || n[2] != 1 {
		t.Errorf("the notes are %v", n)
	}
}

// A follower whose disk hangs leaves as well, and its Close returns.
func TestHangingFollower(t *testing.T) {
	t.Parallel()
	w, disks := faultyTown(t)
	l := w.awaitLeader()
	n := w.other(l.id)
	hang := disks[n.id].hangs()
	defer close(hang)
	for i := range 5 {
		if err := l.Propose(soon(t), note(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-n.Failed()
	if err := l.Propose(soon(t), note(9)); err != nil {
		t.Error(err)
	}
	if err := n.Close(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("closing while the disk hangs: %v", err)
	}
	w.mu.Lock()
	w.seats[n.id].world = nil
	w.mu.Unlock()
	_ = n.store.Close()
}

// A disk that fails where Raft would panic ends the node, and not the program.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"StoreLogs", "SetUint64", "GetLog"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w, disks := faultyTown(t)
			l := w.awaitLeader()
			n := w.other(l.id)
			disks[n.id].fails(what)
			switch what {
			case "SetUint64": // a vote for another, in a later term
				_ = l.Transfer(soon(t), w.other(l.id, n.id).id)
			case "StoreLogs":
				if err := l.Propose(soon(t), note(1)); err != nil {
					t.Error(err)
				}
			case "GetLog": // as Raft does to apply what it no longer has in memory
				go func() {
					_ = n.guard.GetLog(1, &raft.Log{})
					t.Error("Raft was told, and would have panicked")
				}()
			}
			<-n.Failed()
			if !fault.Is(n.Err(), fault.ReadOnly) {
				t.Errorf("Err is %v", n.Err())
			}
			w.kill(n.id)
			if err := w.other(n.id).Propose(soon(t), note(1000)); err != nil {
				t.Errorf("the others: %v", err)
			}
			w.start(n.id, false)
			w.voters(3)
			w.settle()
		})
	}
}

// A file of a snapshot that is received, or a read, that hangs is no write that the node must leave its group for; but
// closing does not wait for it without end, and says so.
func TestClosingIsBounded(t *testing.T) {
	t.Parallel()
	w, disks := faultyTown(t)
	l := w.awaitLeader()
	n := w.other(l.id)
	// The fence looks into the log.
	free := disks[l.id].hangsReading()
	ctx, cancel := context.WithCancel(soon(t))
	if err := l.Propose(ctx, note(1)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = n.Fresh(ctx) }()
	<-disks[l.id].reading
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		if !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "not closed within") || strings.Contains(err.Error(), "the disk hangs") {
			t.Errorf("closing while a read hangs: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits without end")
	}
	close(free)
	<-l.closed
	w.mu.Lock()
	w.seats[l.id].world = nil
	w.mu.Unlock()
	if err := l.store.Close(); err != nil {
		t.Error(err)
	}
}

// Rows that cannot be written end the node as well.
func TestHangingRows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tune = func(_ string, c *Config) { c.StallLimit = 200 * time.Millisecond }
	w.group(1)
	a := w.at("a")
	hang := make(chan struct{})
	a.store.Tap(func([]byte) { <-hang })
	err := a.Propose(soon(t), account(1))
	if !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a proposal whose rows hang: %v", err)
	}
	<-a.Failed()
	if !strings.Contains(a.Err().Error(), "writing rows has not ended") {
		t.Errorf("Err is %v", a.Err())
	}
	if err := a.Close(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("closing while the rows hang: %v", err)
	}
	close(hang)
	<-a.closed
	a.store.Tap(nil)
}

// What ends in time is no failure, however often the watch looked in all, nor is a machine that slept.
func TestWatch(t *testing.T) {
	g := newGuard(nil, time.Second, time.Now, slog.New(slog.DiscardHandler))
	var took []string
	g.observe = func(what string, _ time.Duration) { took = append(took, what) }
	long := g.begin("something long")
	for range looksN {
		w := g.begin("something short")
		g.look(false)
		g.end(w)
	}
	g.end(long)
	for range 3 * looksN {
		g.look(false)
	}
	if g.err() != nil {
		t.Fatal(g.err())
	}
	if len(took) != looksN+1 {
		t.Errorf("%d things were measured", len(took))
	}
	w := g.begin("something endless")
	for range looksN + 1 {
		g.look(false)
	}
	select {
	case <-g.stalled:
	default:
		t.Error("stalled is not closed")
	}
	<-g.failed
	if err := g.write("another", func() error { t.Error("it was written"); return nil }); err == nil || !strings.Contains(err.Error(), "something endless") {
		t.Error(err)
	}
	g.end(w)
	if err := g.err(); err == nil {
		t.Error("the failure is forgotten")
	}
}

// A program that is given no time by the machine has no disk that hangs. It is patient for a while, and then says what
// it was.
func TestStarved(t *testing.T) {
	g := newGuard(nil, time.Second, time.Now, slog.New(slog.DiscardHandler))
	g.begin("something slow")
	for range looksN {
		g.look(true)
		g.look(false)
	}
	if err := g.err(); err != nil {
		t.Fatalf("%d looks of %d were in vain: %v", looksN, 2*looksN, err)
	}
	g.look(true)
	if err := g.err(); !fault.Is(err, fault.ReadOnly) || strings.Contains(err.Error(), "hangs") || !strings.Contains(err.Error(), "too little time") {
		t.Error(err)
	}
	g = newGuard(nil, time.Second, time.Now, slog.New(slog.DiscardHandler))
	g.begin("something that hangs")
	for range looksN - 1 {
		g.look(true)
		g.look(false)
	}
	for range 2 {
		if g.err() != nil {
			t.Fatal(g.err())
		}
		g.look(false)
	}
	if err := g.err(); err == nil || !strings.Contains(err.Error(), "the disk hangs") {
		t.Error(err)
	}
}

// Looks that come late are a sign of a program that is starved, and so is work that takes longer than it takes.
func TestHunger(t *testing.T) {
	h := hunger{every: 100 * time.Millisecond}
	at := noon
	for i, tc := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {100 * time.Millisecond, false}, {140 * time.Millisecond, false}, {160 * time.Millisecond, true}, {time.Hour, true}, {10 * time.Millisecond, false}} {
		at = at.Add(tc.after)
		if got := h.look(at, false); got != tc.want {
			t.Errorf("look %d: %t", i, got)
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("THE SYSTEM DOES NOT SAY what share of a processor a thread gets")
	}
	// Eight threads for each processor.
	n := 8 * runtime.NumCPU()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var stop atomic.Bool
	var spin sync.WaitGroup
	for range n {
		spin.Go(func() {
			for !stop.Load() {
			}
		})
	}
	defer spin.Wait()
	defer stop.Store(true)
	h = hunger{every: 500 * time.Millisecond}
	for tries := 1; ; tries++ {
		h.at = time.Time{} // only what it gets counts
		if h.look(time.Now(), true) {
			break
		}
		if tries == 20 {
			t.Fatal("it had all the time that it wanted, 20 times")
		}
	}
}

// A gate that is shut dials nobody, takes nobody, and has closed what it had.
func TestGate(t *testing.T) {
	s, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(s, "other.example:8443")
	if g.Addr().String() != "other.example:8443" || g.Addr().Network() != "tcp" {
		t.Errorf("it says it is at %s", g.Addr())
	}
	near, err := g.Dial(raft.ServerAddress(s.Addr().String()), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	far, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	g.close()
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection was left open")
		}
	}
	if _, err := g.Dial(raft.ServerAddress(s.Addr().String()), time.Second); !errors.Is(err, errShut) {
		t.Error(err)
	}
	if _, err := g.Accept(); err == nil {
		t.Error("it still takes connections")
	}
	near, far = net.Pipe()
	if _, err := g.keep(near, nil, ""); !errors.Is(err, errShut) {
		t.Error(err)
	}
	if _, err := far.Write([]byte{1}); err == nil {
		t.Error("a connection that came late was left open")
	}
}
