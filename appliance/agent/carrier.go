package agent

import (
	"context"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
)

// outbox is the queue as the link sees it, with an eye on the disk.
type outbox struct {
	*queue.Queue
	check func(error) error
}

// DropThrough implements uplink.Outbox.
func (o outbox) DropThrough(seq model.Seq) error { return o.check(o.Queue.DropThrough(seq)) }

// inbox is the journal as the link's exchange.Sink.
type inbox struct {
	origin model.NodeID
	orders *orders
	queue  *queue.Queue
	check  func(error) error
}

// Held implements exchange.Sink.
func (in *inbox) Held(context.Context) (model.Position, error) { return in.queue.Held(in.origin) }

// Accept implements exchange.Sink. When it returns, every order among the items is in the journal and
// the report that it was delivered is in the outbox.
func (in *inbox) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	if err := in.orders.take(in.origin, epoch, items); err != nil || len(items) == 0 {
		return model.Position{}, in.check(err)
	}
	return model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}, nil
}
