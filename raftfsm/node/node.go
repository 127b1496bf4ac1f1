// Package node runs the Raft group of a controller: the log, the elections, and Propose.
//
// It owns one folder with the log, the snapshots and the lock over them, and the goroutines of Raft.
// A group of one is the same as a group of three, with shorter waits. It never looks into a change
// and never touches a row: raftfsm does. It never closes the index.
package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
)

// Config is what Open needs.
type Config struct {
	// Dir is the folder of the log and the snapshots; it is made (mode 0700) if there is none. It must be
	// on the same file system as the index.
	Dir string
	// ID names this node within its group, for ever; any text but "".
	ID string
	// Stream carries the traffic between the nodes. Open takes it over: Close, or Open itself where it
	// fails, closes it.
	Stream raft.StreamLayer
	// Store is what FSM writes to.
	Store *index.Store
	FSM   *raftfsm.FSM
	// Bootstrap founds a new group of this one node, where Dir holds no group yet.
	Bootstrap bool
	// Log may be nil.
	Log *slog.Logger
	// ApplyTimeout bounds how long a proposal waits for its turn. Default 10 s.
	ApplyTimeout time.Duration
}

// Node is a running member of a Raft group. All methods are safe for concurrent use.
type Node struct {
	dir   string
	log   *slog.Logger
	limit time.Duration
	fsm   *raftfsm.FSM
	raft  *raft.Raft
	wal   *wal.WAL
	guard *guard
	trans *raft.NetworkTransport
	lock  *os.File

	once    sync.Once
	stop    sync.Once
	quit    chan struct{} // closed by Close
	ended   chan struct{} // closed when Raft has ended, by Close or by a failure
	watched sync.WaitGroup
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
	n := &Node{dir: c.Dir, log: c.Log, limit: c.ApplyTimeout, fsm: c.FSM, quit: make(chan struct{}), ended: make(chan struct{})}
	if err := n.open(c); err != nil {
		_ = c.Stream.Close() // again, perhaps
		return nil, fault.Wrap(op, err)
	}
	n.watched.Go(n.watch)
	return n, nil
}

// open acquires what the node needs, and on an error lets go of what it had.
func (n *Node) open(c Config) (err error) {
	var undo []func()
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			undo[i]()
		}
	}()
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w; give the user that runs this the right to write there", err)
	}
	if n.lock, err = lockDir(n.dir); err != nil {
		return err
	}
	undo = append(undo, func() { _ = n.lock.Close() })
	if err := n.sweep(); err != nil {
		return err
	}
	logDir := filepath.Join(n.dir, "log")
	if err := os.MkdirAll(logDir, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	logger := newLogger(n.log)
	if n.wal, err = wal.Open(logDir, wal.WithLogger(logger.Named("wal"))); err != nil {
		return fault.New(fault.Corrupt, "", "the log does not open (%w); restore this folder and the index from the same backup", err)
	}
	undo = append(undo, func() { _ = n.wal.Close() })
	n.guard = newGuard(n.wal)
	logs, err := raft.NewLogCache(64, n.guard)
	if err != nil {
		return err
	}
	snaps, err := raft.NewFileSnapshotStoreWithLogger(n.dir, 2, logger.Named("snapshots"))
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if n.fsm.Scratch == "" {
		n.fsm.Scratch = filepath.Join(n.dir, scratchName)
	}
	restore, err := compare(c.Store, n.wal, snaps)
	if err != nil {
		return err
	}
	conf := settings(c.ID, logger)
	conf.NoSnapshotRestoreOnStart = !restore
	n.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: c.Stream, MaxPool: 3, Timeout: 10 * time.Second, Logger: logger.Named("net"),
	})
	undo = append(undo, func() { _ = n.trans.Close() })
	if c.Bootstrap {
		if err := bootstrap(conf, n.guard, snaps, n.trans); err != nil {
			return err
		}
	}
	if err := hasten(conf, n.fsm, n.guard, snaps, n.trans); err != nil {
		return err
	}
	if n.raft, err = raft.NewRaft(conf, n.fsm, logs, n.guard, snaps, n.trans); err != nil {
		return fault.New(fault.Corrupt, "", "Raft does not start: %w", err)
	}
	return nil
}

// Close leaves the group's work (not the group): it ends Raft, closes the stream layer and the log, and
// lets the folder go. Proposals under way get an error, though they may still happen. Closing twice
// is allowed.
func (n *Node) Close() error {
	var err error
	n.once.Do(func() {
		close(n.quit)
		n.watched.Wait()
		n.end()
		if e := n.wal.Close(); e != nil {
			err = fault.New(fault.Other, "close the Raft log in "+n.dir, "%w", e)
		}
		_ = n.lock.Close() // closing is what unlocks
	})
	return err
}

// end shuts Raft down and waits until its goroutines have ended.
func (n *Node) end() {
	n.stop.Do(func() {
		_ = n.raft.Shutdown().Error() // always nil
		close(n.ended)
	})
}

// watch ends Raft when this node cannot write or apply any more, so that it does not go on leading
// without being able to: the others then elect one that can.
func (n *Node) watch() {
	select {
	case <-n.fsm.Failed():
	case <-n.guard.failed:
		n.log.Error("the Raft log can no longer be written; this node leaves the group until it is started again", "err", n.guard.err())
	case <-n.quit:
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
	news := make(chan raft.Observation, 1) // one is enough: it only says "look again"
	o := raft.NewObserver(news, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	n.raft.RegisterObserver(o)
	defer n.raft.DeregisterObserver(o)
	for {
		if _, addr := n.Leader(); addr != "" {
			return nil
		}
		select {
		case <-news:
		case <-n.ended:
			return n.explain(op, raft.ErrRaftShutdown)
		case <-ctx.Done():
			return fault.New(fault.ReadOnly, op, "there is none (%w): most nodes of this group cannot be reached", context.Cause(ctx))
		}
	}
}
