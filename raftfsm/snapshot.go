package raftfsm

import (
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// Snapshot implements raft.FSM: it links the files of the state as it is now into Scratch, which takes
// moments, and makes every row before it durable, so that the log may be cut behind it. It fails when
// the state machine has stopped: cutting the log would lose what was not applied.
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
	if err := f.store.Checkpoint(s.rows); err != nil {
		s.Release()
		return nil, fault.Wrap(op, err)
	}
	return s, nil
}

// snapshot is a checkpoint on its way to Raft's snapshot store.
type snapshot struct {
	dir     string
	rows    string // the checkpoint, below dir
	applied uint64
}

// Persist implements raft.FSMSnapshot.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	return fault.Wrap("write a snapshot", writeArchive(sink, s.rows, s.applied))
}

// Release implements raft.FSMSnapshot. What cannot be removed now is removed at the next start.
func (s *snapshot) Release() { _ = os.RemoveAll(s.dir) }

// Restore implements raft.FSM: it unpacks a snapshot into a fresh folder, checks every file of it, and
// only then puts it in the place of all rows. Where it fails before that, the rows are as they were.
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
	applied, err := readArchive(from, rows)
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
