package index

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/fault"
)

// The folder of a store holds numbered databases and a pointer to the one that counts. Replacing the
// database is one atomic rename of the pointer, so that a crash leaves the old one or the new one,
// whole; what the pointer does not name is removed at the next open.
//
//	DIR/LOCK       held while open
//	DIR/current    decimal number and a newline
//	DIR/1/…        a Pebble database
//	DIR/schema-1/… the one before the last change of schema, for going back to an older program
//	DIR/1.search0  a part of a checkpoint that is being taken
const (
	currentName = "current"
	searchName  = ".search"
)

func (s *Store) folder(number uint64) string {
	return s.disk.fs.PathJoin(s.dir, strconv.FormatUint(number, 10))
}

// readCurrent returns the number in the pointer file, or 0 where there is none yet.
func (s *Store) readCurrent() (uint64, error) {
	path := s.disk.fs.PathJoin(s.dir, currentName)
	f, err := s.disk.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, diskError("open index", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return 0, diskError("open index", path, err)
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 64)
	if err != nil || n == 0 {
		return 0, fault.New(fault.Corrupt, "open index", "%s holds %q instead of a number; restore this folder from a snapshot", path, b)
	}
	return n, nil
}

// writeCurrent makes number the database that counts, durably and in one step.
func (s *Store) writeCurrent(number uint64) error {
	_, err := s.turn(number)
	return err
}

// turn is writeCurrent. Where it failed, turned says that the pointer may name that number all the same.
func (s *Store) turn(number uint64) (turned bool, err error) {
	disk := s.disk.fs
	path := disk.PathJoin(s.dir, currentName)
	err = func() error {
		f, err := disk.Create(path+".new", vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "%d\n", number)
		if err == nil {
			err = f.Sync()
		}
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		turned = true
		if err := disk.Rename(path+".new", path); err != nil {
			return err
		}
		return syncDir(disk, s.dir)
	}()
	if err != nil {
		return turned, diskError("point to the index", path, err)
	}
	return turned, nil
}

func syncDir(disk vfs.FS, dir string) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}

// numbers returns the numbers of the databases in the folder, rising.
func (s *Store) numbers() []uint64 {
	names, err := s.disk.fs.List(s.dir)
	if err != nil {
		s.log.Warn("index: cannot list the folder", "folder", s.dir, "error", err)
	}
	var all []uint64
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// removeOthers removes what a crash, or a View held to the end, left beside the current database.
func (s *Store) removeOthers(number uint64) {
	for _, n := range s.numbers() {
		if n != number {
			s.removeNumber(n)
		}
	}
	names, err := s.disk.fs.List(s.dir)
	for _, name := range names {
		if strings.Contains(name, searchName) && err == nil {
			err = s.disk.fs.Remove(s.disk.fs.PathJoin(s.dir, name))
		}
	}
	if err != nil {
		s.log.Warn("index: cannot remove an unfinished checkpoint", "folder", s.dir, "error", err)
	}
}

// removeNumber removes one database. What cannot be removed costs space and nothing else, so that is
// only logged.
func (s *Store) removeNumber(number uint64) {
	s.mu.Lock()
	delete(s.damage, s.folder(number))
	s.mu.Unlock()
	if err := s.disk.fs.RemoveAll(s.folder(number)); err != nil {
		s.log.Warn("index: cannot remove an old database", "folder", s.folder(number), "error", err)
	}
}

// Replace puts the rows in the folder from, written by Checkpoint and complete, in the place of all
// rows here, and moves the folder away. From must be on the same file system. It is opened and checked
// first; when anything fails the store goes on as it was, and from may have been moved, unless the pointer may name
// the new rows by then: what is committed to the old ones would be gone at the next start, so that failure is final as that of
// a Commit is. Views that are open keep reading the rows they were made on. The caller sees to it that no transaction is open:
// one that is cannot be committed.
func (s *Store) Replace(from string) error {
	const op = "replace the index"
	s.mu.Lock()
	old, failed := s.life, s.failed
	s.mu.Unlock()
	if old == nil {
		return fault.New(fault.Conflict, op, "the index of %s was closed", s.dir)
	}
	if failed != nil {
		return failed
	}
	number := old.number + 1
	s.removeNumber(number)
	if err := s.disk.fs.Rename(from, s.folder(number)); err != nil {
		return diskError(op, from, err)
	}
	next, applied, err := s.openNumber(number, false)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if turned, err := s.turn(number); err != nil {
		_ = closeDB(next.db)
		if turned {
			return s.fail(op, err)
		}
		return fault.Wrap(op, err)
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	if s.life != old {
		s.mu.Unlock()
		_ = closeDB(next.db)
		return fault.New(fault.Conflict, op, "the index of %s was closed meanwhile; it opens with the new rows", s.dir)
	}
	for site, up := range s.reached { // those of which it was said since the opening
		next.memory.Reach(site, up)
	}
	_, upto, _ := old.memory.Changes(0, 0)
	s.before += upto + 1
	s.life, s.applied = next, applied
	s.begun.Add(1) // what is read from now on is of the new rows
	s.recent.clear()
	s.written.clear()
	s.done.Add(1)
	s.announceLocked()
	done := old.retireLocked(func() {
		if err := closeDB(old.db); err != nil {
			s.log.Warn("index: closing the replaced database", "folder", s.folder(old.number), "error", err)
		}
		s.removeNumber(old.number)
	})
	s.mu.Unlock()
	done()
	return nil
}
