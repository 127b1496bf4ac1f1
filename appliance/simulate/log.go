package simulate

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// siteLog is the outbox of a simulated site, of which next to nothing is stored. Its numbers are
//
//	bits 63-24  j: the virtual items. 1 to hosts are the first rows of the site's hosts, in turn; the
//	            ones behind are what happens there, event after event (see world)
//	bits 23-0   0 for virtual item j itself; from 1, what the site said between j and j+1 and cannot be
//	            computed: answers to orders, and that it judged its hosts. Kept until acknowledged.
//
// So whoever is told a number knows everything before it: after a restart the log goes on behind what the
// controller holds, with nothing lost and nothing sent twice. It is safe for concurrent use.
type siteLog struct {
	epoch model.Epoch
	first uint64 // rows at the beginning
	now   func() time.Time

	mu      sync.Mutex // guards what follows
	world   *world
	placed  bool         // the controller has said what it holds
	head    uint64       // virtual items that may be sent
	slot    uint64       // of the newest item said behind head
	said    []model.Item // not acknowledged; Seq rising
	dropped model.Seq
	grown   chan struct{} // closed and replaced when there is more
	rollup  []byte        // the roll-up that was last said, without its time
	acked   func(rows, moved uint64)
}

const slotBits = 24

func seqOf(j, slot uint64) model.Seq { return model.Seq(j<<slotBits | slot) }

// maxRow is more than the bytes of any row.
const maxRow = 4096

// newLog returns the log of a world. acked is told how many of the first rows are durable at the
// controller more than before, and how many virtual items went up in this run; it must be quick.
func newLog(w *world, epoch model.Epoch, now func() time.Time, acked func(rows, moved uint64)) *siteLog {
	return &siteLog{
		epoch: epoch, first: uint64(w.fleet.Sites[w.site].Hosts), now: now, world: w, grown: make(chan struct{}), acked: acked,
	}
}

// Epoch implements uplink.Outbox.
func (l *siteLog) Epoch() model.Epoch { return l.epoch }

// Head implements uplink.Outbox. Before the controller has said what it holds there is no end: whatever
// it holds came from here.
func (l *siteLog) Head() model.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.headLocked()
}

func (l *siteLog) headLocked() model.Seq {
	if !l.placed {
		return math.MaxUint64
	}
	return seqOf(l.head, l.slot)
}

// Dropped implements uplink.Outbox.
func (l *siteLog) Dropped() model.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// After implements uplink.Outbox.
func (l *siteLog) After(after model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := model.TimeOf(l.now())
	j := uint64(after) >> slotBits
	if err := l.world.reach(max(j, l.first)-l.first, now); err != nil {
		return nil, err
	}
	said, _ := slices.BinarySearchFunc(l.said, after+1, func(i model.Item, s model.Seq) int {
		switch {
		case i.Seq < s:
			return -1
		case i.Seq > s:
			return 1
		}
		return 0
	})
	var out []model.Item
	for size := 0; len(out) < maxItems; {
		var item model.Item
		switch {
		case said < len(l.said) && uint64(l.said[said].Seq)>>slotBits <= j:
			item = l.said[said]
			said++
		case j < l.head:
			// Looked at before it is made: what has happened cannot be put back.
			if len(out) > 0 && size+maxRow > maxBytes {
				return out, nil
			}
			j++
			var err error
			if item, err = l.virtual(j, now); err != nil {
				return nil, err
			}
		default:
			return out, nil
		}
		if size += len(item.Payload) + len(item.Key); size > maxBytes && len(out) > 0 {
			return out, nil
		}
		out = append(out, item)
	}
	return out, nil
}

