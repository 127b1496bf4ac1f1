package hub

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// directives is the exchange.Source of what goes down to one member. It reads committed rows only and
// keeps nothing: a directive stays in the store until apply removes it.
type directives struct {
	*Hub
	to    model.NodeID
	epoch model.Epoch
}

// Epoch implements exchange.Source.
func (d *directives) Epoch() model.Epoch { return d.epoch }

// Acked implements exchange.Source. The member's own position is what counts when it comes back.
func (d *directives) Acked(context.Context, model.Position) error { return nil }

// Next implements exchange.Source.
func (d *directives) Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) ([]model.Item, model.Seq, error) {
	for commits := uint64(0); ; {
		// The count is taken before the rows are read, so that a commit in between wakes the next round.
		n, err := d.Reader.Wait(ctx, commits)
		if err != nil {
			return nil, 0, err
		}
		if commits > 0 {
			if err := pause(ctx, d.Settle); err != nil {
				return nil, 0, err
			}
		}
		commits = n
		items, through, err := d.Reader.Directives(d.to, after, maxItems, maxBytes, d.ToAll)
		if err != nil {
			return nil, 0, err
		}
		if len(items) > 0 || through != after {
			return items, through, nil
		}
	}
}

// pause waits for d, so that a busy store is not read again at each of its commits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
