package index

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/fault"
)

// Tap hands the bytes of every batch to fn before it is committed, from one goroutine at a time, until it is
// called with nil; fn must not keep them. It is for measurements, together with Raw.
func (s *Store) Tap(fn func(batch []byte)) {
	if fn == nil {
		s.tap.Store(nil)
		return
	}
	s.tap.Store(&fn)
}

// Raw opens an empty database in dir, set up as this store's own, with a cache of the same size. commit writes the
// bytes of one batch and returns after the fsync; any goroutine may call it. It is for measurements: what
// Pebble alone takes for what the store writes.
func (s *Store) Raw(dir string) (commit func(batch []byte) error, closeIt func() error, err error) {
	o := s.options(true)
	cache := pebble.NewCache(s.cache.MaxSize())
	defer cache.Unref() // the database keeps it
	o.Cache, o.DisableWAL = cache, false
	db, err := openPebble(dir, o)
	if err != nil {
		return nil, nil, diskError("open a database", dir, err)
	}
	commit = func(batch []byte) error {
		b := db.NewBatch()
		defer b.Close()
		if err := b.SetRepr(append([]byte(nil), batch...)); err != nil {
			return err
		}
		return b.Commit(pebble.Sync)
	}
	return commit, func() error { return closeDB(db) }, nil
}

// Compact brings everything to the bottom of the tree, so that the folder holds each row once. It takes seconds
// for a million hosts, and writes go on meanwhile; ctx ends it early.
func (s *Store) Compact(ctx context.Context) error {
	l := s.use()
	defer s.unuse(l)
	err := caught(func() error {
		return l.db.Compact(ctx, []byte{0}, []byte{0xff}, true)
	})
	if err != nil {
		return fault.New(fault.Other, "compact the index", "%s: %w", s.dir, err)
	}
	return nil
}
