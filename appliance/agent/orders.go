package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
)

const (
	maxOutput   = 4096             // bytes: model.Task
	maxReason   = 1024             // bytes: model.Task
	orderTime   = 10 * time.Minute // how long one order may run
	longestWait = time.Minute      // between two looks at the clock, which may be set or stand still in sleep

	// interrupted is the reason of an order that was running when the agent ended. Whether it had its
	// effect is not known, so it is not run again.
	interrupted = "interrupted"
)

// handler runs one kind of command. The text is for people; the error's text becomes the reason.
type handler func(context.Context) (output string, err error)

// orders runs what the journal holds, one at a time, oldest first, and reports every step.
type orders struct {
	host     model.HostID
	queue    *queue.Queue
	log      *slog.Logger
	now      func() time.Time
	handlers map[string]handler

	mu      sync.Mutex // guards what follows
	waiting []model.Order
	seen    map[model.CommandID]bool // put in line since the start
	news    chan struct{}            // has room for one: something was added to waiting
}

func newOrders(host model.HostID, q *queue.Queue, log *slog.Logger, now func() time.Time, h map[string]handler) *orders {
	return &orders{host: host, queue: q, log: log, now: now, handlers: h, seen: map[model.CommandID]bool{}, news: make(chan struct{}, 1)}
}

