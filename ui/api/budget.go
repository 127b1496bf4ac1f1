package api

import (
	"context"
	"sync"
	"time"
)

// bounded is a context with an end that costs next to nothing until somebody waits for it: a timer is made by the
// first Done. Most questions to the directory are answered before they look at it twice. Call release in the end.
//
// Err tells of the end by the clock, so it may be a moment ahead of Done.
type bounded struct {
	context.Context
	end time.Time

	mu     sync.Mutex // guards what follows
	timed  context.Context
	cancel context.CancelFunc
	over   bool
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) {
	if d, ok := b.Context.Deadline(); ok && d.Before(b.end) {
		return d, true
	}
	return b.end, true
}

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.end)
		if b.over {
			b.cancel()
		}
	}
	return b.timed.Done()
}

// Err implements context.Context.
func (b *bounded) Err() error {
	if err := b.Context.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.timed != nil && b.timed.Err() != nil:
		return b.timed.Err()
	case b.over:
		return context.Canceled
	case !time.Now().Before(b.end):
		return context.DeadlineExceeded
	}
	return nil
}

// release ends the context, as the func of context.WithTimeout does.
func (b *bounded) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.cancel != nil {
		b.cancel()
	}
}
