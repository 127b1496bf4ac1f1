package search

import (
	"slices"
	"sync"
)

// ranks is the order of a dict's values, worked out when first asked for after a value came or went.
// Readers may do that at the same time.
type ranks struct {
	mu    sync.Mutex
	epoch uint64
	of    []uint32 // by number; 1 is the first, 0 is for no value
	order []uint32 // numbers in order; order[0] has rank 1
}

// ranked returns the ranks of the values by less, which must always be the same function, and the
// numbers in that order. Values that are equal by less share a rank: the one of the first.
func (d *dict) ranked(compare func(a, b uint32) int) (of, order []uint32) {
	r := &d.ranks
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of != nil && r.epoch == d.epoch {
		return r.of, r.order
	}
	order = d.where(func(uint32) bool { return true })
	slices.SortFunc(order, compare)
	of = make([]uint32, len(d.words))
	for i, n := range order {
		of[n] = uint32(i) + 1
		if i > 0 && compare(order[i-1], n) == 0 {
			of[n] = of[order[i-1]]
		}
	}
	r.of, r.order, r.epoch = of, order, d.epoch
	return of, order
}
