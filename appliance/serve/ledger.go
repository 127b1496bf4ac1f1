package serve

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/api"
)

// The bounds of what is written down of questions.
const (
	ledgerWindow = time.Minute
	ledgerOpen   = 4096            // different questions in that time; beyond, those of one actor count as one
	ledgerTime   = 5 * time.Second // for one entry to be durable
)

// Ledger writes into the audit record who asked what of a site. The first question is written at once. The same again
// within a minute, as when somebody turns pages, is counted and written as one more entry at its end. A question is
// not refused where it cannot be written down: it is logged then. No answer, and nothing of one, is in it.
type Ledger struct {
	// Propose makes changes durable.
	Propose func(context.Context, ...model.Change) error
	Now     func() time.Time
	Log     *slog.Logger
	// Actor is whose acts the entries are; empty: of the one who asked. The other is then in their detail.
	Actor string

	mu   sync.Mutex // guards open
	open map[asked]*again
}

// asked is what makes two questions the same.
type asked struct {
	actor, route, object string
	ok                   bool
}

type again struct {
	since time.Time
	n     int // after the first
	last  api.Asked
}

// Asked notes a question.
func (l *Ledger) Asked(ctx context.Context, q api.Asked) {
	q.Actor = fault.Clip(fault.Printable(q.Actor), 128)
	now := l.Now()
	k := asked{q.Actor, q.Route, q.Object, q.Err == nil}
	l.mu.Lock()
	if l.open == nil {
		l.open = map[asked]*again{}
	}
	if l.open[k] == nil && len(l.open) >= ledgerOpen {
		k = asked{actor: q.Actor}
	}
	if x := l.open[k]; x != nil {
		x.n++
		x.last = q
		l.mu.Unlock()
		return
	}
	l.open[k] = &again{since: now, last: q}
	l.mu.Unlock()
	l.write(ctx, l.entry(q, nil))
}

func (l *Ledger) entry(q api.Asked, more map[string]string) model.Note {
	n := model.Note{
		Stamp: model.Stamp{Actor: q.Actor, At: model.TimeOf(l.Now())}, Action: "site.ask", Object: q.Object, OK: q.Err == nil,
		Detail: map[string]string{"route": q.Route},
	}
	if q.Site != "" && q.Site != q.Object {
		n.Detail["site"] = q.Site
	}
	if l.Actor != "" {
		n.Actor = l.Actor
		if q.Actor != "" {
			n.Detail["asked_by"] = q.Actor
		}
	}
	if q.Err != nil {
		n.Reason = fault.Clip(fault.Printable(q.Err.Error()), 300)
	}
	maps.Copy(n.Detail, q.Detail)
	maps.Copy(n.Detail, more)
	return n
}

func (l *Ledger) write(ctx context.Context, notes ...model.Change) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime) // who went away asked all the same
	defer cancel()
	if err := l.Propose(ctx, notes...); err != nil {
		for _, n := range notes {
			l.Log.Warn("a question could not be written into the audit record", "entry", n, "err", err)
		}
	}
}

// Run writes down what was asked again, a minute after the first time each, until ctx ends; then the rest at once.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(ledgerWindow / 12)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(ctx, 0)
			return nil
		case <-tick.C:
			l.flush(ctx, ledgerWindow)
		}
	}
}

// flush closes what began that long ago.
func (l *Ledger) flush(ctx context.Context, age time.Duration) {
	now := l.Now()
	var notes []model.Change
	l.mu.Lock()
	for k, x := range l.open {
		if d := now.Sub(x.since); d >= 0 && d < age {
			continue
		}
		delete(l.open, k)
		if x.n > 0 {
			notes = append(notes, l.entry(x.last, map[string]string{"again": fmt.Sprint(x.n), "since": model.TimeOf(x.since).String()}))
		}
	}
	l.mu.Unlock()
	for len(notes) > 0 {
		n := min(len(notes), 256)
		l.write(ctx, notes[:n]...)
		notes = notes[n:]
	}
}
