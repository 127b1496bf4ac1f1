package exchange

import (
	"context"
	"sync"
)

// crew is the goroutines of one exchange. The first error of any of them, nil included for who reads, ends all.
type crew struct {
	ctx    context.Context
	cancel context.CancelFunc

	wg   sync.WaitGroup
	mu   sync.Mutex // guards what follows
	over bool       // it has ended, or waits for the end: nothing begins any more
	err  error      // why it ended
}

// begin runs fn in a goroutine, unless it is over.
func (c *crew) begin(fn func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.wg.Go(func() {
		if err := fn(c.ctx); err != nil {
			c.fail(err)
		}
	})
}

// fail ends the exchange.
func (c *crew) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over, c.err = true, err
		c.cancel()
	}
}

// wait returns when nothing runs any more.
func (c *crew) wait() { c.wg.Wait() }

// desk is work that waits for one goroutine, which comes when there is some and goes when there is none.
type desk[T any] struct {
	mu      sync.Mutex // guards what follows
	waiting []T
	busy    bool // the goroutine is there
}

// put leaves work and returns how much waits, at most max: where there is as much already, it takes the place of
// the oldest. idle says that the goroutine has to be started.
func (d *desk[T]) put(work T, max int) (n int, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == max {
		d.waiting = d.waiting[1:]
	}
	d.waiting = append(d.waiting, work)
	idle = !d.busy
	d.busy = true
	return len(d.waiting), idle
}

// take returns the oldest work; false: there is none, and the goroutine has to end.
func (d *desk[T]) take() (work T, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		d.waiting, d.busy = nil, false
		return work, false
	}
	work = d.waiting[0]
	d.waiting = d.waiting[1:]
	return work, true
}
