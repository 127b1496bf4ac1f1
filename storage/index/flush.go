package index

import (
	"runtime/debug"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/fault"
)

// A store has a log of its own, or Options.NoWAL and none. With one, what was committed is durable once the
// log is synced. Without, it is durable once the memory table that holds it is a table file:
//
//   - Pebble writes memory tables out in the order of the commits, each by one entry in its list of files, and never
//     a part of a commit. So a power cut leaves the store at a whole earlier commit, with the position that it reached.
//   - At most tablesN memory tables exist: one is filled while the other is written, and commits wait for that.
//     Whoever keeps the log has to bring back no more than those hold.
//   - Table files that Pebble takes over (see checkpoint) would be ahead of the memory tables, so these are written first.

// tablesN is how many memory tables a store without a log of its own has at most. A third one would let a burst
// go on, and would have to be brought back as well.
const tablesN = 2

// Flush makes everything durable that was committed before. It fails with fault.ReadOnly where the disk
// did not take it, which is final as a failed Commit is.
func (s *Store) Flush() error {
	const op = "write the index to the disk"
	l := s.use()
	defer s.unuse(l)
	s.mu.Lock()
	failed := s.failed
	s.mu.Unlock()
	if failed != nil {
		return failed
	}
	if err := s.makeDurable(l.db); err != nil {
		return s.fail(op, err)
	}
	return nil
}

// makeDurable makes durable what was committed to db before.
func (s *Store) makeDurable(db *pebble.DB) error {
	if s.noWAL {
		return s.flush(db)
	}
	return caught(func() error { return db.LogData(nil, pebble.Sync) })
}

// flush writes the memory tables of db out. Pebble tries a flush that failed again and again; the first
// failure ends the waiting here.
func (s *Store) flush(db *pebble.DB) error {
	return caught(func() error {
		done, err := db.AsyncFlush()
		if err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-s.broken:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.failed
		}
	})
}

// outWait is how long a large commit waits until it is written out.
const outWait = 10 * time.Second

// writeOut waits a while until what was committed is in table files, before anyone is told of it: every View that is made sooner
// keeps all of it in memory for as long as it lives, and after an import that is a hundred megabytes for as long as its
// findings take. A disk that does not take it now is asked again by Pebble.
func (s *Store) writeOut(db *pebble.DB) {
	_ = caught(func() error {
		done, err := db.AsyncFlush()
		if err != nil {
			return err
		}
		select {
		case <-done:
		case <-s.broken:
		case <-s.after(outWait):
		}
		return nil
	})
}

// nothingToFlush is what Pebble calls a flush that had nothing to write. It has no name for it that others see.
const nothingToFlush = "pebble: empty table"

// flushed is called by Pebble, with its lock held, at the end of every flush.
func (s *Store) flushed(info pebble.FlushInfo) {
	if s.noWAL && info.Err != nil && info.Err.Error() != nothingToFlush {
		_ = s.fail("write the index to the disk", info.Err)
	}
}

// fail latches the first failure of the disk and returns it as the error of every later write.
func (s *Store) fail(op string, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fault.New(fault.ReadOnly, op, "%s did not take the write: %w; nothing more is written until the disk is well and this node restarts", s.dir, line{cause})
		close(s.broken)
		s.log.Error("index: the disk failed", "folder", s.dir, "error", line{cause})
	}
	return s.failed
}

// damaged is called by Pebble where a table does not fit its sums, for whoever reads it or in the background. The rest
// of the rows may be as bad, and merging tables would stumble over this one for ever: so it is final too. A database that is
// being opened is not used then.
func (s *Store) damaged(info pebble.DataCorruptionInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := s.disk.fs.PathDir(info.Path)
	if s.damage[dir] != nil {
		return
	}
	s.damage[dir] = fault.New(fault.Corrupt, "read the index", "%s is damaged: %w", info.Path, line{info.Details})
	s.log.Error("index: a file is damaged", "file", info.Path, "error", line{info.Details})
	if s.life != nil && dir == s.folder(s.life.number) && s.failed == nil {
		s.failed = s.damage[dir]
		close(s.broken)
	}
}

// whole returns what was found to be damaged of a database, or else err.
func (s *Store) whole(number uint64, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.damage[s.folder(number)]; e != nil {
		return e
	}
	return err
}

// Err returns why nothing more is written, or nil: with kind fault.ReadOnly where the disk did not take a write, fault.Corrupt
// where a file is damaged. Once set it stays.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Failed is closed when Err becomes set.
func (s *Store) Failed() <-chan struct{} { return s.broken }

// giveBackFrom is how large a transaction is, in bytes, that memory is given back around: collecting takes as long as
// writing some ten thousand rows.
const giveBackFrom = 32 << 20

// giveBack gives the system back what the process does not use, before so much is taken and when it was let go of. The collector would
// come to it later, and what comes next would be on top.
func giveBack(n int) {
	if n >= giveBackFrom {
		debug.FreeOSMemory()
	}
}
