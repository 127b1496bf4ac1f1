package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
)

// town is a group of nodes over TCP within this process, whose links can be cut one way or both.
type town struct {
	t   testing.TB
	dir string
	// tune is applied to the Config of each node that starts.
	tune func(id string, c *Config)

	mu      sync.Mutex                        // guards what follows
	lose    func(from, to, route string) bool // the answer to this question is lost on its way; nil: none is
	seats   map[string]*seat
	cut     map[[2]string]bool // from, to
	changed chan struct{}      // closed and replaced with each change of cut
}

// seat is a node of a town, running or not.
type seat struct {
	id, addr string
	*world   // nil while it does not run
}

func newTown(t testing.TB) *town {
	w := &town{t: t, dir: t.TempDir(), seats: map[string]*seat{}, cut: map[[2]string]bool{}, changed: make(chan struct{})}
	t.Cleanup(w.end)
	return w
}

func (w *town) end() {
	w.heal()
	for _, id := range w.ids() {
		w.kill(id)
	}
}

func (w *town) ids() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for id := range w.seats {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// at returns a running node; nil where it does not run.
func (w *town) at(id string) *world {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.seats[id]; s != nil {
		return s.world
	}
	return nil
}

func (w *town) addr(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seats[id].addr
}

// start starts a node, for the first time or again; found says that it founds the group.
func (w *town) start(id string, found bool) *world {
	w.t.Helper()
	w.mu.Lock()
	s := w.seats[id]
	if s == nil {
		s = &seat{id: id, addr: "127.0.0.1:0"}
		w.seats[id] = s
	}
	addr := s.addr
	w.mu.Unlock()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	s.addr = l.Addr().String()
	w.mu.Unlock()
	dir := filepath.Join(w.dir, id)
	store, err := index.Open(filepath.Join(dir, "index"), index.Options{NoWAL: true})
	if err != nil {
		w.t.Fatal(err)
	}
	n := &world{store: store, fsm: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil)}
	c := Config{
		Dir: filepath.Join(dir, "raft"), ID: id, Stream: &lane{Listener: l, town: w, from: id}, Store: store, FSM: n.fsm, Bootstrap: found,
		Peers: caller{w, id}, Streams: caller{w, id},
		Policy: Policy{Beat: 20 * time.Millisecond, StableFor: 60 * time.Millisecond},
	}
	if w.tune != nil {
		w.tune(id, &c)
	}
	if n.Node, err = Open(context.Background(), c); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.world = n
	return n
}

// kill stops a node without a word to the others.
func (w *town) kill(id string) {
	w.mu.Lock()
	n := w.seats[id].world
	w.seats[id].world = nil
	w.mu.Unlock()
	if n == nil {
		return
	}
	if err := n.stop(); err != nil && n.Err() == nil {
		w.t.Error(err)
	}
}

// group starts a group of that many voters, a first, and founds it.
func (w *town) group(n int) {
	w.t.Helper()
	for i := range n {
		w.join(string(rune('a' + i)))
	}
	w.voters(n)
}

// join starts a node and adds it to the group, or founds the group with it.
func (w *town) join(id string) *world {
	w.t.Helper()
	ids := w.ids()
	n := w.start(id, len(ids) == 0)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if len(ids) == 0 {
		if err := errors.Join(n.WaitLeader(ctx), n.Propose(ctx, found(1))); err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	if err := w.at(ids[0]).AddMember(ctx, id, w.addr(id)); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// until waits until ok, which says what is not yet so.
func (w *town) until(what string, ok func() string) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		not := ok()
		if not == "" {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("%s: %s", what, not)
		}
	}
}

