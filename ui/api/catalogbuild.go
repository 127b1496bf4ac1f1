package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// buildWorkers is how many decode records while the catalog is made; one more takes them in.
const buildWorkers = 2

// The bounds of what is on its way between those who make the catalog: a batch is at most so much JSON, or one record.
const (
	batchBytes = 256 << 10
	batchAhead = 8
)

// build makes the catalog of all rows. Searches wait for it; what is asked for by its id does not.
func (g *catalog) build(ctx context.Context, v View, newest model.Seq) error {
	fresh := catalog{sheets: map[string]*leaf{}, bases: map[string]int{}, spoken: map[string][]statementFrom{}}
	of := map[model.AdvisoryKey]*forming{}
	var by exposure.Sheets
	group, ctx := errgroup.WithContext(ctx)
	batches := decodeAll(ctx, group, v)
	group.Go(func() error {
		err := v.EachCanonical("", func(c model.Canonical) error {
			t := begin(c)
			fresh.rows = append(fresh.rows, t.catalogued)
			for _, m := range c.Members {
				of[m.AdvisoryKey] = t
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		for records := range batches {
			for _, a := range <-records {
				if t := of[a.AdvisoryKey]; t != nil {
					if fresh.take(t, &a, &by); t.left == 0 {
						t.finish()
					}
				}
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, t := range of {
		if t.left > 0 { // a record that is not there
			t.left = 0
			t.finish()
		}
	}
	slices.SortFunc(fresh.rows, func(a, b *catalogued) int { return strings.Compare(a.fold, b.fold) })
	if newest > 0 {
		events, err := v.Events(newest-1, 1)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			fresh.last = events[0]
		}
	}
	fresh.prepare()
	g.state.Lock()
	defer g.state.Unlock()
	g.rows, g.sheets, g.bases, g.spoken, g.last, g.ready = fresh.rows, fresh.sheets, fresh.bases, fresh.spoken, fresh.last, true
	g.built++
	return nil
}

// prepare makes all sheets ready.
func (g *catalog) prepare() {
	var group errgroup.Group
	todo := make(chan *leaf, 64)
	for range buildWorkers {
		group.Go(func() error {
			var sorter exposure.Sorter
			for s := range todo {
				s.of = slices.Clip(s.of)
				sorter.Prepare(&s.Sheet)
			}
			return nil
		})
	}
	for _, s := range g.sheets {
		todo <- s
	}
	close(todo)
	_ = group.Wait()
}

// decodeAll reads all records, several at a time, and gives them in order; what is sent is empty where ctx or the group ended.
func decodeAll(ctx context.Context, group *errgroup.Group, v View) <-chan chan []model.Advisory {
	type batch struct {
		raw  [][]byte
		done chan []model.Advisory
	}
	todo, order := make(chan batch), make(chan chan []model.Advisory, batchAhead)
	group.Go(func() error {
		defer close(order)
		defer close(todo)
		var raw [][]byte
		size := 0
		send := func() error {
			b := batch{raw, make(chan []model.Advisory, 1)}
			raw, size = nil, 0
			select {
			case order <- b.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			select {
			case todo <- b:
				return nil
			case <-ctx.Done():
				close(b.done)
				return context.Cause(ctx)
			}
		}
		err := v.EachAdvisoryJSON(func(one []byte) error {
			if raw = append(raw, slices.Clone(one)); size+len(one) < batchBytes {
				size += len(one)
				return nil
			}
			return send()
		})
		if err != nil {
			return err
		}
		return send()
	})
	for range buildWorkers {
		group.Go(func() error {
			for b := range todo {
				records := make([]model.Advisory, len(b.raw))
				for i, raw := range b.raw {
					if err := model.Decode(raw, &records[i]); err != nil {
						close(b.done)
						return fault.New(fault.Corrupt, "search advisories", "a stored record does not decode: %w; restore this folder from a snapshot", err)
					}
				}
				b.done <- records
			}
			return nil
		})
	}
	return order
}

// catalogPace is how long keepCatalog waits before it looks at what changed: many small commits cost one look, and what somebody asks for
// right behind an import, as its export, is not slowed by what is made in advance.
const catalogPace = time.Second

// keepCatalog makes the catalog and follows the rows with it until ctx ends, so that searches find it ready.
func (s *Server) keepCatalog(ctx context.Context) {
	for seen := uint64(0); ; {
		next, err := s.c.Store.Wait(ctx, seen)
		if err != nil {
			return
		}
		seen = next
		rest := time.NewTimer(catalogPace)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return
		}
		v, done := s.c.Store.View()
		err = s.catalog.update(ctx, v)
		done()
		if err != nil && ctx.Err() == nil {
			s.c.Log.Warn("the catalog of advisories is not made: searches make it", "err", err)
		}
	}
}