// virtual makes virtual item j. The world has come to the one before it.
func (l *siteLog) virtual(j uint64, now model.Time) (model.Item, error) {
	what := happening{model.ItemHost, int(j) - 1}
	asOf := l.world.base
	if j > l.first {
		var err error
		if what, err = l.world.step(now); err != nil {
			return model.Item{}, err
		}
		asOf = now
	} else if what.n == l.world.tally.upto {
		if err := l.world.count(what.n, 1); err != nil {
			return model.Item{}, err
		}
		l.world.tally.upto++
	}
	item := model.Item{Seq: seqOf(j, 0), Kind: what.kind, AsOf: asOf}
	var v any
	switch what.kind {
	case model.ItemHostGone:
		item.Key = l.world.id(what.n).String()
		return item, nil
	case model.ItemStatus:
		item.Key, v = l.world.id(what.n).String(), l.world.beat(what.n)
	default:
		h, _, err := l.world.host(what.n)
		if err != nil {
			return item, err
		}
		item.Key, v = h.ID.String(), h
	}
	b, err := model.Encode(v)
	if err != nil {
		return item, fault.New(fault.Other, "simulate", "encode host %s: %w", item.Key, err)
	}
	item.Payload = b
	return item, nil
}

// DropThrough implements uplink.Outbox. A number beyond the head comes from a run of this simulation that
// this one does not know of: the log goes on behind it.
func (l *siteLog) DropThrough(seq model.Seq) error {
	l.mu.Lock()
	j, slot := uint64(seq)>>slotBits, uint64(seq)&(1<<slotBits-1)
	placed := l.placed
	if !placed || seq > l.headLocked() {
		l.placed = true
		l.head = max(l.head, l.first, j)
		if l.head == j {
			l.slot = max(l.slot, slot)
		}
		l.growLocked()
	}
	was := uint64(l.dropped) >> slotBits
	l.dropped = max(l.dropped, seq)
	l.said = slices.DeleteFunc(l.said, func(i model.Item) bool { return i.Seq <= l.dropped })
	is := uint64(l.dropped) >> slotBits
	l.mu.Unlock()
	moved := is - was
	if !placed {
		moved = 0 // it went up before this run
	}
	l.acked(min(is, l.first)-min(was, l.first), moved)
	return nil
}

func (l *siteLog) growLocked() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// Wait implements uplink.Outbox.
func (l *siteLog) Wait(ctx context.Context, after model.Seq) error {
	for {
		l.mu.Lock()
		head, grown := l.headLocked(), l.grown
		l.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// maxBacklog is how many events may wait for the controller: beyond, nothing more happens at the site.
const maxBacklog = 8192

// happen lets one more event happen; false: the site's first rows are not at the controller yet, or too
// many events wait.
func (l *siteLog) happen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begunLocked() || l.head-uint64(l.dropped)>>slotBits >= maxBacklog {
		return false
	}
	l.head, l.slot = l.head+1, 0
	l.growLocked()
	return true
}

// sayLocked appends what cannot be computed.
func (l *siteLog) sayLocked(items []model.Item) {
	for _, i := range items {
		if l.slot++; l.slot >= 1<<slotBits {
			l.head, l.slot = l.head+1, 1 // an event comes early
		}
		i.Seq = seqOf(l.head, l.slot)
		l.said = append(l.said, i)
	}
	l.growLocked()
}

// begun reports whether the site's first rows are at the controller.
func (l *siteLog) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begunLocked()
}

func (l *siteLog) begunLocked() bool { return l.placed && uint64(l.dropped)>>slotBits >= l.first }

// judge says that every host is as its row says, and what the site's findings come to where that is news.
// Nothing is said before the rows are at the controller.
func (l *siteLog) judge() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begunLocked() {
		return nil
	}
	now := model.TimeOf(l.now())
	items := []model.Item{{Kind: model.ItemJudged, Key: "judged", AsOf: now}}
	e, ok, err := l.world.exposure(0)
	if err != nil {
		return err
	}
	if ok {
		timeless, err := model.Encode(e)
		if err != nil {
			return err
		}
		if !bytes.Equal(timeless, l.rollup) {
			e.At = now
			b, err := model.Encode(e)
			if err != nil {
				return err
			}
			l.rollup = timeless
			items = append(items, model.Item{Kind: model.ItemExposure, Key: "exposure", AsOf: now, Payload: b})
		}
	}
	l.said = slices.DeleteFunc(l.said, func(i model.Item) bool {
		return slices.ContainsFunc(items, func(n model.Item) bool { return n.Kind == i.Kind })
	})
	l.sayLocked(items)
	return nil
}

// quiet reports whether every answer is at the controller; the rest is said again when it is due.
func (l *siteLog) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.said, func(i model.Item) bool { return i.Kind != model.ItemJudged && i.Kind != model.ItemExposure })
}
