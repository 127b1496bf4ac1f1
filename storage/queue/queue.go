// Package queue is the durable outbox of a site or an agent, and the agent's journal of orders.
//
// It owns one bbolt file: the items that wait until the tier above holds them, the epoch and the
// sequence numbers they carry, how far this node holds what came down to it, and the record of every
// order before it is run. DESIGN.md has the layout of the file and the rules of moving facts.
//
// It never drops an item on its own, never looks into a payload (orders excepted), never uses a
// sequence number twice within an epoch, and knows nothing of links.
package queue

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

// Options are the settings of Open. The zero value is usable.
type Options struct {
	// Log receives what an operator should know; nil: nothing is logged.
	Log *slog.Logger
	// Now is the clock for the time at which an order was taken; nil: time.Now.
	Now func() time.Time
	// CompactBytes is the size of the file from which it is rewritten once the queue has drained, for
	// bbolt never gives space back. Default 16 MiB.
	CompactBytes int64
	// LockTimeout is how long Open waits for another process to let the file go. Default 2 s.
	LockTimeout time.Duration
}

// Queue is an open outbox and journal. All methods are safe for concurrent use. Everything that
// writes returns when it is durable; concurrent writers share one fsync. After a failed write or
// fsync every later write fails with fault.ReadOnly, because what the disk holds is then unknown;
// reading goes on.
type Queue struct {
	path    string
	log     *slog.Logger
	now     func() time.Time
	compact int64

	ops     chan *op
	quit    chan struct{} // closed by Close: take no more work
	stopped chan struct{} // closed by the committer when it has ended
	shrunk  int64         // the committer's: size of the file after its last rewrite
	once    sync.Once

	// commit is (*bbolt.Tx).Commit; tests put a failing disk here.
	commit func(*bbolt.Tx) error

	file sync.RWMutex // guards db: read-held while reading, write-held while the file is swapped
	db   *bbolt.DB

	mu      sync.Mutex // guards what follows
	state   state      // as of the last commit
	moved   chan struct{}
	latched error         // the first failed commit
	broken  chan struct{} // closed when latched is set
}

// Open opens the queue in the file path, and makes it (mode 0600) if there is none; the folder must
// exist. It fails with fault.Conflict where another process holds the file, fault.Corrupt where the
// file is not a queue, fault.Version where a newer Skerry wrote it, and fault.ReadOnly where it
// cannot be written. The caller must Close it.
func Open(path string, o Options) (*Queue, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CompactBytes <= 0 {
		o.CompactBytes = 16 << 20
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = 2 * time.Second
	}
	db, err := openFile(path, o.LockTimeout)
	if err != nil {
		return nil, err
	}
	s, older, err := load(db)
	if err == nil && older {
		err = raise(db)
	}
	if err != nil {
		_ = db.Close()
		return nil, fault.Wrap("open queue "+path, err)
	}
	q := &Queue{
		path: path, log: o.Log, now: o.Now, compact: o.CompactBytes,
		ops: make(chan *op), quit: make(chan struct{}), stopped: make(chan struct{}),
		commit: (*bbolt.Tx).Commit, db: db, state: s, moved: make(chan struct{}), broken: make(chan struct{}),
	}
	go q.run()
	return q, nil
}

// Close ends the queue after the write in progress. Writers that wait get an error, and so does Wait.
// Closing twice is allowed.
func (q *Queue) Close() error {
	var err error
	q.once.Do(func() {
		close(q.quit)
		<-q.stopped
		q.file.Lock()
		defer q.file.Unlock()
		if e := q.db.Close(); e != nil {
			err = fault.New(fault.Other, "close queue "+q.path, "%w", e)
		}
	})
	return err
}

// Err returns why nothing more is written, with kind fault.ReadOnly, or nil. Once set it stays.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.latched
}

// Failed is closed when Err becomes set.
func (q *Queue) Failed() <-chan struct{} { return q.broken }

// latchLocked keeps the first failure; q.mu is held.
func (q *Queue) latchLocked(err error) {
	if q.latched == nil {
		q.latched = err
		close(q.broken)
	}
}

// Len returns the number of items that wait.
func (q *Queue) Len() int { return int(q.snapshot().count) }

// Bytes returns the stored size of the items that wait, in bytes, without the file's overhead.
func (q *Queue) Bytes() int64 { return int64(q.snapshot().bytes) }

// Epoch returns the epoch of the items that wait: 1 in a new queue.
func (q *Queue) Epoch() model.Epoch { return q.snapshot().epoch }

// Head returns the sequence number of the newest append of this epoch; zero: there was none.
func (q *Queue) Head() model.Seq { return q.snapshot().head }

// Dropped returns the highest sequence number given to DropThrough in this epoch.
func (q *Queue) Dropped() model.Seq { return q.snapshot().dropped }

func (q *Queue) snapshot() state {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state
}

// view runs fn in a read transaction.
func (q *Queue) view(fn func(*bbolt.Tx) error) error {
	q.file.RLock()
	defer q.file.RUnlock()
	return q.db.View(fn)
}
