package exchange

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

const (
	budgetFrom  = 16 << 10         // bytes; smaller frames cost nothing
	budgetLook  = 5 * time.Second  // how often it is looked whether one that waits for room still says something
	budgetWait  = 10 * time.Minute // for room, at most: a new link costs more than one that waits
	budgetRest  = 15 * time.Second // what one that found none is told to wait, and up to as much again
	budgetSmall = 32               // a frame is small up to this part of the whole,
	budgetKept  = 4                // and this part is for small ones alone
	budgetFront = 10 * time.Second // so long small ones may pass the large one that is first in turn
)

// Budget bounds what the large frames of many links hold in memory from when they are read until they are accepted: after a
// break thousands may report at the same moment. Who waits for room leaves its bytes on the line. Small frames have it in the order
// in which they came, and large ones too; each has a part of it that the other cannot take, so that a few large frames that come
// slowly keep no small one waiting, and many small ones no large one for long. It is safe for concurrent use; a nil one has no bound.
type Budget struct {
	most   int
	jitter func(limit time.Duration) time.Duration

	mu           sync.Mutex // guards what follows
	small, large lane
	front        time.Time // since when the large one that waits is the first in turn
}

// lane is the frames of one kind.
type lane struct {
	used    int
	waiting []*claim // the one that came first comes first
}

// claim is one that waits for room.
type claim struct {
	n  int
	in chan struct{} // closed when it has it
}

// NewBudget returns a Budget of so many bytes; one frame that is larger than three quarters of it has room all the same, beside a
// quarter of small ones. jitter returns a random duration from zero up to the limit.
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
	return b.small.used + b.large.used
}

// of returns the lane of a frame of n bytes.
func (b *Budget) of(n int) *lane {
	if n <= b.most/budgetSmall {
		return &b.small
	}
	return &b.large
}

// take takes room for n bytes, where there is some and nobody of its kind waits for it; one frame alone has it always.
func (b *Budget) take(n int) bool {
	if b == nil || n == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.of(n)
	if len(l.waiting) > 0 || !b.fitsLocked(n) {
		return false
	}
	l.used += n
	return true
}

// wait is take that waits until there is room, and calls look now and then meanwhile. The error is Busy, with a time to try again,
// where there is none in time, and the cause of ctx.
func (b *Budget) wait(ctx context.Context, n int, look func()) error {
	c := &claim{n: n, in: make(chan struct{})}
	b.mu.Lock()
	l := b.of(n)
	if l.waiting = append(l.waiting, c); l == &b.large && len(l.waiting) == 1 {
		b.front = time.Now()
	}
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
	at := slices.Index(l.waiting, c)
	if at < 0 {
		return nil // it was let in at the last moment
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	if l == &b.large && at == 0 {
		b.front = time.Now()
	}
	b.letInLocked() // those behind it may be smaller
	return err
}

// fitsLocked says whether there is room for n bytes. Small ones have what is kept for them whatever the large ones do, and beyond
// that what is free, unless a large one has been the first in turn for long: then it comes before them.
func (b *Budget) fitsLocked(n int) bool {
	small, large, kept := b.small.used, b.large.used, b.most/budgetKept
	free := small+large+n <= b.most
	if b.of(n) == &b.small {
		overdue := len(b.large.waiting) > 0 && time.Since(b.front) >= budgetFront
		return small+n <= kept || free && !overdue
	}
	return (large == 0 || large+n <= b.most-kept) && (small <= kept || free)
}

// settle makes of what was taken for a frame what it really has, without waiting, and returns that.
func (b *Budget) settle(took, has int) int {
	if b == nil || took == 0 && has < budgetFrom {
		return took
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(took).used -= took
	b.of(has).used += has
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
	b.of(n).used -= n
	b.letInLocked()
}

func (b *Budget) letInLocked() {
	for _, l := range []*lane{&b.large, &b.small} {
		for len(l.waiting) > 0 && b.fitsLocked(l.waiting[0].n) {
			l.used += l.waiting[0].n
			close(l.waiting[0].in)
			if l.waiting = l.waiting[1:]; l == &b.large {
				b.front = time.Now()
			}
		}
	}
}
