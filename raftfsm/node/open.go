package node

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
)

const scratchName = "scratch"

// The waits are for a group within one building: they are the same for one node and for five, so that a
// group may grow without a start.
const (
	// heartbeat is how long a follower hears nothing until it stands for election, once to twice that; a
	// leader sends ten in that time. The third of three nodes is heard after about twice of it, so that
	// a group that lost its leader writes again within a second. Shorter, and a machine that is busy for a
	// moment loses its leader.
	heartbeat = 300 * time.Millisecond
	// election is how long a candidate waits for votes, once to twice that, before it stands again;
	// slowElection is the same in a group that had no leader for a while.
	election     = 300 * time.Millisecond
	slowElection = 1500 * time.Millisecond
	// commitEvery is how long a follower may wait to hear that an entry is committed, when nothing follows
	// it: what was forwarded is acknowledged by the node that it was given to once it is applied there.
	commitEvery = 10 * time.Millisecond
	// netTimeout bounds one exchange between nodes. It must suffice for the largest batch of entries.
	netTimeout = 5 * time.Second
)

// settings are Raft's.
func settings(id string, logger *bridge) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id)
	c.Logger = logger.Named("raft")
	c.NoLegacyTelemetry = true
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = heartbeat, election, heartbeat
	c.CommitTimeout = commitEvery
	// A node that is removed while it leads hands over first; Raft need not end under us.
	c.ShutdownOnRemove = false
	// An entry can be a megabyte (a piece of a bundle), so few are kept behind a snapshot. A follower that
	// missed more than that gets the snapshot.
	c.SnapshotThreshold = 4096
	c.TrailingLogs = 1024
	c.SnapshotInterval = 2 * time.Minute
	return c
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
	// Checkpoints that were never finished; openSnapshots sweeps its own folders.
	if err := os.RemoveAll(filepath.Join(n.dir, scratchName)); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if _, err := os.Stat(n.noVotePath()); err == nil {
		n.noVote.Store(true)
	}
	logger := newLogger(n.log)
	if n.disk, err = openLog(n.dir, logger); err != nil {
		return err
	}
	if c.wrap != nil {
		n.disk = c.wrap(n.disk)
	}
	undo = append(undo, func() { _ = n.disk.Close() })
	n.guard = newGuard(n.disk, c.StallLimit, n.now, n.log)
	n.guard.observe = c.Observe
	if n.room = c.Room; n.room == nil {
		n.room = func(bool) error { return nil }
	}
	n.guard.room = func() error { return n.room(true) }
	n.fsm.Watch = &rowsWatch{guard: n.guard}
	logs, err := raft.NewLogCache(64, n.guard)
	if err != nil {
		return err
	}
	if n.snaps, err = openSnapshots(n.dir, n.log); err != nil {
		return err
	}
	undo = append(undo, n.snaps.stop)
	n.snaps.incoming.room = n.guard.room
	n.snaps.tables = index.CheckTables
	// Whatever is made durable below stands in folders that may be new.
	for _, dir := range []string{n.dir, filepath.Dir(n.dir)} {
		if err := raftfsm.SyncDir(dir); err != nil {
			return err
		}
	}
	if n.fsm.Scratch == "" {
		n.fsm.Scratch = filepath.Join(n.dir, scratchName)
	}
	restore, err := compare(c.Store, n.disk, n.snaps)
	if err != nil {
		return err
	}
	if err := dropCovered(n.disk, n.snaps); err != nil {
		return err
	}
	conf := settings(c.ID, logger)
	conf.NoSnapshotRestoreOnStart = !restore
	n.gate = newGate(c.Stream, c.Address)
	n.trans = newSender(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.gate, MaxPool: 3, Timeout: netTimeout, Logger: logger.Named("net"),
	}), n.snaps, c.Streams)
	n.trans.damaged = func(err error) { _ = n.guard.fail("reading a snapshot for another node", err) }
	undo = append(undo, func() { _ = n.trans.Close() })
	if c.Bootstrap {
		if err := bootstrap(conf, n.disk, n.snaps, n.trans); err != nil {
			return err
		}
	}
	go n.guard.watch(n.closed)
	undo = append(undo, func() { close(n.closed) })
	// As long as nobody else can have been elected, waiting to hear from a leader is in vain. Raft has no
	// word for "stand at once", but a follower whose wait is made shorter looks up at once.
	conf.HeartbeatTimeout += time.Millisecond
	conf.ElectionTimeout += time.Millisecond
	if err := n.launch(conf, logs); err != nil {
		return err
	}
	n.raft.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		if _, ok := o.Data.(raft.LeaderObservation); ok {
			n.reign.over()
		}
		return false
	}))
	n.reign.over() // there may be one already
	if n.sole() {
		now := n.raft.ReloadableConfig()
		now.HeartbeatTimeout, now.ElectionTimeout = heartbeat, election
		if err := n.raft.ReloadConfig(now); err != nil {
			return fault.New(fault.Other, "", "%w", err)
		}
	}
	return nil
}

