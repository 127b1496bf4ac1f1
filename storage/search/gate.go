package search

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of the work for one question, in steps of about a nanosecond.
const (
	maxWork = 600_000_000 // beyond it is refused
)

// question is one question while it is answered. It holds the lock for reading.
type question struct {
	*Index
	ctx    context.Context
	now    model.Time
	work   int // steps so far
	costly bool
	atOnce bool // it takes no place among the costly ones, and does not wait
	paused bool // the lock was let go of meanwhile
	err    error

	bySite    *tally // of the hosts by site, where one was asked for
	siteTaken bool   // a tally that counts it was handed out
}

// ask begins a question; done ends it.
func (x *Index) ask(ctx context.Context, now model.Time) (*question, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	x.mu.RLock()
	return &question{Index: x, ctx: ctx, now: now}, nil
}

func (q *question) done() {
	q.mu.RUnlock()
	if q.costly {
		<-q.heavy
	}
}

// spend counts steps. It reports false, and err says why, when the question must end: its time is over, or
// it would cost more than one question may. It never lets go of the lock.
func (q *question) spend(steps int) bool {
	q.work += steps
	if q.err != nil {
		return false
	}
	if q.work > maxWork {
		q.err = fault.New(fault.Busy, "search hosts", "this search would look at too much of the directory at once; narrow it, for example by a site or a tag")
		return false
	}
	if q.ctx.Err() != nil {
		q.err = fault.New(fault.Busy, "search hosts", "the search took longer than it may (%w); narrow it, or try again when less is going on", context.Cause(q.ctx))
		return false
	}
	return true
}

// pause lets a waiting writer in, and takes a place among the costly questions once this one is one. It
// is called where nothing that belongs to the index is held: shared sets are not good behind it.
func (q *question) pause() bool {
	if !q.spend(0) {
		return false
	}
	if q.costly || q.atOnce || q.work < q.tuning.cheapWork {
		if q.writing.Load() > 0 {
			q.paused = true
			q.mu.RUnlock()
			q.mu.RLock()
		}
		return true
	}
	select {
	case q.heavy <- struct{}{}:
		q.costly = true
		return true
	default:
	}
	q.paused = true
	q.mu.RUnlock()
	select {
	case q.heavy <- struct{}{}:
		q.costly = true
	case <-q.ctx.Done():
	}
	q.mu.RLock()
	return q.spend(0)
}
