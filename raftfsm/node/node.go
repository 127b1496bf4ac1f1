// Package node runs one node of a controllers' Raft group: the log, the elections, who is a member, Propose from
// any node, and reads that miss nothing.
//
// It owns one folder with the log, the snapshots and the lock over them, and the goroutines of Raft. A
// group of one is the same as a group of three that asks nobody. It never looks into a change and never
// touches a row: raftfsm does. It never closes the index, and what carries its questions to other nodes is
// handed to it.
package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

// Config is what Open needs.
type Config struct {
	// Dir is the folder of the log and the snapshots; it is made (mode 0700) if there is none. It must be
	// on the same file system as the index.
	Dir string
	// ID names this node within its group, for ever; any text but "". Where it is a model.NodeID as text, the
	// name of its member is looked up in the registry.
	ID string
	// Address is HOST:PORT where the others reach this node; "" is the address of Stream.
	Address string
	// Stream carries the traffic between the nodes. Open takes it over: Close, or Open itself where it
	// fails, closes it.
	Stream raft.StreamLayer
	// Store is what FSM writes to.
	Store *index.Store
	FSM   *raftfsm.FSM
	// Bootstrap founds a new group of this one node, where Dir holds no group yet.
	Bootstrap bool
	// Peers carries questions to other nodes, which hand them to Answer. nil: a group of one that stays one.
	Peers Caller
	// Streams carries snapshots to other nodes, which hand the streams to ReceiveSnapshot. nil: as for Peers.
	Streams Streamer
	// Health adds to what this node says of itself when it is asked; it must not block. May be nil.
	Health func() HealthNote
	// Log may be nil.
	Log *slog.Logger
	// ApplyTimeout bounds how long Propose and Fresh go on trying. Default 10 s.
	ApplyTimeout time.Duration
	// StallLimit is how long a write to the disk, or applying one change, may take before this node gives
	// up. Default 5 s.
	StallLimit time.Duration
	// Policy says when the leader changes who is a member by itself.
	Policy Policy
	// Room, if set, says why there is too little room on the disk: to take a new change in (keepUp false), or
	// even to keep up with the group (true). A node without room is not ended: it refuses, and goes on when
	// there is room again. It must not block.
	Room func(keepUp bool) error
	// Observe is told how long each write to the log and the rows, and each change, took; it must not
	// block. May be nil.
	Observe func(what string, took time.Duration)
	// Now is time.Now for tests, Random is crypto/rand.
	Now    func() time.Time
	Random io.Reader

	wrap  func(disk) disk // for tests of disks that hang and fail
	entry uint32          // the version of entries that this node says it reads, for tests; 0: entry.Version
}

// Caller carries a question to the node at an address. Errors keep their fault kind and text on the way; any
// of them may mean that the question arrived.
type Caller interface {
	Call(ctx context.Context, addr, route string, body []byte) ([]byte, error)
}

// Node is a running member of a Raft group. All methods are safe for concurrent use.
type Node struct {
	id     string
	dir    string
	log    *slog.Logger
	limit  time.Duration
	store  *index.Store
	fsm    *raftfsm.FSM
	raft   *raft.Raft
	disk   disk
	guard  *guard
	gate   *gate
	trans  *sender
	snaps  *snapshots
	lock   *os.File
	peers  Caller
	note   func() HealthNote
	now    func() time.Time
	random io.Reader
	room   func(keepUp bool) error
	policy Policy

	reign reign
	tend  tend
	reads reads

	once    sync.Once
	stop    sync.Once
	alive   context.Context // ends with Raft
	down    context.CancelFunc
	ended   chan struct{} // closed when this node takes no part any more, by Close or by a failure
	settled chan struct{} // closed when every goroutine of Raft has ended
	closed  chan struct{} // closed when the log is
	watched sync.WaitGroup
	noVote  atomic.Bool
	fullAt  atomic.Int64 // when there was too little room last, in ns since 1970; 0: never
	version uint32       // of entries that it says it reads
}

// disk is the log as Open opens it.
type disk interface {
	store
	io.Closer
}

