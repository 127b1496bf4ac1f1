package simulate

import (
	"context"
	"fmt"
	"sync"

	"github.com/skerryhq/skerry/engine/model"
)

// outbox is what a real agent keeps on disk, computed instead: its first items are the facts (3n+1), the
// inventory (3n+2, where it has one) and the facts of the system (3n+3) of each host in turn, made when they are asked
// for; behind them stand the results of commands, in memory.
type outbox struct {
	fleet *Fleet
	hosts int
	fixed model.Seq // the last host's last item
	epoch model.Epoch
	asOf  model.Time

	mu      sync.Mutex // guards what follows
	dropped model.Seq
	moves   []model.Item  // numbered from fixed+1
	grown   chan struct{} // closed and replaced when moves grow
	acked   func(sent, total int)
}

// perHost is how many numbers each host has.
const perHost = 3

func newOutbox(f *Fleet, hosts int, epoch model.Epoch, asOf model.Time, acked func(sent, total int)) (*outbox, error) {
	if _, _, err := f.Host(hosts - 1); err != nil {
		return nil, err
	}
	return &outbox{fleet: f, hosts: hosts, fixed: perHost * model.Seq(hosts), epoch: epoch, asOf: asOf, grown: make(chan struct{}), acked: acked}, nil
}

// Epoch implements uplink.Outbox.
func (o *outbox) Epoch() model.Epoch { return o.epoch }

// Head implements uplink.Outbox.
func (o *outbox) Head() model.Seq {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.headLocked()
}

func (o *outbox) headLocked() model.Seq { return o.fixed + model.Seq(len(o.moves)) }

// Dropped implements uplink.Outbox.
func (o *outbox) Dropped() model.Seq {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

// After implements uplink.Outbox.
func (o *outbox) After(after model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	var out []model.Item
	size := 0
	for seq := after + 1; len(out) < maxItems && seq <= o.Head(); seq++ {
		item, ok, err := o.item(seq)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if size += len(item.Payload) + len(item.Key); size > maxBytes && len(out) > 0 {
			break
		}
		out = append(out, item)
	}
	return out, nil
}

// item returns the item of a number; false: it is that of an inventory which the host does not have.
func (o *outbox) item(seq model.Seq) (model.Item, bool, error) {
	if seq > o.fixed {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.moves[seq-o.fixed-1], true, nil
	}
	n := int(seq-1) / perHost
	facts, packages, err := o.fleet.Host(n)
	item := model.Item{Seq: seq, Kind: model.ItemFacts, Key: o.fleet.ID(n).String(), AsOf: o.asOf}
	if err != nil {
		return item, false, err
	}
	var payload any = facts
	switch (seq - 1) % perHost {
	case 1:
		item.Kind, item.Payload = model.ItemPackages, packages
		return item, packages != nil, nil
	case 2:
		item.Kind, payload = model.ItemOSFacts, o.fleet.System(n, facts)
	}
	if item.Payload, err = model.Encode(payload); err != nil {
		return item, false, fmt.Errorf("encode simulated host %d: %w", n, err)
	}
	return item, true, nil
}

// append adds results of commands.
func (o *outbox) append(moves []model.Item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range moves {
		m.Seq = o.headLocked() + 1
		o.moves = append(o.moves, m)
	}
	close(o.grown)
	o.grown = make(chan struct{})
}

// DropThrough implements uplink.Outbox. What a simulation has sent stays computable, so nothing is freed.
func (o *outbox) DropThrough(seq model.Seq) error {
	o.mu.Lock()
	o.dropped = max(o.dropped, seq)
	hosts := int(min(o.dropped, o.fixed)) / perHost
	o.mu.Unlock()
	if o.acked != nil {
		o.acked(hosts, o.hosts)
	}
	return nil
}

// Wait implements uplink.Outbox.
func (o *outbox) Wait(ctx context.Context, after model.Seq) error {
	for {
		o.mu.Lock()
		head, grown := o.headLocked(), o.grown
		o.mu.Unlock()
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
