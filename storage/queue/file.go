package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"
)

// Suffixes of files that exist only in passing; Open removes what a crash left.
const (
	suffixNew     = ".new"
	suffixCompact = ".compact"
)

// boltOptions: without a synced free list one small commit costs a thirtieth, and the list is
// rebuilt by reading the file at open, which is cheap at the size of an outbox.
func boltOptions(lock time.Duration) *bbolt.Options {
	return &bbolt.Options{Timeout: lock, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoStatistics: true}
}

// openFile opens the bbolt file at path, creating it whole or not at all: bbolt's own creation can
// leave, after a crash, a file that it will never open again.
func openFile(path string, lock time.Duration) (*bbolt.DB, error) {
	op := "open queue " + path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, lock); err != nil {
			return nil, explain(op, err)
		}
	} else if err != nil {
		return nil, explain(op, err)
	}
	if err := examine(path, lock); err != nil {
		if fault.KindOf(err) != fault.Other {
			return nil, fault.Wrap(op, err)
		}
		return nil, explain(op, err)
	}
	deadline := time.Now().Add(lock)
	for {
		var f *os.File
		o := boltOptions(lock)
		o.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			f, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return f, err
		}
		db, err := openBolt(path, o)
		if err != nil {
			if f != nil {
				_ = f.Close() // a second time, or in place of a panic that could not
			}
			if fault.Is(err, fault.Corrupt) {
				return nil, fault.Wrap(op, err)
			}
			return nil, explain(op, err)
		}
		// Between opening the file and getting its lock, its holder may have put a compacted file in its
		// place; what we hold is then a deleted file.
		held, err1 := f.Stat()
		named, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return db, nil
		}
		_ = db.Close()
		if time.Now().After(deadline) {
			return nil, explain(op, bolterr.ErrTimeout)
		}
	}
}

// openBolt opens a file; pages that make no sense are an error of kind Corrupt, where bbolt panics.
func openBolt(path string, o *bbolt.Options) (_ *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged(fmt.Errorf("a page of it makes no sense: %v", r))
		}
	}()
	return bbolt.Open(path, 0o600, o)
}

// create makes an empty queue file under another name and moves it into place.
func create(path string, lock time.Duration) error {
	tmp := path + suffixNew
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(tmp, 0o600, boltOptions(lock))
	if err != nil {
		return err
	}
	err = db.Update(initialise)
	if e := db.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// rewrite copies the file without its holes and swaps the copy in. The caller is the committer, so
// nothing writes meanwhile. The copy keeps its own lock from before it gets the name, so there is
// no moment in which another process could take the queue. swapped says whether the copy took over,
// even where an error came after that.
func (q *Queue) rewrite() (swapped bool, err error) {
	tmp := q.path + suffixCompact
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	o := boltOptions(time.Second)
	o.NoSync = true // synced once, below
	dst, err := bbolt.Open(tmp, 0o600, o)
	if err != nil {
		return false, err
	}
	q.file.Lock()
	defer q.file.Unlock()
	err = bbolt.Compact(dst, q.db, 4<<20)
	if err == nil {
		err = dst.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, q.path)
	}
	if err != nil {
		_ = dst.Close()
		_ = os.Remove(tmp)
		return false, err
	}
	dst.NoSync = false
	old := q.db
	q.db = dst
	_ = old.Close() // nothing of it is needed any more
	// If the name is lost in a power cut the old file is back, which holds the same rows up to here;
	// so what is committed next must not come before this.
	return true, syncDir(filepath.Dir(q.path))
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}

// explain gives an error of opening its kind and says what to do.
func explain(op string, err error) error {
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return fault.New(fault.Conflict, op, "another process has it open; stop that one first")
	case errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum), errors.Is(err, bolterr.ErrVersionMismatch),
		errors.Is(err, bolterr.ErrInvalidMapping), strings.Contains(err.Error(), "file size too small"): // which has no name
		return fault.New(fault.Corrupt, op, "the file is damaged or is not a queue (%w); restore it from a backup, or move it away to start anew", err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.ReadOnly, op, "%w; give the user that runs this the right to write there", err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, op, "the folder does not exist; make it first")
	}
	return fault.New(fault.ReadOnly, op, "%w", err)
}