// launch starts Raft, in a goroutine of its own: the guard ends whoever must not go on.
func (n *Node) launch(conf *raft.Config, logs raft.LogStore) error {
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		n.raft, err = raft.NewRaft(conf, n.fsm, logs, n.guard, reachable{n.snaps, n.disk}, n.trans)
	}()
	select {
	case <-done:
	case <-n.guard.stalled:
		return n.guard.err()
	}
	if e := n.guard.err(); e != nil {
		return e
	}
	if err != nil {
		return fault.New(fault.Corrupt, "", "Raft does not start: %w", err)
	}
	return nil
}

// bootstrap founds a group of one, unless there is one already.
func bootstrap(c *raft.Config, g store, snaps raft.SnapshotStore, trans raft.Transport) error {
	exists, err := raft.HasExistingState(g, g, snaps)
	if err != nil {
		return fault.New(fault.Corrupt, "", "the log cannot be read: %w", err)
	}
	if exists {
		return nil
	}
	first := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: c.LocalID, Address: trans.LocalAddr()}}}
	if err := raft.BootstrapCluster(c, g, g, snaps, trans, first); err != nil {
		return fault.New(fault.ReadOnly, "", "found the group: %w", err)
	}
	return nil
}

// rows is what compare asks of the index.
type rows interface{ Applied() uint64 }

// compare checks that the rows, the log and the snapshots belong together, and says whether the rows
// must be restored from the newest snapshot because they are behind it, which is so when the folder of
// the index was lost.
func compare(store rows, log raft.LogStore, snaps raft.SnapshotStore) (restore bool, err error) {
	applied := store.Applied()
	last, err := log.LastIndex()
	if err != nil {
		return false, fault.New(fault.Corrupt, "", "the log cannot be read: %w", err)
	}
	list, err := snaps.List()
	if err != nil {
		return false, fault.New(fault.Corrupt, "", "the snapshots cannot be listed: %w", err)
	}
	if len(list) > 0 {
		last = max(last, list[0].Index)
	}
	if applied > last {
		// The next entries would have numbers that the rows hold for applied, and would be skipped.
		return false, fault.New(fault.Conflict, "", "the index has applied entry %d, but the log ends at %d: they are not of the same moment or the same group; "+
			"restore both from one backup, or move both away to start anew", applied, last)
	}
	if len(list) == 0 || applied >= list[0].Index {
		return false, nil
	}
	// The snapshot's last entries may have been ones without rows (an election, a member), so its index
	// does not say enough.
	_, from, err := snaps.Open(list[0].ID)
	if err != nil {
		return false, fault.New(fault.Corrupt, "", "the snapshot %s cannot be read: %w", list[0].ID, err)
	}
	defer from.Close()
	covered, err := raftfsm.SnapshotApplied(from)
	return applied < covered, err
}

// dropCovered empties a log that ends before the newest snapshot. Raft does so once it has received one; where a crash
// came first it would go on behind the snapshot, which does not follow what is in the log.
func dropCovered(log raft.LogStore, snaps raft.SnapshotStore) error {
	list, err := snaps.List()
	if err != nil {
		return fault.New(fault.Corrupt, "", "the snapshots cannot be listed: %w", err)
	}
	last, err := log.LastIndex()
	if err != nil {
		return fault.New(fault.Corrupt, "", "the log cannot be read: %w", err)
	}
	if len(list) == 0 || last == 0 || last >= list[0].Index {
		return nil
	}
	first, err := log.FirstIndex()
	if err != nil {
		return fault.New(fault.Corrupt, "", "the log cannot be read: %w", err)
	}
	if err := log.DeleteRange(first, last); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

// reachable hides the snapshots from Raft from which the log does not go on. Where the newest cannot be restored, Raft
// takes an older one, and would then vote as if it had never had what lies between.
type reachable struct {
	raft.SnapshotStore
	log raft.LogStore
}

// List implements raft.SnapshotStore.
func (r reachable) List() ([]*raft.SnapshotMeta, error) {
	list, err := r.SnapshotStore.List()
	if err != nil || len(list) < 2 {
		return list, err
	}
	first, err := r.log.FirstIndex()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(m *raft.SnapshotMeta) bool {
		return m != list[0] && (first == 0 || m.Index+1 < first)
	}), nil
}
