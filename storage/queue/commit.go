package queue

import (
	"errors"

	"github.com/skerryhq/skerry/engine/fault"
	"go.etcd.io/bbolt"
)

// Bounds of one group commit.
const (
	groupOps   = 1024
	groupBytes = 32 << 20
)

// op is one caller's write. apply either changes nothing and returns an error, which is the caller's
// alone, or does all of its work on tx and s. A failure of the store itself is a storeError.
type op struct {
	apply func(tx *bbolt.Tx, s *state) error
	size  int // rough bytes it will write
	err   error
	done  chan struct{}
}

// storeError marks an error of bbolt inside an op: part of the op may be in the transaction.
type storeError struct{ err error }

func (e storeError) Error() string { return e.err.Error() }
func (e storeError) Unwrap() error { return e.err }

// errClosed is what writers and waiters get after Close.
func errClosed(what string) error {
	return fault.New(fault.ReadOnly, what, "the queue is closed")
}

// submit hands an op to the committer and waits until it is durable or has failed.
func (q *Queue) submit(what string, size int, apply func(*bbolt.Tx, *state) error) error {
	o := &op{apply: apply, size: size, done: make(chan struct{})}
	select {
	case q.ops <- o:
	case <-q.quit:
		return errClosed(what)
	}
	<-o.done
	return fault.Wrap(what, o.err)
}

// run is the committer: the only goroutine that writes. It takes whoever waits into one transaction,
// so that the callers of a busy moment share an fsync and a lone caller waits for nobody.
func (q *Queue) run() {
	defer close(q.stopped)
	for {
		var group []*op
		select {
		case o := <-q.ops:
			group = append(group, o)
		case <-q.quit:
			return
		}
		size := group[0].size
	gather:
		for len(group) < groupOps && size < groupBytes {
			select {
			case o := <-q.ops:
				group = append(group, o)
				size += o.size
			default:
				break gather
			}
		}
		q.write(group)
		for _, o := range group {
			close(o.done)
		}
		q.shrink()
	}
}

// write commits a group and sets each op's err.
func (q *Queue) write(group []*op) {
	q.mu.Lock()
	next, failed := q.state, q.latched
	q.mu.Unlock()
	if failed == nil {
		failed = q.writeGroup(group, &next)
		if failed != nil {
			failed = fault.New(fault.ReadOnly, "", "writing %s failed (%w); nothing more is written to it until the disk is put right and the program is started again", q.path, failed)
			q.log.Error("the queue can no longer be written", "path", q.path, "err", failed)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if failed != nil {
		q.latchLocked(failed)
		for _, o := range group {
			o.err = failed
		}
		return
	}
	if next.head != q.state.head || next.epoch != q.state.epoch {
		close(q.moved)
		q.moved = make(chan struct{})
	}
	q.state = next
}

// writeGroup runs the ops in one transaction; its error is the store's and concerns all of them.
func (q *Queue) writeGroup(group []*op, next *state) error {
	tx, err := q.db.Begin(true) // only this goroutine changes q.db
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	before, changed := *next, false
	for _, o := range group {
		o.err = o.apply(tx, next)
		var broken storeError
		if errors.As(o.err, &broken) {
			return o.err
		}
		changed = changed || o.err == nil
	}
	if !changed {
		return nil
	}
	if *next != before {
		if err := tx.Bucket(bucketMeta).Put(keyState, next.encode()); err != nil {
			return err
		}
	}
	return q.commit(tx)
}

// shrink rewrites the file if it has drained and is large. A failure before the swap costs nothing
// but space; a failure after it is one of the disk, and final.
func (q *Queue) shrink() {
	if s := q.snapshot(); s.count != 0 || s.head == 0 {
		return
	}
	size, err := fileSize(q.path)
	// What stays (the journal) may be large too: do not rewrite for less than half the file.
	if err != nil || size < q.compact || size < 2*q.shrunk {
		return
	}
	swapped, err := q.rewrite()
	switch {
	case err == nil:
		q.shrunk, _ = fileSize(q.path)
		q.log.Debug("the drained queue was made smaller", "path", q.path, "from_bytes", size, "to_bytes", q.shrunk)
	case swapped:
		q.mu.Lock()
		q.latchLocked(fault.New(fault.ReadOnly, "", "replacing %s failed (%w); put the disk right and start the program again", q.path, err))
		q.mu.Unlock()
		q.log.Error("the queue can no longer be written", "path", q.path, "err", err)
	default:
		q.shrunk = size // try again when it has doubled
		q.log.Warn("the drained queue could not be made smaller", "path", q.path, "bytes", size, "err", err)
	}
}
