package exchange

import (
	"bytes"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

// Times of what a Spool keeps.
const (
	spoolKeep = 10 * time.Minute // behind the last part: after that the item comes again from its beginning
	spoolLive = 30 * time.Second // behind the last part: so long it is taken for being under way
	spoolWait = 30 * time.Second // what the sender is told to wait where there is no room
)

// Spool keeps what came of items in parts, one of each origin, over the links that come and go. It is in memory
// only: after a restart the sender begins again. It is safe for concurrent use.
type Spool struct {
	limit int
	now   func() time.Time

	mu   sync.Mutex // guards what follows
	used int        // bytes
	by   map[model.NodeID]*spooled
}

// spooled is one item in the making.
type spooled struct {
	wire.Begun
	buf bytes.Buffer
	at  time.Time // of the last part
}

// NewSpool returns a Spool of at most limit bytes over all origins.
func NewSpool(limit int, now func() time.Time) *Spool {
	return &Spool{limit: limit, now: now, by: map[model.NodeID]*spooled{}}
}

// Begun returns what is there of an item of origin that follows held; nil: nothing. What held covers is dropped.
func (s *Spool) Begun(origin model.NodeID, epoch model.Epoch, held model.Position) *wire.Begun {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
	b := s.by[origin]
	switch {
	case b == nil:
		return nil
	case held.Covers(b.Epoch, b.Seq), b.Epoch != epoch && epoch != 0:
		s.dropLocked(origin)
		return nil
	}
	out := b.Begun
	return &out
}

// add takes a part, and returns the whole item with its last one: then nothing of it is kept. The error is
// Corrupt for a part that does not follow what is there, Busy where there is no room.
func (s *Spool) add(origin model.NodeID, p wire.Part) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.by[origin]
	if p.Have == 0 {
		s.dropLocked(origin)
		b = &spooled{Begun: p.Begun}
		s.by[origin] = b
	}
	if b == nil || !b.Same(p.Begun) || b.Have != p.Have {
		return nil, fault.New(fault.Corrupt, "", "a part of item %d at %d does not follow what came before", p.Seq, p.Have)
	}
	if b.at = s.now(); !s.roomLocked(origin, len(p.Bytes)) {
		s.dropLocked(origin)
		return nil, fault.Later(fault.New(fault.Busy, "", "there is no room for more large items at once now"), spoolWait)
	}
	b.buf.Write(p.Bytes)
	b.Have += len(p.Bytes)
	s.used += len(p.Bytes)
	if b.Have < b.Size {
		return nil, nil
	}
	s.dropLocked(origin)
	return b.buf.Bytes(), nil
}

// roomLocked makes room for n bytes of origin, at the cost of those that nobody goes on with.
func (s *Spool) roomLocked(origin model.NodeID, n int) bool {
	for s.used+n > s.limit {
		var oldest model.NodeID
		var at time.Time
		for id, b := range s.by {
			if id != origin && (at.IsZero() || b.at.Before(at)) {
				oldest, at = id, b.at
			}
		}
		if at.IsZero() || s.now().Sub(at) < spoolLive {
			return false
		}
		s.dropLocked(oldest)
	}
	return true
}

func (s *Spool) sweepLocked() {
	for id, b := range s.by {
		if s.now().Sub(b.at) > spoolKeep {
			s.dropLocked(id)
		}
	}
}

func (s *Spool) dropLocked(origin model.NodeID) {
	if b := s.by[origin]; b != nil {
		s.used -= b.Have
		delete(s.by, origin)
	}
}
