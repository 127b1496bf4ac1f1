package simulate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// orders is what comes down: orders are obeyed as they come, and all else is only counted as held. Where
// the position is lost the orders that are still open come again, and so do the moves that answer them,
// which change nothing where they are known.
type orders struct {
	obey func(context.Context, model.Order) error

	mu   sync.Mutex // guards what follows
	held model.Position
	last time.Time // when something came
}

// Held implements exchange.Sink.
func (o *orders) Held(context.Context) (model.Position, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held, nil
}

// Accept implements exchange.Sink.
func (o *orders) Accept(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	for _, item := range items {
		if item.Kind == model.ItemOrder && !o.held.Covers(epoch, item.Seq) {
			var order model.Order
			if err := model.Decode(item.Payload, &order); err != nil {
				return o.held, fault.New(fault.Corrupt, "simulate", "order %q: %w", item.Key, err)
			}
			if err := o.obey(ctx, order); err != nil {
				return o.held, err
			}
		}
		o.held = model.Position{Epoch: epoch, Seq: item.Seq}
	}
	return o.held, nil
}

// idle returns for how long nothing has come down.
func (o *orders) idle() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.last)
}

// obey answers for every host that the order names that it did what it was told.
func (o *outbox) obey(order model.Order) error {
	at := model.TimeOf(time.Now())
	var moves []model.Item
	for _, h := range order.Hosts {
		m, err := obeyed(order.Command, h, at)
		if err != nil {
			return err
		}
		moves = append(moves, m...)
	}
	o.append(moves)
	return nil
}

// obeyed returns the moves of a host that does what it is told.
func obeyed(c model.Command, h model.HostID, at model.Time) ([]model.Item, error) {
	var out []model.Item
	for _, s := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
		m := model.Move{Command: c.ID, Host: h, State: s, At: at}
		if s == model.CommandSucceeded {
			m.Output = "simulated " + c.Kind
		}
		item, err := moveItem(m)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func moveItem(m model.Move) (model.Item, error) {
	b, err := model.Encode(m)
	if err != nil {
		return model.Item{}, fmt.Errorf("encode move: %w", err)
	}
	key := m.Command.String() + "/" + m.Host.String() + "/" + string(m.State)
	return model.Item{Kind: model.ItemMove, Key: key, AsOf: m.At, Payload: b}, nil
}
