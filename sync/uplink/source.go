package uplink

import (
	"context"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/health"
)

// sightings is what a Link remembers for whoever judges it.
type sightings struct {
	mu     sync.Mutex  // guards what follows
	tried  bool        // see health.Sight
	breaks []time.Time // of links that were open, the newest of health.BreaksWithin; at most maxBreaks
	sent   []mark      // runs on the way, in the order they were sent
}

const maxBreaks = 100

// ended notes that a link or an attempt has ended; was says that the link had been open.
func (s *sightings) ended(now time.Time, was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.sent = true, nil
	if was && len(s.breaks) < maxBreaks {
		s.breaks = append(s.breaks, now)
	}
}

// sight is what the link itself knows for a health.Judge.
func (l *Link) sight(now time.Time) health.Sight {
	st := l.State()
	s := health.Sight{Now: now, Online: st.Online, Since: st.Since, Error: st.LastError}
	if st.Online && l.Window != nil && !l.Window.Open(now) {
		s.Until = l.Window.Next(now)
	}
	seen := &l.seen
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for len(seen.breaks) > 0 && now.Sub(seen.breaks[0]) > health.BreaksWithin {
		seen.breaks = seen.breaks[1:]
	}
	s.Tried, s.Breaks = seen.tried || st.Online, len(seen.breaks)
	if len(seen.sent) > 0 {
		s.Sent = seen.sent[0].at
	}
	return s
}

// source is the outbox as an exchange.Source.
type source struct {
	Outbox
	link *Link
}

// Next implements exchange.Source. What is missing between two numbers was replaced by a newer item, so the last
// item's number is the place reached.
func (o source) Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) ([]model.Item, model.Seq, error) {
	for {
		head := o.Head() // before the items are read, so that one appended meanwhile ends the wait
		closed, reopens := o.link.closed()
		var items []model.Item
		var err error
		if closed { // what a run may have is asked for afterwards: an urgent item may be several runs away
			items, err = o.After(after, urgentItems, urgentReach)
			items = run(o.link.urgent(items), maxItems, maxBytes)
		} else {
			items, err = o.After(after, maxItems, maxBytes)
		}
		if err != nil {
			return nil, 0, err
		}
		if n := len(items); n > 0 {
			o.link.seen.mu.Lock()
			o.link.seen.sent = append(o.link.seen.sent, mark{items[n-1].Seq, o.link.Now()})
			o.link.seen.mu.Unlock()
			return items, items[n-1].Seq, nil
		}
		if err := o.wait(ctx, max(after, head), reopens); err != nil {
			return nil, 0, err
		}
	}
}

// wait waits for a newer item, or for the window to open.
func (o source) wait(ctx context.Context, after model.Seq, reopens time.Duration) error {
	if reopens == 0 {
		return o.Wait(ctx, after)
	}
	inner, stop := context.WithTimeout(ctx, min(reopens, windowLook))
	defer stop()
	if err := o.Wait(inner, after); err != nil && inner.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// Acked implements exchange.Source.
func (o source) Acked(_ context.Context, at model.Position) error {
	s := &o.link.seen
	s.mu.Lock()
	n := 0
	for n < len(s.sent) && s.sent[n].seq <= at.Seq {
		n++
	}
	s.sent = s.sent[n:]
	s.mu.Unlock()
	return o.DropThrough(at.Seq)
}

const (
	// urgentReach bounds what goes up before an urgent item while the window is closed, in bytes of keys and payload:
	// items go in order, because the receiver's position covers all that is older.
	urgentReach = 256 << 10
	// urgentItems is the same in items; none is so small that it is reached first.
	urgentItems = urgentReach / 16
	// windowLook is how often a closed window is looked at, for clocks are set.
	windowLook = time.Minute
)

// closed reports whether only what is urgent goes up now, and how long that lasts; at least a second.
func (l *Link) closed() (bool, time.Duration) {
	if l.Window == nil {
		return false, 0
	}
	now := l.Now()
	if l.Window.Open(now) {
		return false, 0
	}
	return true, max(l.Window.Next(now).Sub(now), time.Second)
}

// urgent returns the items through the last urgent one.
func (l *Link) urgent(items []model.Item) []model.Item {
	for n := len(items); n > 0; n-- {
		if k := items[n-1].Kind; k.Event() || l.Urgent != nil && l.Urgent(k) {
			return items[:n]
		}
	}
	return nil
}

// run returns what of items one run may have, at least one where there is one.
func run(items []model.Item, maxItems, maxBytes int) []model.Item {
	size := 0
	for i := range items {
		if size += len(items[i].Key) + len(items[i].Payload); i == maxItems || i > 0 && size > maxBytes {
			return items[:i]
		}
	}
	return items
}
