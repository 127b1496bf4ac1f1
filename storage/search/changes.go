package search

import "github.com/skerryhq/skerry/engine/model"

// changes remembers which hosts changed last, for those who watch. A beat that only says when a host was
// last seen is no change.
type changes struct {
	ring  []model.HostID
	upto  uint64 // changes so far, from 1
	first uint64 // watchers that hold less than this have lost some
}

// remembered is how many changes are kept.
const remembered = 1 << 15

func (c *changes) add(id model.HostID) {
	if c.ring == nil {
		c.ring = make([]model.HostID, remembered)
	}
	c.ring[c.upto%remembered] = id
	c.upto++
}

// reset says that more changed than can be listed.
func (c *changes) reset() {
	c.upto++
	c.first = c.upto
}

// Changes returns the hosts that changed or went since a place, without repeats and at most max of them,
// and the place behind those; with max 0, only the newest place. Lost says that some cannot be told
// any more, so that everything must be looked at again.
func (x *Index) Changes(after uint64, limit int) (ids []model.HostID, upto uint64, lost bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c := &x.changes
	if limit <= 0 {
		return nil, c.upto, false
	}
	if after > c.upto || after < c.first || c.upto-after > remembered {
		return nil, c.upto, true
	}
	seen := make(map[model.HostID]bool)
	for ; after < c.upto && len(ids) < limit; after++ {
		if id := c.ring[after%remembered]; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, after, false
}
