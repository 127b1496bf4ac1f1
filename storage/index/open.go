package index

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// ControllerCache is the Options.CacheBytes that a controller of a million hosts does well with: half of their
// rows stay in it.
const ControllerCache = 128 << 20

// ControllerMem is the Options.MemBytes of a controller. In a larger table more beats of a host take the place of its
// earlier ones before anything is written and merged: a replicated batch of 500 deltas costs three nodes 10 to 11 ms of
// their processors with it and 12 to 13 with 16 MiB. Up to twice as much is replayed from the Raft log after a kill.
const ControllerMem = 32 << 20

const (
	defaultCache    = 64 << 20
	defaultRowBytes = 64 << 20
	memTable        = 16 << 20
	// blockSize is small since a row is: whoever wants a host reads a whole block, and DESIGN.md has what that
	// costs at each size. Index blocks are few and stay in the cache.
	blockSize      = 4 << 10
	indexBlockSize = 256 << 10
	// format is the version of Pebble's own files. It only moves together with key.Schema, so that the
	// refusal of a newer store comes from here, in our words.
	format = pebble.FormatTableFormatV6
)

// Open opens the store in dir and creates it where there is none. The errors say what to do:
// fault.ReadOnly where dir cannot be written, fault.Conflict where another process has it open,
// fault.Version where a newer Skerry wrote it, fault.Corrupt where it is damaged or is no index.
func Open(dir string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.Disk == nil {
		o.Disk = &Disk{vfs.Default}
	}
	rows, err := newRowCodec()
	if err != nil {
		return nil, fault.Wrap("open index", err)
	}
	if err := makeDir(o.Disk.fs, dir); err != nil {
		return nil, diskError("create the index folder", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, o.Disk.fs)
	if err != nil {
		return nil, lockError(dir, err)
	}
	s := &Store{
		dir: dir, disk: o.Disk, log: o.Log, rows: rows, lock: lock, version: 1, changed: make(chan struct{}), limits: o.limits, costly: o.Costly, tune: o.tune,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), kept: make(chan struct{}), reached: map[model.SiteID]bool{}, vouched: o.Vouched,
		noWAL: o.NoWAL, memBytes: o.MemBytes, broken: make(chan struct{}), damage: map[string]error{},
	}
	if s.memBytes == 0 {
		s.memBytes = memTable
	}
	if o.RowBytes == 0 {
		o.RowBytes = defaultRowBytes
	}
	// A process fills one of the two: what shows pages writes them.
	s.recent, s.written = newRowCache(o.RowBytes/2, &s.begun), newRowCache(o.RowBytes/4*3, &s.begun)
	if s.costly == 0 {
		s.costly = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if s.limits == (limits{}) {
		s.limits = defaultLimits
	}
	s.after = o.After
	if s.after == nil {
		s.after = time.After
	}
	s.cache = pebble.NewCache(o.CacheBytes)
	if err := s.openCurrent(); err != nil {
		s.cache.Unref()
		_ = lock.Close() // the error that matters is the first
		return nil, err
	}
	go s.keep()
	if _, ids := s.life.journal.state(); ids > 0 {
		s.wakeKeeper()
	}
	return s, nil
}

// defaultLimits: a checkpoint of a million hosts takes about a second of one core, and a journal of 100,000
// about as long to read back.
var defaultLimits = limits{rows: 100_000, every: 5 * time.Minute, atEnd: 1000, replay: 100_000}

// makeDir makes dir and its missing parents, and makes each of them durable: a commit is worth nothing
// in a folder that a power cut takes away.
func makeDir(disk vfs.FS, dir string) error {
	var parents []string
	for d := dir; ; d = disk.PathDir(d) {
		if _, err := disk.Stat(d); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) || d == disk.PathDir(d) {
			return err
		}
		parents = append(parents, disk.PathDir(d))
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range parents {
		if err := syncDir(disk, d); err != nil {
			return err
		}
	}
	return nil
}

// openCurrent opens the database that the pointer file names, or makes the first one.
func (s *Store) openCurrent() error {
	number, err := s.readCurrent()
	if err != nil {
		return err
	}
	if number == 0 {
		return s.create()
	}
	s.removeOthers(number)
	db, schema, err := s.openDB(number, false)
	if err != nil {
		return err
	}
	older := uint64(0)
	if schema < key.Schema {
		older = number
		number, db, err = s.copyForward(number, db, schema)
		if err != nil {
			return err
		}
	}
	l, applied, err := s.enliven(db, number)
	if err != nil {
		return err
	}
	s.mu.Lock() // Pebble is at work in the background
	s.life, s.applied = l, applied
	s.mu.Unlock()
	if older == 0 {
		return nil
	}
	if err := s.writeCurrent(number); err != nil {
		_ = closeDB(db)
		return err
	}
	s.setAside(older, schema)
	return nil
}

// create makes the first database. Until the pointer names it nothing was promised to anybody, so one
// that a power cut left half made is thrown away.
func (s *Store) create() error {
	if numbers := s.numbers(); len(numbers) > 1 || len(numbers) == 1 && numbers[0] != 1 {
		return fault.New(fault.Corrupt, "open index", "%s holds databases %v and no file %q that says which one counts; write its number there, or restore this folder from a snapshot", s.dir, numbers, currentName)
	}
	l, applied, err := s.openNumber(1, true)
	if k := fault.KindOf(err); err != nil && (k == fault.Corrupt || k == fault.Other) {
		s.log.Warn("index: starting over, since the first start was cut short", "folder", s.folder(1), "error", err)
		s.removeNumber(1)
		l, applied, err = s.openNumber(1, true)
	}
	if err != nil {
		return err
	}
	if err := s.writeCurrent(1); err != nil {
		_ = closeDB(l.db)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life, s.applied = l, applied
	return nil
}

// openNumber opens the database in the numbered folder, brings it to the schema of today where it is
// older, and makes its index in memory.
func (s *Store) openNumber(number uint64, fresh bool) (*life, uint64, error) {
	db, schema, err := s.openDB(number, fresh)
	if err == nil && schema < key.Schema {
		err = s.migrate(db, number, schema)
	}
	if err != nil {
		return nil, 0, err
	}
	return s.enliven(db, number)
}

// openDB opens the database in the numbered folder and returns the schema it has.
func (s *Store) openDB(number uint64, fresh bool) (*pebble.DB, uint64, error) {
	dir := s.folder(number)
	db, err := openPebble(dir, s.options(fresh))
	if err != nil {
		return nil, 0, openError(dir, err)
	}
	schema, err := s.checkSchema(db, dir, fresh)
	if err = s.whole(number, err); err != nil {
		_ = closeDB(db)
		return nil, 0, err
	}
	return db, schema, nil
}

// enliven makes the index in memory of an open database, and closes it where that fails.
func (s *Store) enliven(db *pebble.DB, number uint64) (*life, uint64, error) {
	l := &life{db: db, number: number}
	r := Reader{from: db, rows: s.rows}
	applied, err := r.number(key.MetaApplied)
	if err == nil {
		err = l.settleRole(&r)
	}
	if err == nil {
		err = s.recall(l)
	}
	if err = s.whole(number, err); err != nil { // also where the index in memory could be made of the rest
		_ = closeDB(db)
		return nil, 0, fault.Wrap("open index", err)
	}
	return l, applied, nil
}

// settleRole finds out whether this is the store of a controller, and takes away what a controller does not
// keep: earlier versions kept it.
func (l *life) settleRole(r *Reader) error {
	top, err := r.upper()
	if err != nil || !top {
		return err
	}
	l.atTop.Store(true)
	from, to := key.SpaceHostPackages.Prefix(), key.After(key.SpaceHostPackages.Prefix())
	found := false
	err = r.scanRange(from, to, func([]byte, []byte) error {
		found = true
		return errEnough
	})
	if enough(err) != nil || !found {
		return enough(err)
	}
	return caught(func() error { return l.db.DeleteRange(from, to, pebble.NoSync) })
}

func openPebble(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	err = caught(func() error {
		db, err = pebble.Open(dir, o)
		return err
	})
	return db, err
}

func (s *Store) options(fresh bool) *pebble.Options {
	o := &pebble.Options{
		FS:                 s.disk.fs,
		Cache:              s.cache,
		Logger:             pebbleLog{s.log},
		FormatMajorVersion: format,
		MemTableSize:       uint64(s.memBytes),
		// Room for a burst, as when a large site sends all its rows again.
		MemTableStopWritesThreshold: 4,
		ErrorIfNotExists:            !fresh,
		EventListener: &pebble.EventListener{
			BackgroundError: s.backgroundError,
			FlushEnd:        s.flushed,
			DataCorruption:  s.damaged,
		},
	}
	if s.noWAL {
		o.DisableWAL = true
		o.MemTableStopWritesThreshold = tablesN
		// Without a log, tables that wait in memory for their turn would be lost with it.
		o.Experimental.DisableIngestAsFlushable = func() bool { return true }
	}
	// Compressing well costs every delta more, in each merge that it goes through, than it saves of a disk.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		o.Levels[i].IndexBlockSize = indexBlockSize
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if s.tune != nil {
		s.tune(o)
	}
	return o
}

// backgroundError is called by Pebble where work that nobody waits for failed. Without a log of its own the
// store has said so of flushes, and each is tried again at once.
func (s *Store) backgroundError(err error) {
	if !s.noWAL || s.Err() == nil {
		s.log.Error("index: background work failed", "folder", s.dir, "error", err)
	}
}

// checkSchema returns the schema of a database, and refuses one that is newer than key.Schema. A fresh store
// is given it.
func (s *Store) checkSchema(db *pebble.DB, dir string, fresh bool) (uint64, error) {
	r := Reader{from: db, rows: s.rows}
	schema, err := r.number(key.MetaSchema)
	switch {
	case err != nil:
		return 0, err
	case schema == 0 && fresh:
		v := binary.BigEndian.AppendUint64(nil, key.Schema)
		err := caught(func() error { return db.Set(key.Of(key.MetaSchema), v, pebble.NoSync) })
		if err == nil {
			err = s.makeDurable(db)
		}
		if err != nil {
			return 0, diskError("create index", dir, err)
		}
		schema = key.Schema
	case schema == 0:
		return 0, fault.New(fault.Corrupt, "open index", "%s holds a database that is not a Skerry index; name another folder, or restore this one from a snapshot", dir)
	case schema > key.Schema:
		return 0, fault.New(fault.Version, "open index", "%s has schema %d and this program reads up to %d; start the version of Skerry that wrote it, or a newer one", dir, schema, key.Schema)
	}
	return schema, nil
}

// diskError turns an error of the file system or of Pebble into one that says what to do.
func diskError(op, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.New(fault.ReadOnly, op, "%s cannot be written: %w; give the folder to the user that runs this program, mount it writable, or set another data folder", path, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.ReadOnly, op, "no space left for %s: %w; free some, then start again", path, err)
	case errors.Is(err, fs.ErrExist):
		return fault.New(fault.Exists, op, "%s exists already: %w; name a folder that does not", path, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.Invalid, op, "a part of %s is a file, not a folder: %w; set another data folder", path, err)
	case strings.Contains(err.Error(), "unknown format major version"):
		return fault.New(fault.Version, op, "%s was written by a newer version of Skerry: %w; start that version", path, err)
	case pebble.IsCorruptionError(err), errors.Is(err, pebble.ErrDBDoesNotExist):
		return fault.New(fault.Corrupt, op, "%s is damaged: %w; restore it from a snapshot", path, line{err})
	}
	return fault.New(fault.Other, op, "%s: %w", path, line{err})
}

// openError is diskError where a database does not open: what no system call says is said by its files, which are not all
// there or hold something else.
func openError(dir string, err error) error {
	const op = "open index"
	var system syscall.Errno
	if e := diskError(op, dir, err); !fault.Is(e, fault.Other) || errors.As(err, &system) {
		return e
	}
	return fault.New(fault.Corrupt, op, "%s is damaged: %w; restore it from a snapshot", dir, line{err})
}

// line is an error of Pebble in one line, which its own may not be, and without what it says to programs.
type line struct{ error }

// Error implements error.
func (l line) Error() string {
	return strings.ReplaceAll(strings.ReplaceAll(l.error.Error(), "\n<corruption detail carrier>", ""), "\n", "; ")
}

// Unwrap returns the error as it was.
func (l line) Unwrap() error { return l.error }

func lockError(dir string, err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held by current process") || strings.Contains(err.Error(), "resource temporarily unavailable")) {
		return fault.New(fault.Conflict, "open index", "%s is locked (%w); is another skerry using this folder? Stop it, or set another data folder", dir, err)
	}
	return diskError("open index", dir, err)
}
