package uplink

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/health"
)

// Monitor watches a Link and its outbox, and says how the link is. It is safe for concurrent use.
type Monitor struct {
	link *Link

	mu       sync.Mutex // guards what follows
	judge    health.Judge
	started  time.Time
	marks    []mark    // how the outbox grew, rising
	looked   mark      // the outbox as of the last look for its first item: dropped is in seq
	first    model.Seq // the oldest that waited then; 0: none
	headSeen model.Seq
}

// mark says that the outbox had come to seq at a time.
type mark struct {
	seq model.Seq
	at  time.Time
}

// maxMarks bounds the marks; of more, every second one is forgotten, and the age of an item is known less exactly.
const maxMarks = 256

// look is how often a Monitor looks by itself, so that it knows since when something is late.
const look = time.Second

// NewMonitor returns a Monitor of l. What waits already counts as waiting from now on.
func NewMonitor(l *Link) *Monitor {
	return &Monitor{link: l, started: l.Now()}
}

// Run looks until ctx ends; then it returns nil.
func (m *Monitor) Run(ctx context.Context) error {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		m.Look(0)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Look says how the link is now. waiting is how many items wait, for the words; 0 where nobody counted.
func (m *Monitor) Look(waiting int) health.Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.link.Now()
	s := m.link.sight(now)
	s.WaitN, s.Waiting = waiting, m.waitsLocked(now)
	return m.judge.Look(s)
}

// waitsLocked returns since when the oldest item waits, as exactly as is known.
func (m *Monitor) waitsLocked(now time.Time) time.Time {
	box := m.link.Outbox
	head, dropped := box.Head(), box.Dropped()
	if head != m.headSeen || dropped != m.looked.seq || m.looked.at.IsZero() {
		items, err := box.After(dropped, 1, 1)
		if err != nil {
			return time.Time{} // the outbox says so itself
		}
		m.first = 0
		if len(items) > 0 {
			m.first = items[0].Seq
		}
		if m.looked.at.IsZero() {
			m.marks = append(m.marks, mark{head, m.started})
		}
		m.headSeen, m.looked = head, mark{dropped, now}
	}
	if n := len(m.marks); n > 0 && head < m.marks[n-1].seq {
		m.marks = m.marks[:0] // another epoch
	}
	if n := len(m.marks); n == 0 || head > m.marks[n-1].seq {
		m.marks = append(m.marks, mark{head, now})
	}
	if m.first == 0 {
		m.marks = slices.Delete(m.marks, 0, len(m.marks)-1) // the newest alone
		return time.Time{}
	}
	at, _ := slices.BinarySearchFunc(m.marks, m.first, func(k mark, seq model.Seq) int {
		if k.seq < seq {
			return -1
		}
		return 1
	})
	m.marks = slices.Delete(m.marks, 0, min(at, len(m.marks)-1))
	if len(m.marks) > maxMarks {
		kept := m.marks[:1]
		for i := 1; i < len(m.marks); i += 2 {
			kept = append(kept, m.marks[i])
		}
		if last := m.marks[len(m.marks)-1]; kept[len(kept)-1] != last {
			kept = append(kept, last)
		}
		m.marks = kept
	}
	return m.marks[0].at
}
