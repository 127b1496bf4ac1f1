package uplink

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
)

// reconcile compares what the upper tier holds with what the outbox gave out, before anything is sent.
func (l *Link) reconcile(ctx context.Context, held model.Position) error {
	from, err := exchange.Resume(l.Outbox.Epoch(), held)
	if err != nil {
		return err
	}
	dropped := l.Outbox.Dropped()
	if head := l.Outbox.Head(); from > head {
		_ = l.Outbox.DropThrough(from) // refused, and remembered: by the next dial the head may have grown past it
		return fault.New(fault.Conflict, "resume the link",
			"the other side holds item %d of epoch %d, but this node's newest is %d: this node runs from an older copy of its data and needs a new epoch, or what it sends would be taken for old",
			from, held.Epoch, head)
	}
	if from >= dropped {
		return fault.Wrap("resume the link", l.Outbox.DropThrough(from)) // before anything is sent
	}
	l.Log.Warn("the upper tier lost what it had acknowledged; sending everything again",
		"held", uint64(from), "acknowledged", uint64(dropped))
	return fault.Wrap("send everything again", l.Resync(ctx))
}

// outbox is an Outbox as an exchange.Source.
type outbox struct{ Outbox }

// Next implements exchange.Source. What is missing between two numbers was replaced by a newer item,
// so the last item's number is the place reached.
func (o outbox) Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) ([]model.Item, model.Seq, error) {
	for {
		head := o.Head() // before the items are read, so that one appended meanwhile ends the wait
		items, err := o.After(after, maxItems, maxBytes)
		if err != nil {
			return nil, 0, err
		}
		if n := len(items); n > 0 {
			return items, items[n-1].Seq, nil
		}
		if err := o.Wait(ctx, max(after, head)); err != nil {
			return nil, 0, err
		}
	}
}

// Acked implements exchange.Source.
func (o outbox) Acked(_ context.Context, at model.Position) error { return o.DropThrough(at.Seq) }
