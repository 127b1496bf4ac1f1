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
			"the other side holds item %d of epoch %d, but this node's newest is %d: this node runs from an older copy of its data, and what it sends would be taken for old; %s",
			from, held.Epoch, head, exchange.Remedy)
	}
	if from >= dropped {
		err := l.Outbox.DropThrough(from) // before anything is sent
		if fault.Is(err, fault.Conflict) {
			return fault.New(fault.Conflict, "resume the link", "%w; %s", err, exchange.Remedy)
		}
		return fault.Wrap("resume the link", err)
	}
	l.Log.Warn("the upper tier lost what it had acknowledged; sending everything again",
		"held", uint64(from), "acknowledged", uint64(dropped))
	return fault.Wrap("send everything again", l.Resync(ctx))
}
