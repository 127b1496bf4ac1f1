package hub

import (
	"context"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// directives is the exchange.Source of what goes down to one member. It reads committed rows only and
// keeps nothing: a directive stays in the store until apply removes it.
type directives struct {
	*Hub
	to    model.NodeID
	epoch model.Epoch
	mine  *entry
}

// Epoch implements exchange.Source.
func (d *directives) Epoch() model.Epoch { return d.epoch }

// Acked implements exchange.Source. The member's own position is what counts when it comes back.
func (d *directives) Acked(_ context.Context, at model.Position) error {
	d.taken(d.mine, at.Seq)
	return nil
}

// Look implements exchange.Waker.
func (d *directives) Look(after model.Seq, maxItems, maxBytes int) (items []model.Item, through model.Seq, mark uint64, err error) {
	// The mark is taken before the rows are read, so that a directive of in between is news.
	mark = d.news.mark()
	items, through, err = d.Reader.Directives(d.to, after, maxItems, maxBytes, d.ToAll)
	if err == nil && len(items) > 0 {
		d.sends(d.mine, items[len(items)-1].Seq)
	}
	return items, through, mark, err
}

// Wake implements exchange.Waker.
func (d *directives) Wake(mark uint64, fn func()) (stop func()) { return d.news.wake(mark, fn) }

// Next implements exchange.Source.
func (d *directives) Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) ([]model.Item, model.Seq, error) {
	for {
		items, through, mark, err := d.Look(after, maxItems, maxBytes)
		if err != nil || len(items) > 0 || through != after {
			return items, through, err
		}
		woken := make(chan struct{})
		stop := d.Wake(mark, func() { close(woken) })
		select {
		case <-woken:
		case <-ctx.Done():
			stop()
			return nil, 0, context.Cause(ctx)
		}
	}
}

// news wakes the links of a hub when there are new directives. While there are links, one goroutine watches the
// commits for all: ten thousand that each read their rows after every commit would leave no time for the commits.
type news struct {
	hub *Hub

	mu      sync.Mutex           // guards what follows
	count   uint64               // how often there was news
	waiting map[*func()]struct{} // told of the next
	links   int                  // that are served now
	stop    func()               // ends the watch, and returns when it has ended; nil: there is none
}

// enter begins the watch with the first link; leave ends it with the last.
func (n *news) enter() (leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.links++; n.links == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			n.watch(ctx)
		}()
		n.stop = func() { cancel(); <-ended }
	}
	return func() {
		n.mu.Lock()
		n.links--
		stop := n.stop
		if n.links > 0 {
			stop = func() {}
		}
		n.mu.Unlock()
		stop()
	}
}

// watch tells of new directives until ctx ends. Its beginning is news: nobody knows what came before.
func (n *news) watch(ctx context.Context) {
	var head model.Seq
	for commits := uint64(0); ; {
		now, err := n.hub.Reader.Wait(ctx, commits)
		if err == nil && commits > 0 {
			err = pause(ctx, n.hub.Settle)
		}
		var newest model.Seq
		if err == nil {
			// Nothing is addressed to this server itself, so that through is the newest number given.
			_, newest, err = n.hub.Reader.Directives(n.hub.Self, 0, 1, 1, false)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil || commits == 0 || newest != head { // who reads the rows finds the error, and ends its link with it
			n.tell()
		}
		if err != nil {
			if pause(ctx, time.Second) != nil {
				return
			}
			continue
		}
		commits, head = now, newest
	}
}

func (n *news) tell() {
	n.mu.Lock()
	waiting := n.waiting
	n.waiting = map[*func()]struct{}{}
	n.count++
	n.mu.Unlock()
	for fn := range waiting {
		(*fn)()
	}
}

// mark counts the news so far.
func (n *news) mark() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

func (n *news) wake(mark uint64, fn func()) (stop func()) {
	n.mu.Lock()
	if n.count != mark {
		n.mu.Unlock()
		fn()
		return func() {}
	}
	if n.waiting == nil {
		n.waiting = map[*func()]struct{}{}
	}
	n.waiting[&fn] = struct{}{}
	n.mu.Unlock()
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiting, &fn)
	}
}

// pause waits for d, so that a busy store is not read again at each of its commits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
