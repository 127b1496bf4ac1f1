package api

import (
	"maps"
	"sync"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// mostMarks bounds how many vulnerabilities marks remembers.
const mostMarks = 1 << 15

// marks remembers what is known of attacks, for as long as no advisory changes: many sites have the same vulnerabilities on top, and every
// list of sites names them. The zero value is ready; it is safe for concurrent use.
type marks struct {
	mu         sync.Mutex
	generation uint64       // of the shelf that they are of
	cursor     model.Cursor // likewise: an entry of an older log changes rows without a run
	by         map[string]mark
}

type mark struct {
	known       bool
	probability float64
}

// set fills in what is known of attacks on the vulnerabilities of a roll-up. It is read as the advisories are now, since it changes each day
// and what hosts have does not.
func (m *marks) set(v View, top []schema.TopEntry) error {
	if len(top) == 0 {
		return nil
	}
	shelf, err := v.Shelf()
	if err != nil {
		return err
	}
	known := m.has(shelf, top)
	read := map[string]mark{}
	for i := range top {
		t := &top[i]
		k, ok := known[t.Vulnerability]
		if !ok {
			c, _, err := v.Canonical(t.Vulnerability)
			if err != nil {
				return err
			}
			k = mark{known: !c.Head.Known.IsZero(), probability: c.Head.Probability}
			known[t.Vulnerability], read[t.Vulnerability] = k, k
		}
		t.KnownExploited, t.EPSS = k.known, k.probability
	}
	m.keep(shelf, read)
	return nil
}

// has returns what is remembered of those vulnerabilities. The rows are read without the lock: many lists of sites need the same at once.
func (m *marks) has(shelf apply.Shelf, top []schema.TopEntry) map[string]mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil || m.generation != shelf.Generation || m.cursor != shelf.Cursor || len(m.by) > mostMarks {
		m.generation, m.cursor, m.by = shelf.Generation, shelf.Cursor, map[string]mark{}
	}
	known := make(map[string]mark, len(top))
	for i := range top {
		if k, ok := m.by[top[i].Vulnerability]; ok {
			known[top[i].Vulnerability] = k
		}
	}
	return known
}

// keep remembers what was read, unless the advisories changed meanwhile.
func (m *marks) keep(shelf apply.Shelf, read map[string]mark) {
	if len(read) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generation == shelf.Generation && m.cursor == shelf.Cursor {
		maps.Copy(m.by, read)
	}
}
