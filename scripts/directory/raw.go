package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// tapped is what a store offers so that its own writes can be compared with Pebble alone, which no other
// room may open: Tap hands over the bytes of every batch before it is committed, until it is called with nil;
// Raw opens an empty database in dir, set up as the store's own, and returns what commits such bytes durably.
type tapped interface {
	Tap(fn func(batch []byte))
	Raw(dir string) (commit func(batch []byte) error, closeDB func() error, err error)
}

// raw has Pebble alone write what one of our own runs wrote, in each of the readings of it (shape), and compares the
// rates, ours being the best of those measured before.
func (b *bench) raw(best float64) error {
	s, ok := any(b.sk.store).(tapped)
	if !ok {
		b.printf("raw Pebble: NOT MEASURED, the store does not hand out what it writes\n")
		return nil
	}
	t := b.traffic(1, ingestRows/batchSize)
	r, err := makeReady(b.ctx, b.sk, t)
	if err != nil {
		return err
	}
	defer r.close()
	var batches [][]byte
	s.Tap(func(batch []byte) { batches = append(batches, slices.Clone(batch)) })
	before := b.spent(b.sk)
	_, err = r.send(b.ctx, 0)
	own := b.spent(b.sk).minus(before)
	s.Tap(nil)
	if err != nil {
		return err
	}
	if b.pg != nil { // both hold the same again
		if _, err := deliver(b.ctx, b.pg, t, 0); err != nil {
			return err
		}
	}
	shapes, err := shapesOf(t[0], batches, named(b.fleet, t[0]))
	if err != nil {
		return err
	}
	rows := float64(t.rows())
	b.printf("raw Pebble, an fsync for each batch; our own CPU is %s us a row, written by one\n", own.each(rows))
	for _, shape := range shapes {
		b.printf("  %-34s", shape.name)
		alone, alike := 0.0, cpu{}
		for _, n := range writerCounts {
			took, work, err := b.rawRun(s, shape.batches, n)
			if err != nil {
				return err
			}
			if n == 1 {
				alike = work
			}
			rate := rows / took.Seconds()
			alone = max(alone, rate)
			b.printf(" %10.0f", rate)
		}
		b.printf("   (%d batches, %.0f bytes and %s us of CPU a row; ours is %.0f %% of the best)\n",
			len(shape.batches), shape.size(t.rows()), alike.each(rows), 100*best/alone)
		b.figure(best >= alone/2, "ingest >= 50 % of raw Pebble writing "+shape.name, "%.0f %%, the best of 1, 2 and 8 writers each", 100*best/alone)
	}
	return nil
}

// rawRun writes the batches by so many writers in turn, each of them synced.
func (b *bench) rawRun(s tapped, batches [][]byte, writers int) (took time.Duration, work cpu, err error) {
	dir := filepath.Join(b.dir, "raw")
	commit, closeDB, err := s.Raw(dir)
	if err != nil {
		return 0, work, err
	}
	g, ctx := errgroup.WithContext(b.ctx)
	before, began := b.spent(b.sk), time.Now()
	for w := range writers {
		g.Go(func() error {
			for i := w; i < len(batches); i += writers {
				if err := context.Cause(ctx); err != nil {
					return err
				}
				if err := commit(batches[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	took, work = time.Since(began), b.spent(b.sk).minus(before)
	if err2 := closeDB(); err == nil {
		err = err2
	}
	if err2 := os.RemoveAll(dir); err == nil {
		err = err2
	}
	return took, work, err
}
