package exchange

import (
	"context"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

const (
	budgetFrom = 16 << 10         // bytes; smaller frames cost nothing
	budgetLook = 5 * time.Second  // who waits for room is not heard meanwhile, and counts as heard this often
	budgetWait = 10 * time.Minute // for room, at most: a new link costs more than one that waits
	budgetRest = 15 * time.Second // what one that found none is told to wait, and up to as much again
)

// Budget bounds what the large frames of many links hold in memory from when they are read until they are accepted: after a
// break thousands may report at the same moment. Who waits for room leaves its bytes on the line, and has it in the order in which
// they came. It is safe for concurrent use; a nil one has no bound.
type Budget struct {
	most   int
	jitter func(limit time.Duration) time.Duration

	mu      sync.Mutex // guards what follows
	used    int
	waiting []*claim // the one that came first comes first
}

// claim is one that waits for room.
type claim struct {
	n  int
	in chan struct{} // closed when it has it
}

// NewBudget returns a Budget of so many bytes. jitter returns a random duration from zero up to the limit.
func NewBudget(most int, jitter func(limit time.Duration) time.Duration) *Budget {
	return &Budget{most: most, jitter: jitter}
}

// Used returns how many bytes are held.
func (b *Budget) Used() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take takes room for n bytes, where there is some and nobody waits for it; one frame alone has it always.
func (b *Budget) take(n int) bool {
	if b == nil || n == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || !b.fitsLocked(n) {
		return false
	}
	b.used += n
	return true
}

// wait is take that waits until there is room, and calls look now and then meanwhile. The error is Busy, with a time to try again,
// where there is none in time, and the cause of ctx.
func (b *Budget) wait(ctx context.Context, n int, look func()) error {
	c := &claim{n: n, in: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	b.letInLocked()
	b.mu.Unlock()
	end := time.NewTimer(budgetWait)
	defer end.Stop()
	tick := time.NewTicker(budgetLook)
	defer tick.Stop()
	var err error
	for err == nil {
		select {
		case <-c.in:
			return nil
		case <-tick.C:
			look()
		case <-end.C:
			err = fault.Later(fault.New(fault.Busy, "", "so many report at this moment that there is no room for more; this one has its turn later"), budgetRest+b.jitter(budgetRest))
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.letInLocked() // those behind it may be smaller
			return err
		}
	}
	return nil // it was let in at the last moment
}

func (b *Budget) fitsLocked(n int) bool { return b.used == 0 || b.used+n <= b.most }

// settle makes of what was taken for a frame what it really has, without waiting, and returns that.
func (b *Budget) settle(took, has int) int {
	if b == nil || took == 0 && has < budgetFrom {
		return took
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += has - took
	b.letInLocked()
	return has
}

// give returns what take took.
func (b *Budget) give(n int) {
	if b == nil || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.letInLocked()
}

func (b *Budget) letInLocked() {
	for len(b.waiting) > 0 && b.fitsLocked(b.waiting[0].n) {
		b.used += b.waiting[0].n
		close(b.waiting[0].in)
		b.waiting = b.waiting[1:]
	}
}
