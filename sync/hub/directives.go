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

// Next implements exchange.Source.
func (d *directives) Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) ([]model.Item, model.Seq, error) {
	for {
		// The mark is taken before the rows are read, so that a directive of in between ends the wait.
		mark := d.news.mark()
		items, through, err := d.Reader.Directives(d.to, after, maxItems, maxBytes, d.ToAll)
		if err != nil {
			return nil, 0, err
		}
		if len(items) > 0 {
			d.sends(d.mine, items[len(items)-1].Seq)
		}
		if len(items) > 0 || through != after {
			return items, through, nil
		}
		if err := d.news.wait(ctx, d.Hub, mark); err != nil {
			return nil, 0, err
		}
	}
}

// news wakes the links of a hub when there are new directives. One of the links that wait watches the commits
// for all: ten thousand that each read their rows after every commit would leave no time for the commits.
type news struct {
	watch chan struct{} // held by the link that watches

	mu      sync.Mutex    // guards what follows
	changed chan struct{} // closed and replaced when there are new directives

	// What follows belongs to the link that watches.
	commits uint64    // how many there were at the last look; 0: none was had
	head    model.Seq // the newest directive then
}

func newNews() *news { return &news{watch: make(chan struct{}, 1), changed: make(chan struct{})} }

// mark returns what is closed when there is a directive that whoever reads the rows from now on may lack.
func (n *news) mark() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// wait returns nil when there is news since mark.
func (n *news) wait(ctx context.Context, h *Hub, mark <-chan struct{}) error {
	select {
	case <-mark:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case n.watch <- struct{}{}:
	}
	defer func() { <-n.watch }()
	for {
		select {
		case <-mark: // while this one waited for its turn
			return nil
		default:
		}
		commits, err := h.Reader.Wait(ctx, n.commits)
		if err != nil {
			return err
		}
		if n.commits > 0 {
			if err := pause(ctx, h.Settle); err != nil {
				return err
			}
		}
		// Nothing is addressed to this server itself, so that through is the newest number given.
		_, head, err := h.Reader.Directives(h.Self, 0, 1, 1, false)
		if err != nil {
			return err
		}
		news := n.commits == 0 || head != n.head
		n.commits, n.head = commits, head
		if news {
			n.mu.Lock()
			close(n.changed)
			n.changed = make(chan struct{})
			n.mu.Unlock()
		}
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
