package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
)

const scratchName = "scratch"

// settings are Raft's, for a group within one building. hasten shortens them for a group of one.
func settings(id string, logger *bridge) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id)
	c.Logger = logger.Named("raft")
	c.NoLegacyTelemetry = true
	// An entry can be a megabyte (a piece of a bundle), so few are kept behind a snapshot. A follower that
	// missed more than that gets the snapshot.
	c.SnapshotThreshold = 4096
	c.TrailingLogs = 1024
	c.SnapshotInterval = 2 * time.Minute
	return c
}

// hasten shortens the waits of a group whose only voter is this node: nobody else can have been elected,
// so waiting a second at every start, to hear from a leader, is in vain. A group that grows takes the
// longer waits at this node's next start.
func hasten(c *raft.Config, fsm raft.FSM, g *guard, snaps raft.SnapshotStore, trans raft.Transport) error {
	look := *c
	look.NoSnapshotRestoreOnStart = true // only the configuration is wanted
	group, err := raft.GetConfiguration(&look, fsm, g, g, snaps, trans)
	if err != nil {
		return fault.New(fault.Corrupt, "", "the group's configuration cannot be read: %w", err)
	}
	voters := 0
	for _, s := range group.Servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	if voters == 1 && group.Servers[0].ID == c.LocalID {
		// An election of one is over when its own vote is on the disk: it starts at once, and a slow disk
		// still has a second.
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 50*time.Millisecond, time.Second, 50*time.Millisecond
		c.CommitTimeout = 5 * time.Millisecond
	}
	return nil
}

// bootstrap founds a group of one, unless there is one already.
func bootstrap(c *raft.Config, g *guard, snaps raft.SnapshotStore, trans raft.Transport) error {
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

// sweep removes what a crash left: snapshots and checkpoints that were never finished.
func (n *Node) sweep() error {
	if err := os.RemoveAll(filepath.Join(n.dir, scratchName)); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	names, err := os.ReadDir(filepath.Join(n.dir, "snapshots"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	for _, e := range names {
		if strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.RemoveAll(filepath.Join(n.dir, "snapshots", e.Name())); err != nil {
				return fault.New(fault.ReadOnly, "", "%w", err)
			}
		}
	}
	return nil
}
