package detail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/skerryhq/skerry/engine/fault"
)

// settings are made for the box of a branch: tens of thousands of small rows, bodies of some ten
// kilobytes, little memory.
func (s *Store) settings() badger.Options {
	o := badger.DefaultOptions(s.dir)
	o.SyncWrites = true          // without it a power cut takes acknowledged writes
	o.Compression = options.None // bodies are zstd already, keys are digests
	o.BlockCacheSize = 0         // of use for compressed blocks only
	o.MemTableSize = 8 << 20
	o.NumMemtables = 2
	o.ValueThreshold = 1 << 10 // bodies go to the value log, pointers stay in the tree
	o.ValueLogFileSize = 64 << 20
	o.NumCompactors = 2
	o.MetricsEnabled = false
	o.VerifyValueChecksum = false // every body is checked against its digest
	o.Logger = badgerLog{s.log}
	return o
}

// openDB opens Badger and checks the format.
func (s *Store) openDB(uptime func() time.Duration) error {
	op := "open detail tier " + s.dir
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fault.New(fault.ReadOnly, op, "%w; give the user that runs this the right to write there", err)
	}
	if err := s.writable(op); err != nil {
		return err
	}
	if err := dropEmpty(s.dir); err != nil {
		return fault.New(fault.ReadOnly, op, "%w; give the user that runs this the right to write there", err)
	}
	db, err := badger.Open(s.settings())
	if err != nil {
		return explain(op, err)
	}
	s.db = db
	err = checkFormat(db)
	if err == nil {
		s.aging, err = openAging(db, s.now, uptime)
	}
	if err == nil {
		err = s.migrate()
	}
	if err != nil {
		_ = db.Close()
		return fault.Wrap(op, err)
	}
	return nil
}

// dropEmpty removes log files that a crash left between their creation and their first byte: Badger takes such a one
// for damage at every start. Nothing can be in them.
func dropEmpty(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		return err
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, name := range append(logs, tables...) {
		info, err := os.Stat(name)
		if err == nil && info.Size() == 0 {
			err = os.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFormat refuses a folder of a newer format. One of an older format is marked at once as of this one,
// so that the older program does not touch it any more, and as to be migrated.
func checkFormat(db *badger.DB) error {
	return db.Update(func(tx *badger.Txn) error {
		row, err := tx.Get(keyFormat)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return tx.Set(keyFormat, binary.BigEndian.AppendUint32(nil, Format))
		}
		if err != nil {
			return err
		}
		return row.Value(func(v []byte) error {
			if len(v) != 4 {
				return fault.New(fault.Corrupt, "", "its format is not a number; restore it from a backup")
			}
			f := binary.BigEndian.Uint32(v)
			switch {
			case f > Format:
				return fault.New(fault.Version, "", "it has format %d and this program reads up to %d; run the version that wrote it, or a newer one", f, Format)
			case f == Format:
				return nil
			}
			if err := tx.Set(keyMigrate, v); err != nil {
				return err
			}
			return tx.Set(keyFormat, binary.BigEndian.AppendUint32(nil, Format))
		})
	})
}

func explain(op string, err error) error {
	switch {
	case strings.Contains(err.Error(), "Another process is using this Badger database"):
		return fault.New(fault.Conflict, op, "another process has it open; stop that one first")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.New(fault.ReadOnly, op, "%w; give the user that runs this the right to write there", err)
	case errors.Is(err, syscall.ENOSPC):
		return fault.New(fault.ReadOnly, op, "%w; make room on that disk", err)
	}
	return fault.New(fault.Corrupt, op, "%w; restore it from a backup, or move it away: the agents send their inventories again when asked", err)
}

// badgerLog hands Badger's messages on. What it calls info is about its own housekeeping.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Warn(clean(f, a), "from", "badger") }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Debug(clean(f, a), "from", "badger") }
func (l badgerLog) Infof(f string, a ...any)    { l.log.Debug(clean(f, a), "from", "badger") }
func (l badgerLog) Debugf(f string, a ...any)   { l.log.Debug(clean(f, a), "from", "badger") }

func clean(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
