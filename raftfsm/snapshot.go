package raftfsm

import (
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// Snapshot implements raft.FSM: it makes every row applied so far durable, so that the log may be cut behind it, and
// links the files of the state into Scratch. Nothing is copied, and what is applied meanwhile waits for what was in memory
// alone. It fails when the state machine has stopped: cutting the log would lose what was not applied.
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) {
	const op = "take a snapshot"
	if err := f.Err(); err != nil {
		return nil, fault.Wrap(op, err)
	}
	dir, err := f.scratch("checkpoint-*")
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	s := &snapshot{dir: dir, rows: filepath.Join(dir, "rows"), applied: f.store.Applied()}
	f.Watch.Begin("making rows durable")
	err = f.store.Checkpoint(s.rows)
	f.Watch.End()
	if err != nil {
		s.Release()
		return nil, fault.Wrap(op, err)
	}
	return s, nil
}

// snapshot is a checkpoint on its way to a snapshot store.
type snapshot struct {
	dir     string
	rows    string // the checkpoint, below dir
	applied uint64
}

// Persist implements raft.FSMSnapshot: a sink that is a Taker gets the folder, any other an archive.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	const op = "write a snapshot"
	if t, ok := sink.(Taker); ok {
		return fault.Wrap(op, t.Take(s.rows, s.applied))
	}
	return fault.Wrap(op, WriteArchive(sink, s.rows, s.applied))
}

// Release implements raft.FSMSnapshot. What cannot be removed now is removed at the next start.
func (s *snapshot) Release() { _ = os.RemoveAll(s.dir) }

// Restore implements raft.FSM: it puts a snapshot in the place of all rows, in one step. A Folder is linked, an archive
// unpacked and checked first; where that fails the rows are as they were.
func (f *FSM) Restore(from io.ReadCloser) error {
	const op = "restore a snapshot"
	if err := f.Err(); err != nil {
		return fault.Wrap(op, err)
	}
	dir, err := f.scratch("restore-*")
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rows := filepath.Join(dir, "rows")
	var applied uint64
	if folder, ok := folderOf(from); ok {
		var kept string
		kept, applied = folder.Rows()
		err = LinkRows(kept, rows)
	} else {
		applied, err = ReadArchive(from, rows)
	}
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := f.store.Replace(rows); err != nil {
		return fault.Wrap(op, err)
	}
	if got := f.store.Applied(); got != applied {
		return f.fail(applied, fault.New(fault.Corrupt, op, "the snapshot says that it ends at entry %d, and its rows that they end at %d", applied, got))
	}
	f.log.Info("the state was restored from a snapshot", "applied", applied)
	return nil
}

// scratch makes a folder of its own in Scratch.
func (f *FSM) scratch(pattern string) (string, error) {
	if f.Scratch == "" {
		return "", fault.New(fault.Other, "", "the state machine has no scratch folder")
	}
	if err := os.MkdirAll(f.Scratch, 0o700); err != nil {
		return "", fault.New(fault.ReadOnly, "", "make the scratch folder: %w", err)
	}
	dir, err := os.MkdirTemp(f.Scratch, pattern)
	if err != nil {
		return "", fault.New(fault.ReadOnly, "", "make a scratch folder: %w", err)
	}
	return dir, nil
}
