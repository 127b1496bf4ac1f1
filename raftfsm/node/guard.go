package node

import (
	"sync"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// guard stands between Raft and the log, and makes the first failed write final. Raft itself steps down
// after a failed write and may well be elected again and write on, though a failed fsync has told the
// kernel to forget what it could not write.
type guard struct {
	store

	mu     sync.Mutex // guards cause
	cause  error
	failed chan struct{} // closed when cause is set
}

// store is what raft-wal offers.
type store interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
}

func newGuard(s store) *guard { return &guard{store: s, failed: make(chan struct{})} }

// err returns the first failure, as the error of every later write.
func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// write runs one write, unless one has failed before.
func (g *guard) write(fn func() error) error {
	if err := g.err(); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		g.cause = fault.New(fault.ReadOnly, "", "writing the Raft log failed (%w); nothing more is written until the disk is put right and the program is started again", err)
		close(g.failed)
	}
	return g.cause
}

// StoreLog implements raft.LogStore.
func (g *guard) StoreLog(l *raft.Log) error {
	return g.write(func() error { return g.store.StoreLog(l) })
}

// StoreLogs implements raft.LogStore.
func (g *guard) StoreLogs(l []*raft.Log) error {
	return g.write(func() error { return g.store.StoreLogs(l) })
}

// DeleteRange implements raft.LogStore.
func (g *guard) DeleteRange(first, last uint64) error {
	return g.write(func() error { return g.store.DeleteRange(first, last) })
}

// Set implements raft.StableStore.
func (g *guard) Set(key, val []byte) error {
	return g.write(func() error { return g.store.Set(key, val) })
}

// SetUint64 implements raft.StableStore.
func (g *guard) SetUint64(key []byte, val uint64) error {
	return g.write(func() error { return g.store.SetUint64(key, val) })
}
