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

// raw writes the bytes of one of our own runs by Pebble alone and compares the rates, ours being the best of
// those measured before.
func (b *bench) raw(best float64) error {
	s, ok := any(b.sk.store).(tapped)
	if !ok {
		b.printf("raw Pebble: NOT MEASURED, the store does not hand out what it writes\n")
		return nil
	}
	var batches [][]byte
	size := 0
	s.Tap(func(batch []byte) {
		batches = append(batches, slices.Clone(batch))
		size += len(batch)
	})
	t := b.traffic(1, ingestRows/batchSize)
	_, err := deliver(b.ctx, b.sk, t, 0)
	s.Tap(nil)
	if err != nil {
		return err
	}
	if b.pg != nil { // both hold the same again
		if _, err := deliver(b.ctx, b.pg, t, 0); err != nil {
			return err
		}
	}
	b.printf("%-36s", "raw Pebble, the same bytes")
	alone := 0.0
	for _, n := range writerCounts {
		took, err := b.rawRun(s, batches, n)
		if err != nil {
			return err
		}
		rate := float64(t.rows()) / took.Seconds()
		alone = max(alone, rate)
		b.printf(" %10.0f", rate)
	}
	b.printf("   (%d batches, %.0f bytes a row)\n", len(batches), float64(size)/float64(t.rows()))
	b.figure(best >= alone/2, "ingest >= 50 % of raw Pebble writing the same bytes", "%.0f %%, the best of 1, 2 and 8 writers each", 100*best/alone)
	return nil
}

// rawRun writes the batches by so many writers in turn, each of them synced.
func (b *bench) rawRun(s tapped, batches [][]byte, writers int) (took time.Duration, err error) {
	dir := filepath.Join(b.dir, "raw")
	commit, closeDB, err := s.Raw(dir)
	if err != nil {
		return 0, err
	}
	g, ctx := errgroup.WithContext(b.ctx)
	began := time.Now()
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
	took = time.Since(began)
	if err2 := closeDB(); err == nil {
		err = err2
	}
	if err2 := os.RemoveAll(dir); err == nil {
		err = err2
	}
	return took, err
}