// voters waits until the leader's view has that many healthy voters.
func (w *town) voters(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d healthy voters", n), func() string {
		l := w.leader()
		if l == nil {
			return "no leader"
		}
		s := l.status()
		have := 0
		for _, m := range s.Members {
			if m.Voter && m.Healthy {
				have++
			}
		}
		if have != n {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
}

// leader returns the node that leads, by its own account and in the latest term; nil for none.
func (w *town) leader() *world {
	var best *world
	for _, id := range w.ids() {
		if n := w.at(id); n != nil && n.raft.State() == raft.Leader && (best == nil || n.raft.CurrentTerm() > best.raft.CurrentTerm()) {
			best = n
		}
	}
	return best
}

// awaitLeader waits for a leader that is none of those nodes.
func (w *town) awaitLeader(not ...string) *world {
	w.t.Helper()
	var l *world
	w.until("a leader", func() string {
		if l = w.leader(); l == nil || slices.Contains(not, l.id) {
			return "there is none"
		}
		return ""
	})
	return l
}

// other returns a running node that is none of those.
func (w *town) other(not ...string) *world {
	for _, id := range w.ids() {
		if n := w.at(id); n != nil && !slices.Contains(not, id) {
			return n
		}
	}
	w.t.Fatal("there is no other node")
	return nil
}

// split cuts what goes from one node to another.
func (w *town) split(from, to string) { w.set([2]string{from, to}, true) }

// isolate cuts a node off, both ways.
func (w *town) isolate(id string) {
	for _, other := range w.ids() {
		if other != id {
			w.split(id, other)
			w.split(other, id)
		}
	}
}

func (w *town) set(link [2]string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cut {
		w.cut[link] = true
	} else {
		delete(w.cut, link)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// losing sets which answers are lost.
func (w *town) losing(lose func(from, to, route string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = lose
}

// heal mends every link.
func (w *town) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cut)
	close(w.changed)
	w.changed = make(chan struct{})
}

// pass waits while the link is cut, as what TCP sends again and again does. It fails when one of the channels
// is closed.
func (w *town) pass(from, to string, done <-chan struct{}, late <-chan time.Time) error {
	for {
		w.mu.Lock()
		cut, changed := w.cut[[2]string{from, to}], w.changed
		w.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-changed:
		case <-late:
			return os.ErrDeadlineExceeded
		case <-done:
			return net.ErrClosed
		}
	}
}

// named returns the node at an address.
func (w *town) named(addr string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.seats {
		if s.addr == addr {
			return id
		}
	}
	return ""
}

// settle waits until every running node has applied all of the log, and checks that they have the same rows, and that
// the log applied anew, twice in a row, gives them as well.
func (w *town) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	hashes, last := map[string]string{}, uint64(0)
	w.until("the same rows everywhere", func() string {
		clear(hashes)
		applied := map[uint64]bool{}
		for _, id := range w.ids() {
			if n := w.at(id); n != nil {
				if err := n.Fresh(ctx); err != nil {
					return err.Error()
				}
				last = n.store.Applied()
				applied[last] = true
				h, err := n.store.Hash(ctx)
				if err != nil {
					w.t.Fatal(err)
				}
				hashes[id] = hex.EncodeToString(h)
				applied[n.store.Applied()] = true
			}
		}
		if len(applied) != 1 {
			return fmt.Sprintf("they are at %v", applied)
		}
		return ""
	})
	l := w.awaitLeader()
	want := hashes[l.id]
	for id, h := range hashes {
		if h != want {
			w.t.Errorf("node %s has rows %s, the leader %s", id, h, want)
		}
	}
	if r, err := l.store.Check(ctx); err != nil || !r.OK() {
		w.t.Errorf("the rows of the leader: %+v, %v", r, err)
	}
	first, err := l.disk.FirstIndex()
	if err != nil || first != 1 {
		return // the log was cut
	}
	store, err := index.Open(w.t.TempDir(), index.Options{NoWAL: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	for range 2 {
		fsm := raftfsm.New(store, apply.Env{Role: model.RoleController}, nil)
		for i := first; i <= last; i++ {
			var e raft.Log
			if err := l.disk.GetLog(i, &e); err != nil {
				w.t.Fatal(err)
			}
			fsm.ApplyBatch([]*raft.Log{&e})
		}
		h, err := store.Hash(ctx)
		if err != nil || hex.EncodeToString(h) != want || fsm.Err() != nil {
			w.t.Errorf("the log applied anew gives %x, %v, %v; want %s", h, err, fsm.Err(), want)
		}
	}
}
