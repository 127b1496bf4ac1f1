package index

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/skerryhq/skerry/engine/model"
)

// rowCache keeps the values of host rows that pages were made of lately. Pebble's own cache keeps blocks of
// a hundred rows of which a page wants one, and finding the row in one takes longer than all the rest of an
// answer.
//
// What it holds is what the last commit left. A commit says so in begun before it writes, and drops what it
// wrote before it is done; whoever reads a row from a snapshot may only put it here, or take one from here,
// while begun is still what it was when the snapshot was made.
type rowCache struct {
	begun  *atomic.Uint64 // commits that have begun
	shards [rowShards]rowShard
}

const (
	rowShards = 16
	// rowOverhead is about what one entry costs beside its value, in bytes.
	rowOverhead = 96
)

type rowShard struct {
	mu    sync.Mutex // guards what follows
	at    map[model.HostID]int
	rows  []cachedRow
	free  []int
	hand  int // the next to be looked at when there must be room
	bytes int
	limit int
}

type cachedRow struct {
	id    model.HostID
	value []byte // never changed
	used  bool   // since the hand came by
}

// newRowCache returns a cache of at most that many bytes.
func newRowCache(bytes int, begun *atomic.Uint64) *rowCache {
	c := &rowCache{begun: begun}
	for i := range c.shards {
		c.shards[i].at, c.shards[i].limit = map[model.HostID]int{}, bytes/rowShards
	}
	return c
}

func (c *rowCache) shard(id model.HostID) *rowShard {
	// Ids of version 7 begin with the time and end at random, those of others may have it the other way.
	return &c.shards[(binary.LittleEndian.Uint64(id[:8])^binary.LittleEndian.Uint64(id[8:]))*0x9E3779B97F4A7C15>>60]
}

// get returns the value of a host's row as of the moment when begun was that; nil where it is not here, or
// where a commit has begun since. It must not be changed.
func (c *rowCache) get(id model.HostID, begun uint64) []byte {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.at[id]
	if !ok || c.begun.Load() != begun {
		return nil
	}
	s.rows[i].used = true
	return s.rows[i].value
}

// put keeps the value of a host's row that was read from a snapshot made when begun was that. It keeps a
// copy, unless a commit has begun since.
func (c *rowCache) put(id model.HostID, value []byte, begun uint64) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.at[id]; ok || c.begun.Load() != begun || len(value)+rowOverhead > s.limit/8 {
		return
	}
	for s.bytes+len(value)+rowOverhead > s.limit {
		s.evict()
	}
	row := cachedRow{id: id, value: append(make([]byte, 0, len(value)), value...)}
	if last := len(s.free) - 1; last >= 0 {
		s.at[id] = s.free[last]
		s.free = s.free[:last]
		s.rows[s.at[id]] = row
	} else {
		s.at[id] = len(s.rows)
		s.rows = append(s.rows, row)
	}
	s.bytes += len(value) + rowOverhead
}

// evict takes out the next row that was not used since the hand came by.
func (s *rowShard) evict() {
	for {
		r := &s.rows[s.hand]
		at := s.hand
		s.hand = (s.hand + 1) % len(s.rows)
		switch {
		case r.value == nil:
		case r.used:
			r.used = false
		default:
			s.remove(at)
			return
		}
	}
}

func (s *rowShard) remove(at int) {
	r := &s.rows[at]
	delete(s.at, r.id)
	s.bytes -= len(r.value) + rowOverhead
	*r = cachedRow{}
	s.free = append(s.free, at)
}

// drop forgets the rows of hosts that a commit wrote. It is called when the commit is visible, and before
// it is done.
func (c *rowCache) drop(ids []model.HostID) {
	for _, id := range ids {
		s := c.shard(id)
		s.mu.Lock()
		if i, ok := s.at[id]; ok {
			s.remove(i)
		}
		s.mu.Unlock()
	}
}

// clear forgets everything: another database has taken the place of the one the rows are of.
func (c *rowCache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.at)
		s.rows, s.free, s.hand, s.bytes = nil, nil, 0, 0
		s.mu.Unlock()
	}
}
