package search

import (
	"math"

	"github.com/skerryhq/skerry/engine/query"
)

// walkSeen returns the hosts that were seen last, or the longest ago, by looking at the runs of ordinals
// in the order of their bounds, until no run can hold a better one.
func (q *question) walkSeen(matching set, o *sorter, want int, where query.Expr) []uint32 {
	runs := q.seenRuns(o, q.statusesOf(where))
	top := newTop(o, want)
	has := q.member(matching, len(runs)*zoneHosts)
	if matching.bits == q.alive {
		has = func(ord uint32) bool { return q.shown[ord] != statusGone }
	}
	seen := q.columns.seen
	for len(runs) > 0 {
		r := runs[0]
		if len(top.keys) == want && r.bound > top.bound() {
			break
		}
		from, to := r.at<<zoneBits, min((r.at+1)<<zoneBits, q.n)
		low, high := o.window(top)
		for ord := from; ord < to; ord++ {
			if t := seen[ord]; t < low || t > high {
				continue
			}
			if has(ord) {
				top.offer(o.key(ord), ord)
				low, high = o.window(top)
			}
		}
		if !q.spend(zoneHosts) {
			return nil
		}
		runs[0] = runs[len(runs)-1]
		runs = runs[:len(runs)-1]
		runs.down(0)
	}
	return top.sorted()
}

// window returns the times that can still be among the first.
func (o *sorter) window(t *top) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	bound := t.bound()
	if bound == last {
		return low, high
	}
	if o.sort.Desc {
		return int64(^bound ^ 1<<63), high
	}
	return 1, int64(bound ^ 1<<63) // 0 is never
}

// seenRun is a run of ordinals and the lowest key that a host in it may have.
type seenRun struct {
	bound uint64
	at    uint32
}

// seenRuns is a heap: the lowest bound is at 0.
type seenRuns []seenRun

func (h seenRuns) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].bound < h[child].bound {
			child++
		}
		if h[i].bound <= h[child].bound {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// seenRuns returns the runs as a heap. Statuses are, as bits, those that a matching host may have.
func (q *question) seenRuns(o *sorter, statuses uint8) seenRuns {
	runs := make(seenRuns, len(q.zones.of))
	for i := range q.zones.of {
		bound := uint64(last)
		for s := range uint8(statusN) {
			if statuses&(1<<s) != 0 {
				bound = min(bound, q.zones.of[i].bound(s, o))
			}
		}
		runs[i] = seenRun{bound, uint32(i)}
	}
	for i := len(runs)/2 - 1; i >= 0; i-- {
		runs.down(i)
	}
	return runs
}

// bound returns the lowest key that a host with the status may have in the run. Hosts that were never seen
// come last whatever else there is.
func (z *zone) bound(status uint8, o *sorter) uint64 {
	if z.earliest[status] > z.latest[status] {
		return last
	}
	if o.sort.Desc {
		return o.place(rise(z.latest[status]))
	}
	return o.place(rise(z.earliest[status]))
}

// statusesOf returns, as bits, the statuses that a matching host can have.
func (q *question) statusesOf(e query.Expr) uint8 {
	switch e := e.(type) {
	case query.Term:
		if e.Field == query.FieldStatus {
			return 1 << statusNumber(e.Status)
		}
	case query.And:
		all := uint8(1<<statusN - 1)
		for _, part := range e {
			all &= q.statusesOf(part)
		}
		return all
	}
	return 1<<statusN - 1
}