// recover reports what the last run left unfinished. An order that was delivered is reported as such
// once more, because the last run may have ended before it could; a repeat changes nothing.
func (o *orders) recover() error {
	journal, err := o.queue.Orders()
	if err != nil {
		return err
	}
	for _, rec := range journal {
		switch rec.State {
		case model.CommandDelivered:
			if err := o.queueUp(rec.Order, rec.At); err != nil {
				return err
			}
		case model.CommandRunning:
			if err := o.interrupt(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// interrupt ends an order that was marked running when the agent ended.
func (o *orders) interrupt(rec queue.JournalRecord) error {
	id := rec.Order.Command.ID
	o.log.Warn("an order was running when the agent ended; it is not run again", "command", id, "kind", rec.Order.Command.Kind)
	return o.step(id, model.CommandFailed, model.TimeOf(o.now()), interrupted, "")
}

// take makes a run of items from the site durable and puts its orders in line.
func (o *orders) take(origin model.NodeID, epoch model.Epoch, items []model.Item) error {
	held, err := o.queue.Held(origin)
	if err != nil {
		return err
	}
	if err := o.queue.Take(origin, epoch, items); err != nil {
		return err
	}
	var taken []model.CommandID
	for _, it := range items {
		var order model.Order
		if it.Kind == model.ItemOrder && !held.Covers(epoch, it.Seq) && model.Decode(it.Payload, &order) == nil {
			taken = append(taken, order.Command.ID)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	journal, err := o.queue.Orders()
	if err != nil {
		return err
	}
	for _, rec := range journal {
		if !slices.Contains(taken, rec.Order.Command.ID) {
			continue
		}
		if rec.State == model.CommandDelivered {
			err = o.queueUp(rec.Order, rec.At)
		} else {
			err = o.repeat(rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// queueUp reports a journalled order as delivered, and lets it be run after that: at the site, the
// steps must arrive in their order.
func (o *orders) queueUp(order model.Order, at model.Time) error {
	if !slices.Contains(order.Hosts, o.host) {
		o.log.Warn("an order for other hosts came down and is not run", "command", order.Command.ID)
		return o.queue.MarkOrder(order.Command.ID, model.CommandFailed, model.TimeOf(o.now()))
	}
	o.mu.Lock()
	known := o.seen[order.Command.ID]
	o.seen[order.Command.ID] = true
	o.mu.Unlock()
	if known {
		return nil
	}
	if err := o.report(order.Command.ID, model.CommandDelivered, at, "", ""); err != nil {
		return err
	}
	o.mu.Lock()
	o.waiting = append(o.waiting, order)
	slices.SortFunc(o.waiting, func(a, b model.Order) int { return cmp.Compare(a.Command.ID.String(), b.Command.ID.String()) })
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return nil
}

// repeat answers an order that came once more after it had run, as from a site that lost what it had
// acknowledged: it is told the steps again and nothing is run.
func (o *orders) repeat(rec queue.JournalRecord) error {
	id := rec.Order.Command.ID
	steps := []model.CommandState{model.CommandDelivered, model.CommandRunning, rec.State}
	if rec.State == model.CommandExpired || rec.State == model.CommandRunning {
		steps = []model.CommandState{model.CommandDelivered, rec.State}
	}
	for _, s := range steps {
		reason := ""
		if s == model.CommandFailed || s == model.CommandSucceeded {
			reason = "it ran when it came for the first time; its result was reported then"
		}
		if err := o.report(id, s, rec.At, reason, ""); err != nil {
			return err
		}
	}
	return nil
}

// report appends one step to the outbox.
func (o *orders) report(id model.CommandID, s model.CommandState, at model.Time, reason, output string) error {
	it, err := o.move(id, s, at, model.Move{Reason: reason, Output: output})
	if err != nil {
		return err
	}
	_, err = o.queue.Append([]model.Item{it})
	return err
}

// step marks one step in the journal and reports it, both or neither: a result that the site was told
// is never taken for an interruption after a crash.
func (o *orders) step(id model.CommandID, s model.CommandState, at model.Time, reason, output string) error {
	var items []model.Item
	m := model.Move{Reason: reason, Output: output}
	if len(output) > maxOutput {
		it, digest, err := o.whole(id, at, output)
		if err != nil {
			return err
		}
		items = append(items, it) // first, so that it is there when the site says that there is more
		m.OutputSize, m.OutputDigest = int64(len(output)), digest
	}
	it, err := o.move(id, s, at, m)
	if err != nil {
		return err
	}
	return o.queue.MarkOrder(id, s, at, append(items, it)...)
}

// whole returns the item with what a command printed, as far as it is kept, and its digest.
func (o *orders) whole(id model.CommandID, at model.Time, output string) (model.Item, string, error) {
	text := clip(output, model.MaxOutput)
	payload, err := model.Encode(model.Output{Command: id, Host: o.host, Text: text, Size: int64(len(output))})
	if err != nil {
		return model.Item{}, "", fault.New(fault.Other, "report order "+id.String(), "%w", err)
	}
	sum := sha256.Sum256([]byte(text))
	return model.Item{Kind: model.ItemOutput, Key: id.String() + "/" + o.host.String(), AsOf: at, Payload: payload}, hex.EncodeToString(sum[:]), nil
}

// move returns the item that says m of this host's part in a command.
func (o *orders) move(id model.CommandID, s model.CommandState, at model.Time, m model.Move) (model.Item, error) {
	m.Command, m.Host, m.State, m.At, m.Reason, m.Output = id, o.host, s, at, clip(m.Reason, maxReason), clip(m.Output, maxOutput)
	payload, err := model.Encode(m)
	if err != nil {
		return model.Item{}, fault.New(fault.Other, "report order "+id.String(), "%w", err)
	}
	key := id.String() + "/" + o.host.String() + "/" + string(s)
	return model.Item{Kind: model.ItemMove, Key: key, AsOf: at, Payload: payload}, nil
}

// run runs orders until ctx ends. Its errors are of the disk.
func (o *orders) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.news:
		case <-timer.C:
		}
		for ctx.Err() == nil {
			order, expired, wait := o.next()
			if order == nil {
				timer.Reset(wait)
				break
			}
			var err error
			if expired {
				err = o.expire(order.Command)
			} else {
				err = o.execute(ctx, order.Command)
			}
			if err != nil {
				return err
			}
		}
	}
}

// next takes the first order out of the line that is due or past its time; nil: wait that long.
func (o *orders) next() (order *model.Order, expired bool, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := model.TimeOf(o.now())
	wait = longestWait
	for i, w := range o.waiting {
		c := w.Command
		expired = !c.ExpiresAt.IsZero() && c.ExpiresAt < now
		if expired || c.NotBefore <= now {
			o.waiting = slices.Delete(o.waiting, i, i+1)
			return &w, expired, 0
		}
		wait = min(wait, c.NotBefore.Std().Sub(now.Std()))
		if !c.ExpiresAt.IsZero() {
			wait = min(wait, c.ExpiresAt.Std().Sub(now.Std())+time.Millisecond)
		}
	}
	return nil, false, wait
}

func (o *orders) expire(c model.Command) error {
	now := model.TimeOf(o.now())
	o.log.Info("an order was past its time and is not run", "command", c.ID, "kind", c.Kind, "expired", c.ExpiresAt)
	return o.step(c.ID, model.CommandExpired, now, "its time had passed when the agent could run it", "")
}

// execute runs one order. That it runs is durable before anything happens.
func (o *orders) execute(ctx context.Context, c model.Command) error {
	at := model.TimeOf(o.now())
	if err := o.step(c.ID, model.CommandRunning, at, "", ""); err != nil {
		return err
	}
	state, reason, output := model.CommandSucceeded, "", ""
	h, ok := o.handlers[c.Kind]
	if ok {
		limited, cancel := context.WithTimeout(ctx, orderTime)
		var err error
		output, err = h(limited)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			state, reason = model.CommandFailed, interrupted
		case limited.Err() != nil && errors.Is(err, context.DeadlineExceeded):
			state, reason = model.CommandFailed, "it was given up after "+orderTime.String()+": "+err.Error()
		default:
			state, reason = model.CommandFailed, err.Error()
		}
		cancel()
	} else {
		state, reason = model.CommandFailed, "this agent (version "+Version+") does not know "+c.Kind
	}
	at = model.TimeOf(o.now())
	o.log.Info("an order was run", "command", c.ID, "kind", c.Kind, "state", state, "reason", reason)
	return o.step(c.ID, state, at, reason, output)
}

// clip makes s valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
