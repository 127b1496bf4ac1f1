package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// batchSize is how many deltas a site sends in one piece.
const batchSize = 500

// traffic is what some writers send: a list of deliveries for each.
type traffic [][]delivery

func (t traffic) rows() int {
	n := 0
	for _, list := range t {
		for _, d := range list {
			n += len(d.Deltas)
		}
	}
	return n
}

// traffic makes so many batches, spread over the writers, in an epoch of their own. A heartbeat of a host that
// an earlier epoch removed is left out: a site sends none.
func (b *bench) traffic(writers, batches int) traffic {
	b.epoch++
	out := make(traffic, writers)
	for w := range out {
		stream := b.fleet.DeltasFrom(b.epoch, w, writers)
		for range (batches + writers - 1 - w) / writers {
			d := delivery{stream.Next(batchSize), b.epoch + 1} // 1 was the first sync
			kept := d.Deltas[:0]
			for _, x := range d.Deltas {
				if x.Op == fleet.OpBeat && b.gone[x.HostID] {
					continue
				}
				if x.Op == fleet.OpRemove {
					b.gone[x.HostID] = true
				} else {
					delete(b.gone, x.HostID)
				}
				kept = append(kept, x)
			}
			d.Deltas = kept
			out[w] = append(out[w], d)
		}
	}
	return out
}

// deliver sends the traffic to an engine, each writer its list, and returns how long that took. Everything is
// made ready before the clock runs. rate bounds the rows a second of all writers together; 0: no bound.
func deliver(ctx context.Context, e Engine, t traffic, rate float64) (took time.Duration, err error) {
	r, err := makeReady(ctx, e, t)
	if err != nil {
		return 0, err
	}
	defer r.close()
	return r.send(ctx, rate)
}

// ready is traffic that has only to be sent.
type ready struct {
	t       traffic
	writers []Writer
	sends   [][]func(context.Context) error // by writer
}

func (r *ready) close() {
	for _, w := range r.writers {
		w.Close()
	}
}

func makeReady(ctx context.Context, e Engine, t traffic) (*ready, error) {
	r := &ready{t: t, sends: make([][]func(context.Context) error, len(t))}
	for w, list := range t {
		writer, err := e.Writer(ctx)
		if err != nil {
			r.close()
			return nil, err
		}
		r.writers = append(r.writers, writer)
		for _, d := range list {
			send, err := writer.Prepare(d)
			if err != nil {
				r.close()
				return nil, err
			}
			r.sends[w] = append(r.sends[w], send)
		}
	}
	return r, nil
}

// send sends it; see deliver.
func (r *ready) send(ctx context.Context, rate float64) (took time.Duration, err error) {
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for w := range r.sends {
		g.Go(func() error {
			due := began
			for i, send := range r.sends[w] {
				if rate > 0 {
					// Who is behind does not wait.
					if err := pause(ctx, time.Until(due)); err != nil {
						return err
					}
					due = due.Add(time.Duration(float64(len(r.t[w][i].Deltas)*len(r.t)) / rate * float64(time.Second)))
				}
				if err := send(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	return time.Since(began), err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx))
	}
}
