package exchange

import (
	"context"
	"slices"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

// send moves items from the source to the stream, at most wire.Window runs ahead of what the other
// side acknowledged.
func (e *engine) send(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e.slots <- struct{}{}:
		}
		items, through, mark, err := e.next(ctx, e.after)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if w, ok := e.Source.(Waker); ok && len(items) == 0 && through == e.after {
			<-e.slots
			e.park(w, mark)
			return nil
		}
		e.after = through
		if len(items) == 0 {
			<-e.slots
			e.mu.Lock()
			e.gap = through
			e.mu.Unlock()
			continue
		}
		for len(items) > 0 {
			n := e.small(items)
			at := through
			if n < len(items) {
				at = items[max(n, 1)-1].Seq
			}
			if n == 0 {
				err = e.part(items[0])
			} else {
				err = e.dispatch(items[:n], at)
			}
			if err != nil {
				return err
			}
			if items = items[max(n, 1):]; len(items) == 0 {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case e.slots <- struct{}{}:
			}
		}
	}
}

// small returns how many items come before the first one that goes in parts.
func (e *engine) small(items []model.Item) int {
	if e.Version < wire.VersionParts {
		return len(items)
	}
	for i := range items {
		if len(items[i].Payload) > partFrom {
			return i
		}
	}
	return len(items)
}

// park has sending go on when there is news since mark.
func (e *engine) park(w Waker, mark uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.crew.ctx.Err() == nil {
		e.waking = w.Wake(mark, func() { e.begin(e.send) })
	}
}

func (e *engine) stopWaking() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waking != nil {
		e.waking()
	}
}

// next asks the source and does not trust it with what would make the other side skip items.
func (e *engine) next(ctx context.Context, after model.Seq) (items []model.Item, through model.Seq, mark uint64, err error) {
	if w, ok := e.Source.(Waker); ok {
		items, through, mark, err = w.Look(after, MaxRunItems, e.runSize())
	} else {
		items, through, err = e.Source.Next(ctx, after, MaxRunItems, e.runSize())
	}
	if err != nil {
		return nil, 0, 0, err
	}
	if through < after {
		return nil, 0, 0, fault.New(fault.Conflict, "send items",
			"the other side holds items through %d but this side has sent only through %d in epoch %d: this node runs from an older copy of its data and needs a new epoch",
			after, through, e.Source.Epoch())
	}
	last := after
	for i := range items {
		if items[i].Seq <= last || items[i].Seq > through {
			return nil, 0, 0, fault.New(fault.Other, "send items", "the log gave item %d after %d, through %d", items[i].Seq, last, through)
		}
		last = items[i].Seq
	}
	return items, through, mark, nil
}

// dispatch sends one run; the caller has taken a slot for it. Runs leave in the order in which they
// stand in flying: an acknowledgement must free the slots of just the runs it covers.
func (e *engine) dispatch(items []model.Item, through model.Seq) error {
	e.order.Lock()
	defer e.order.Unlock()
	return e.dispatchLocked(items, through)
}

func (e *engine) dispatchLocked(items []model.Item, through model.Seq) error {
	e.mu.Lock()
	if len(items) == 0 && through <= e.sent { // overtaken by a run with items
		e.mu.Unlock()
		<-e.slots
		return nil
	}
	size := 0
	for i := range items {
		size += len(items[i].Payload)
	}
	e.mu.Unlock()
	e.fly(through, size)
	return e.line.write(wire.TypeItems, wire.Items{Epoch: e.Source.Epoch(), Through: through, Items: items})
}

// confirmed takes an acknowledgement. One that covers more than was sent is a forgery or a bug, and
// believing it would lose items.
func (e *engine) confirmed(body []byte) error {
	a, err := wire.Decode[wire.Ack](body)
	if err != nil {
		return err
	}
	e.mu.Lock()
	sent := e.sent
	n, now := 0, time.Now()
	for n < len(e.flying) && e.flying[n].through <= a.Held.Seq {
		e.gait.acknowledged(e.flying[n].size, now.Sub(e.flying[n].at))
		n++
	}
	e.flying = slices.Delete(e.flying, 0, n)
	e.mu.Unlock()
	if a.Held.Epoch != e.Source.Epoch() || a.Held.Seq > sent {
		return fault.New(fault.Corrupt, "", "the other side acknowledged %d/%d; sent was through %d/%d",
			a.Held.Epoch, a.Held.Seq, e.Source.Epoch(), sent)
	}
	for range n {
		<-e.slots
	}
	e.settled(a.Held)
	return nil
}

// settled leaves an acknowledgement to be told to the source; the newest is all that counts.
func (e *engine) settled(at model.Position) {
	if _, idle := e.acked.put(at, 1); idle {
		e.begin(e.settle)
	}
}

// settle tells the source how far the other side holds, while there is news. It is not done while reading because
// the source writes to disk, and reading must go on meanwhile.
func (e *engine) settle(ctx context.Context) error {
	for ctx.Err() == nil {
		at, ok := e.acked.take()
		if !ok {
			return nil
		}
		if err := e.Source.Acked(ctx, at); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	return nil
}

// ponged answers a Ping; several that wait for one answer get one.
func (e *engine) ponged() {
	if _, idle := e.pongs.put(struct{}{}, 1); idle {
		e.begin(func(context.Context) error {
			for {
				if _, ok := e.pongs.take(); !ok {
					return nil
				}
				if err := e.line.write(wire.TypePong, nil); err != nil {
					return err
				}
			}
		})
	}
}

// keep has something sent where nothing was sent for a while: the place that the source reached without items if
// there is news of it, else a Ping.
func (e *engine) keep() *time.Timer {
	var alarm *time.Timer
	ready := make(chan struct{}) // closed when alarm is set
	alarm = time.AfterFunc(e.Keepalive, func() {
		<-ready
		e.begin(func(ctx context.Context) error {
			idle := e.line.idle()
			if idle >= e.Keepalive {
				e.line.shrink()
				if err := e.nudge(); err != nil {
					return err
				}
				idle = 0
			}
			if ctx.Err() == nil {
				alarm.Reset(e.Keepalive - idle)
			}
			return nil
		})
	})
	close(ready)
	return alarm
}

func (e *engine) nudge() error {
	e.mu.Lock()
	gap, news := e.gap, e.gap > e.sent
	e.mu.Unlock()
	if news && e.order.TryLock() { // else a large item is on its way, which nothing may come between
		defer e.order.Unlock()
		select {
		case e.slots <- struct{}{}:
			return e.dispatchLocked(nil, gap)
		default: // the window is full: runs are on the way, and the place can wait
		}
	}
	return e.line.write(wire.TypePing, nil)
}
