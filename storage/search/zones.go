package search

import "math"

// zones say for each run of 256 ordinals, and for each status, the latest and the earliest time that a
// host there was last seen: the newest of a million are then found by looking at a few runs. A bound may
// be too wide, after a host left the run or changed, but never too narrow; it is worked out anew after so
// many changes.
type zones struct {
	of []zone
}

const (
	zoneBits  = 8
	zoneHosts = 1 << zoneBits
)

type zone struct {
	latest, earliest [statusN]int64
	worn             int32
}

func (z *zones) grow(n int) {
	had := len(z.of)
	z.of = grown(z.of, (n+zoneHosts-1)>>zoneBits)
	for i := had; i < len(z.of); i++ {
		z.of[i].clear()
	}
}

func (z *zone) clear() {
	for s := range z.latest {
		z.latest[s], z.earliest[s] = math.MinInt64, math.MaxInt64
	}
	z.worn = 0
}

func (z *zone) widen(status uint8, seen int64) {
	if seen == 0 {
		return // never seen: behind all others, in both directions
	}
	z.latest[status] = max(z.latest[status], seen)
	z.earliest[status] = min(z.earliest[status], seen)
}

// saw takes in the present status and time of an ordinal.
func (z *zones) saw(x *Index, ord uint32) {
	run := &z.of[ord>>zoneBits]
	run.widen(x.shown[ord], x.columns.seen[ord])
	z.wear(x, ord, 1)
}

// wear counts changes of the ordinal's run.
func (z *zones) wear(x *Index, ord uint32, n int32) {
	run := &z.of[ord>>zoneBits]
	if run.worn += n; run.worn >= x.tuning.zoneWear {
		z.renew(x, ord)
	}
}

// renew works out the bounds of the ordinal's run anew. Whoever changes a whole site does it when a run is through:
// bounds that every run keeps of hosts that have left it make a question look into all of them.
func (z *zones) renew(x *Index, ord uint32) {
	run := &z.of[ord>>zoneBits]
	run.clear()
	from := ord &^ (zoneHosts - 1)
	for o := from; o < min(from+zoneHosts, x.n); o++ {
		if x.shown[o] != statusGone {
			run.widen(x.shown[o], x.columns.seen[o])
		}
	}
}