// Open starts the node and returns without waiting for a leader. ctx bounds nothing else than the
// opening. It fails with fault.Conflict where another process holds Dir, or where the log and the rows
// do not belong together.
func Open(ctx context.Context, c Config) (*Node, error) {
	op := "open the Raft log in " + c.Dir
	if c.ID == "" || c.Stream == nil || c.Store == nil || c.FSM == nil {
		return nil, fault.New(fault.Invalid, op, "ID, Stream, Store and FSM must be set")
	}
	if err := context.Cause(ctx); err != nil {
		_ = c.Stream.Close()
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.ApplyTimeout <= 0 {
		c.ApplyTimeout = 10 * time.Second
	}
	if c.StallLimit <= 0 {
		c.StallLimit = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Health == nil {
		c.Health = func() HealthNote { return HealthNote{Ready: true} }
	}
	n := &Node{
		id: c.ID, dir: c.Dir, log: c.Log, limit: c.ApplyTimeout, store: c.Store, fsm: c.FSM, peers: c.Peers, note: c.Health,
		now: c.Now, random: c.Random, policy: c.Policy.filled(), version: cmp.Or(c.entry, entry.Version),
		ended: make(chan struct{}), settled: make(chan struct{}), closed: make(chan struct{}),
	}
	n.alive, n.down = context.WithCancel(context.Background())
	n.reign.start()
	n.tend.start()
	n.reads.opened = n.now()
	if err := n.open(c); err != nil {
		n.down()
		_ = c.Stream.Close() // again, perhaps
		return nil, fault.Wrap(op, err)
	}
	n.watched.Go(n.watch)
	n.watched.Go(n.run)
	return n, nil
}

// Close leaves the group's work (not the group): it ends Raft, closes the stream layer and the log, and
// lets the folder go. Proposals under way get an error, though they may still happen. Closing twice
// is allowed. Where a write hangs, or the end of Raft does not come within four of Config.StallLimit, it returns that as an
// error; the folder stays locked until all has ended, because something may still be written.
func (n *Node) Close() error {
	var err error
	n.once.Do(func() {
		op := "close the Raft log in " + n.dir
		n.rest()
		n.end()
		n.reads.close()
		done := make(chan error, 1)
		go func() {
			n.watched.Wait()
			n.snaps.stop()
			<-n.settled
			w := n.guard.begin("closing the Raft log")
			err := n.disk.Close()
			n.guard.end(w)
			_ = n.lock.Close() // closing is what unlocks
			close(n.closed)
			done <- err
		}()
		limit := 4 * n.guard.limit
		late := time.NewTimer(limit)
		defer late.Stop()
		select {
		case e := <-done:
			if e != nil {
				err = fault.New(fault.Other, op, "%w", e)
			}
		case <-n.guard.stalled:
			err = fault.Wrap(op, n.guard.err())
		case <-late.C:
			err = fault.New(fault.ReadOnly, op, "it was not closed within %s, %s; what was acknowledged is durable, and the program may be ended as it is", limit, n.guard.doing())
		}
	})
	return err
}

// restAfter is how many entries behind the newest snapshot are worth another one before this node stops, and
// restLimit how long that may take.
const (
	restAfter = 256
	restLimit = 5 * time.Second
)

// rest takes a snapshot before this node stops, so that its next start has little of the log to read.
func (n *Node) rest() {
	if n.Err() != nil {
		return
	}
	list, err := n.snaps.List()
	if err != nil || len(list) > 0 && n.raft.LastIndex() < list[0].Index+restAfter || n.raft.LastIndex() < restAfter {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), restLimit)
	defer cancel()
	if err := n.TakeSnapshot(ctx); err != nil {
		n.log.Warn("there is no snapshot of the last moment; the next start reads more of the log", "err", err)
	}
}

// end makes this node take no part any more, at once: what hangs is not waited for.
func (n *Node) end() {
	n.stop.Do(func() {
		_ = n.trans.Close() // always nil
		n.gate.close()
		f := n.raft.Shutdown()
		n.down()
		close(n.ended)
		go func() {
			_ = f.Error() // always nil
			close(n.settled)
		}()
	})
}

// watch ends Raft when this node cannot write or apply any more, so that it does not go on leading
// without being able to: the others then elect one that can.
func (n *Node) watch() {
	select {
	case <-n.fsm.Failed():
	case <-n.guard.failed:
	case <-n.store.Failed():
		// The rows are written in the background too.
		_ = n.guard.fail("writing the rows", n.store.Err())
	case <-n.ended:
		return
	}
	n.end()
}

// Failed is closed when the node has ended, by Close or because it could not go on; Err then says why.
func (n *Node) Failed() <-chan struct{} { return n.ended }

// Err returns why the node cannot write any more; nil while it can, and after a mere Close.
func (n *Node) Err() error {
	if err := n.fsm.Err(); err != nil {
		return err
	}
	return n.guard.err()
}

// Leader reports whether this node is the leader, and the address of the leader; "" while there is none.
func (n *Node) Leader() (isLeader bool, addr string) {
	a, _ := n.raft.LeaderWithID()
	return n.raft.State() == raft.Leader, string(a)
}

// WaitLeader blocks until there is a leader that this node knows of. It fails when ctx or the node ends
// first, with fault.ReadOnly.
func (n *Node) WaitLeader(ctx context.Context) error {
	const op = "wait for a leader"
	for {
		reign := n.reign.now()
		if _, addr := n.Leader(); addr != "" {
			return nil
		}
		select {
		case <-reign.Done():
		case <-n.ended:
			return n.explain(op, raft.ErrRaftShutdown)
		case <-ctx.Done():
			return fault.New(fault.ReadOnly, op, "there is none (%w): most nodes of this group cannot be reached", context.Cause(ctx))
		}
	}
}

// reign is the time during which this node knows of one and the same leader, or of none.
type reign struct {
	mu  sync.Mutex // guards what follows
	ctx context.Context
	end context.CancelFunc
}

func (r *reign) start() { r.ctx, r.end = context.WithCancel(context.Background()) }

// now returns a context that ends with the reign. Whoever looks who leads takes it first, and so misses no
// change.
func (r *reign) now() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ctx
}

// over ends the reign and begins the next.
func (r *reign) over() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	r.start()
}

// noVotePath is the mark that an operator took this node's vote.
func (n *Node) noVotePath() string { return filepath.Join(n.dir, "no-vote") }
