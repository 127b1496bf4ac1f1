package exchange

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Received is the Sink of a server: each run is proposed as one model.Received, whose watermark is
// applied in the same batch as its rows.
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

// Accept implements Sink.
func (r *Received) Accept(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
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
