package node

import (
	"log/slog"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// Seed makes the folder dir that of a group of one, of the node id at address, whose log begins behind the entry
// applied: with a snapshot of the rows in the folder rows, a checkpoint, which it moves away. It is for a group that is
// restored from a backup, before its first start; dir must not hold a log or a snapshot. The rows of the node itself
// are the caller's to put: they must reach applied as well, or be empty.
//
// The log begins there, and not anew, so that whoever joins the group later gets these rows first, and so that what
// the rows say of log entries stays true.
func Seed(dir, id, address, rows string, applied uint64) error {
	op := "begin the log of a restored group in " + dir
	if id == "" || applied == 0 {
		return fault.New(fault.Invalid, op, "an id, and rows that something was applied to, are needed")
	}
	s, err := openSnapshots(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer s.stop()
	if list, err := s.List(); err != nil || len(list) > 0 {
		return fault.New(fault.Conflict, op, "there is a snapshot already (%v)", err)
	}
	group := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(address)}}}
	// The first election makes a term that is not below this one.
	to, err := s.Create(raft.SnapshotVersionMax, applied, 1, group, applied, nil)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := to.(*sink).Take(rows, applied); err != nil {
		_ = to.Cancel() // the error that matters is the first
		return fault.Wrap(op, err)
	}
	return fault.Wrap(op, to.Close())
}
