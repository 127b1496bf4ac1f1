package exchange

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Received is the Sink of a server: each run is proposed as a model.Received, whose watermark is applied
// in the same batch as its rows.
type Received struct {
	Origin model.NodeID // whom the session proved the other side to be
	Actor  string       // for the audit record: site:ID, agent:ID, controller:ID
	// Watermark returns how far the rows are held; it reads what is durable.
	Watermark func(model.NodeID) (model.Position, error)
	// Propose returns once the changes are durable and applied, all or none.
	Propose func(context.Context, ...model.Change) error
	// Prepare may replace a run before it is proposed, and add changes that are applied with it. It keeps
	// every item's Seq, the last one's above all. Nil: as it came.
	Prepare func(context.Context, []model.Item) ([]model.Item, []model.Change, error)
	// Accepted is told of each run that was applied. May be nil.
	Accepted func([]model.Item)
	Now      func() time.Time
}

// Held implements Sink.
func (r *Received) Held(context.Context) (model.Position, error) { return r.Watermark(r.Origin) }

// Accept implements Sink. A run that is longer than this side would send (an older peer's, or a greedy
// one's) is proposed in pieces.
func (r *Received) Accept(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	for {
		n := piece(items)
		at, err := r.propose(ctx, epoch, items[:n])
		if err != nil || n == len(items) {
			return at, err
		}
		items = items[n:]
	}
}

// piece returns how many items, at least one, are proposed at once.
func piece(items []model.Item) int {
	size := 0
	for i := range items {
		if size += len(items[i].Payload); i == MaxRunItems || i > 0 && size > MaxRunBytes {
			return i
		}
	}
	return len(items)
}

func (r *Received) propose(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	at := model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}
	var more []model.Change
	if r.Prepare != nil {
		var err error
		if items, more, err = r.Prepare(ctx, items); err != nil {
			return model.Position{}, err
		}
	}
	changes := append([]model.Change{model.Received{
		Stamp:  model.Stamp{Actor: r.Actor, At: model.TimeOf(r.Now())},
		Origin: r.Origin, Epoch: epoch, Items: items,
	}}, more...)
	if err := r.Propose(ctx, changes...); err != nil {
		return model.Position{}, err
	}
	if r.Accepted != nil {
		r.Accepted(items)
	}
	return at, nil
}
