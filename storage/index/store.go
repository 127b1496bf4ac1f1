// Package index is the directory store: every row of one node, the indexes over them, and the queries
// that read them. It is the only package that imports Pebble.
//
// It owns the folder it was opened on, the form of each row, and the rule that an index always equals
// what its rows say (Check proves it). Keys come from storage/key. It implements apply.Tx and decides
// nothing about what a change means; it never sends anything and holds no clock.
//
// One goroutine writes at a time (Begin to Commit or Discard); any number read through Views.
package index

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
)

// Options says how to open a store. The zero value is usable.
type Options struct {
	Log        *slog.Logger // nil: nothing is logged
	CacheBytes int64        // memory for blocks read from disk; 0: 64 MiB
	RowBytes   int          // memory for rows that pages were made of lately, see Open; 0: 64 MiB
	Costly     int          // searches of the costly kind that run at once; 0: half the processors, at least 1
	Disk       *Disk        // nil: the file system of this machine
	// Vouched: the hosts of a site are shown as unknown until SetReach says that it is reached.
	Vouched bool
	// NoWAL: the caller keeps a log, and begins at Applied with it after a crash. The store keeps none of its
	// own: a commit is durable after Flush, Checkpoint or Close, or once the memory table that holds it was
	// full and is written out. A store that has a log opens all the same, and goes on without.
	NoWAL bool
	// MemBytes is the size of a memory table; 0: 16 MiB. With NoWAL there are two at most.
	MemBytes int
	// After is time.After for tests; the index in memory is checkpointed five minutes after a change.
	After func(time.Duration) <-chan time.Time

	limits limits                // zero: defaultLimits; for tests
	tune   func(*pebble.Options) // for measurements; nil: as options has them
}

// Store is an open directory store.
type Store struct {
	dir   string
	disk  *Disk
	log   *slog.Logger
	cache *pebble.Cache
	rows  *rowCodec
	lock  *pebble.Lock

	vouched  bool
	noWAL    bool
	memBytes int
	broken   chan struct{} // closed when failed is set
	costly   int
	tune     func(*pebble.Options)
	limits   limits
	after    func(time.Duration) <-chan time.Time
	wake     chan struct{} // see keep
	stop     chan struct{}
	kept     chan struct{} // closed when keep has ended
	closed   sync.Once     // for stop

	// applying is held from a commit until the index in memory holds it; who reads under it sees both alike.
	// The two counters are equal while nobody holds it so.
	applying    sync.RWMutex
	begun, done atomic.Uint64
	tap         atomic.Pointer[func(batch []byte)] // see Tap
	recent      *rowCache                          // rows that pages were made of lately
	written     *rowCache                          // the same as a query.Writer wrote them
	reaching    sync.Mutex                         // held while SetReach goes through a site; taken before applying
	reached     map[model.SiteID]bool              // what SetReach said of sites; guarded by applying

	mu      sync.Mutex       // guards what follows
	life    *life            // nil once closed
	applied uint64           // as the last commit stored it
	version uint64           // commits of this process, from 1
	changed chan struct{}    // closed and replaced with each new version
	failed  error            // latched: the disk did not take a commit or a flush, or a table is damaged
	damage  map[string]error // by folder of a database: what is damaged there
	before  uint64           // changes that the indexes in memory before the present one counted
}

// life is one open Pebble database. Replace puts another in its place while Views of the old one are
// still being read; the last of them closes it.
type life struct {
	db      *pebble.DB
	memory  *search.Index // the hosts of db; whoever commits writes it
	journal *journal
	number  uint64 // of its folder
	// atTop: this is the store of a controller. Inventories stay with the sites, so that hosts have no index
	// entries by theirs, and a row is written without the one before being read. The writer alone sets it.
	atTop   atomic.Bool
	users   int    // Views and transactions; guarded by Store.mu
	retired func() // set when no longer current: called, without Store.mu, by the last user
}

