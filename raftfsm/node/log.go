package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/raftlog"
)

// The folders of the log. Earlier versions kept it in the form of raft-wal; what is there is copied once, at the
// first start, and then removed.
const (
	entriesName = "entries"
	earlierName = "log"
)

// openLog opens the log in dir, the folder of a node.
func openLog(dir string, logger *bridge) (disk, error) {
	path, earlier := filepath.Join(dir, entriesName), filepath.Join(dir, earlierName)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(earlier); e == nil {
			err = copyEarlier(earlier, path, logger)
		} else {
			err = os.Mkdir(path, 0o700)
		}
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "", "prepare the log: %w", err)
	}
	l, err := raftlog.Open(path, raftlog.Options{})
	if err != nil {
		return nil, err
	}
	// With the new one open there is nothing that the earlier one is good for. A crash before this leaves both.
	if err := os.RemoveAll(earlier); err != nil {
		logger.Warn("the log in its earlier form could not be removed", "dir", earlier, "err", err)
	}
	return l, nil
}

// copyEarlier makes a log at path of that of raft-wal in earlier, whole or not at all.
func copyEarlier(earlier, path string, logger *bridge) error {
	from, err := wal.Open(earlier, wal.WithLogger(logger.Named("wal")))
	if err != nil {
		return fault.New(fault.Corrupt, "", "the log of the earlier version does not open (%w); restore this folder and the index from the same backup", err)
	}
	defer from.Close() // it was only read
	half := path + tempEnd
	if err := os.RemoveAll(half); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	to, err := raftlog.Open(half, raftlog.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(copyLog(from, to), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, path); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return raftfsm.SyncDir(filepath.Dir(path))
}

// copyLog copies entries, and what Raft keeps beside them.
func copyLog(from *wal.WAL, to *raftlog.Log) error {
	first, err := from.FirstIndex()
	if err != nil {
		return fault.New(fault.Corrupt, "", "%w", err)
	}
	last, err := from.LastIndex()
	if err != nil {
		return fault.New(fault.Corrupt, "", "%w", err)
	}
	var batch []*raft.Log
	size := 0
	for i := first; i <= last && last > 0; i++ {
		var l raft.Log
		if err := from.GetLog(i, &l); err != nil {
			return fault.New(fault.Corrupt, "", "entry %d of the earlier log: %w", i, err)
		}
		batch = append(batch, &l)
		if size += len(l.Data); size > 4<<20 || i == last {
			if err := to.StoreLogs(batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
	}
	// As raft names them. The vote must come along: a node that forgot it could vote twice in a term.
	for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
		v, err := from.GetUint64([]byte(key))
		if err == nil && v > 0 {
			err = to.SetUint64([]byte(key), v)
		}
		if err != nil && err.Error() != "not found" {
			return fault.New(fault.Corrupt, "", "%s of the earlier log: %w", key, err)
		}
	}
	const key = "LastVoteCand"
	v, err := from.Get([]byte(key))
	if err == nil && len(v) > 0 {
		err = to.Set([]byte(key), v)
	}
	if err != nil && err.Error() != "not found" {
		return fault.New(fault.Corrupt, "", "%s of the earlier log: %w", key, err)
	}
	return nil
}