// Version returns the commit counter of this process; it starts at 1 and rises with every commit.
func (s *Store) Version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Wait blocks until the commit counter is greater than after and returns it. It ends with the cause of
// ctx, or with kind fault.Conflict when the store is closed. Take Version before the View that is
// read, so that no commit between the two is missed.
func (s *Store) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		s.mu.Lock()
		version, changed, closed := s.version, s.changed, s.life == nil
		s.mu.Unlock()
		if version > after {
			return version, nil
		}
		if closed {
			return version, fault.New(fault.Conflict, "wait for a change", "the index of %s was closed", s.dir)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return version, context.Cause(ctx)
		}
	}
}

// Applied returns the position that the last commit stored; 0 before the first.
func (s *Store) Applied() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// announceLocked wakes everyone in Wait.
func (s *Store) announceLocked() {
	s.version++
	close(s.changed)
	s.changed = make(chan struct{})
}

// View returns a consistent snapshot of the rows as the last commit left them. Close it soon: it keeps
// old versions of rows on the disk. It panics on a closed store.
func (s *Store) View() *View {
	l := s.use()
	snap := l.db.NewSnapshot()
	return &View{Reader: Reader{from: snap, rows: s.rows, memory: l.memory}, snap: snap, store: s, life: l}
}

// use counts the caller as a user of the current database.
func (s *Store) use() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		panic(fmt.Sprintf("index: use of the closed store %s", s.dir))
	}
	s.life.users++
	return s.life
}

func (s *Store) unuse(l *life) {
	s.mu.Lock()
	l.users--
	var retired func()
	if l.users == 0 {
		retired = l.retired
	}
	s.mu.Unlock()
	if retired != nil {
		retired()
	}
}

// retireLocked makes done the last thing that happens to l. It returns done if that is now.
func (l *life) retireLocked(done func()) func() {
	if l.users == 0 {
		return done
	}
	l.retired = done
	return func() {}
}

// Checkpoint writes a consistent copy of the rows to dir, which must not exist and must be on the same
// file system (files are linked, not copied). Everything committed before is in it, and durable, both
// there and here, when it returns.
func (s *Store) Checkpoint(dir string) error {
	l := s.use()
	defer s.unuse(l)
	if err := s.copyDB(l.db, dir); err != nil {
		return diskError("write a checkpoint", dir, err)
	}
	return nil
}

// copyDB makes a copy of a database that shares its files. Where a power cut ended the open before, after it had
// written its list of files, Pebble 2.1.7 goes on with that list and copies an empty one until it was added
// to: the copy does not open. Hence the flush of a row that changes nothing.
func (s *Store) copyDB(db *pebble.DB, dir string) error {
	return caught(func() error {
		k := key.Of(key.MetaSchema)
		v, closer, err := db.Get(k)
		if err != nil {
			return err
		}
		err = db.Set(k, v, pebble.NoSync)
		if e := closer.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		if err := s.flush(db); err != nil {
			return err
		}
		return db.Checkpoint(dir, pebble.WithFlushedWAL())
	})
}

// Close waits for nothing: Views still open keep the folder locked until they are closed, and an error
// of kind fault.Conflict says how many there are. A second Close does nothing.
func (s *Store) Close() error {
	s.closed.Do(func() {
		close(s.stop)
		<-s.kept
		s.checkpointNow(s.limits.atEnd)
	})
	s.mu.Lock()
	l := s.life
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	s.life = nil
	close(s.changed)
	s.changed = make(chan struct{})
	users := l.users
	var err error
	done := l.retireLocked(func() {
		if s.noWAL && s.Err() == nil { // a start after a clean end has nothing to bring back
			err = s.flush(l.db)
		}
		if e := closeDB(l.db); err == nil {
			err = e
		}
		s.cache.Unref()
		if e := s.lock.Close(); err == nil {
			err = e
		}
	})
	s.mu.Unlock()
	done()
	if users > 0 {
		return fault.New(fault.Conflict, "close index", "%d views or transactions on %s are still open; it closes with the last", users, s.dir)
	}
	return fault.Wrap("close index", err)
}
