package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Most sites are well and a few are not: of each block of sites, in the order of their size, one has a part
// of its hosts missing for good; which ones changes, how many does not. At the others all hosts report, but
// for one now and then.
const (
	blockSites = 6
	leastBlock = 3 // a block of fewer sites has no trouble
	// leastTrouble and mostTrouble bound the part of the hosts that do not report where there is trouble.
	leastTrouble, mostTrouble = 0.03, 0.15
	// calm is how many events that could turn a host's status pass at a well site before one does.
	calm = 50
)

// interval is how often the hosts report, as a site's agents do by default. As at a real site, a host is
// late after two intervals of silence and down after three.
const (
	interval  = time.Minute
	lateAfter = 2 * interval
	downAfter = 3 * interval
)

// mix turns numbers into one that looks drawn at random, the same for the same numbers.
func mix(numbers ...uint64) uint64 {
	x := uint64(0x9e3779b97f4a7c15)
	for _, n := range numbers {
		x ^= n
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// part turns a mixed number into one in [0, 1).
func part(x uint64) float64 { return float64(x>>11) / (1 << 53) }

// troubleAt returns the part of a site's hosts that do not report, over time; zero: it is well.
func troubleAt(seed uint64, site, sites int) float64 {
	block := site / blockSites
	first := block * blockSites
	size := min(blockSites, sites-first)
	if size < leastBlock || site-first != int(mix(seed, uint64(block), 1)%uint64(size)) {
		return 0
	}
	return leastTrouble + (mostTrouble-leastTrouble)*part(mix(seed, uint64(block), 2))
}

// early returns the status that a host has at the beginning.
func (w *world) early(n int) model.HostStatus {
	if w.trouble == 0 || n >= w.fleet.Sites[w.site].Hosts {
		return model.HostUp
	}
	x := part(mix(w.fleet.Seed, uint64(w.site), uint64(n), 3)) / w.trouble
	switch {
	case x >= 1:
		return model.HostUp
	case x < 0.1:
		return model.HostLate
	case x < 0.75:
		return model.HostDown
	}
	return model.HostUnknown
}

// earlyBeat returns the beat that a host has at the beginning.
func (w *world) earlyBeat(n int) model.HostBeat {
	r := rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x62656174, uint64(n)))
	b := model.HostBeat{Status: w.early(n)}
	silent, judged := time.Duration(r.Int64N(int64(interval))), time.Duration(0)
	switch b.Status {
	case model.HostLate:
		silent, judged = silent+lateAfter, lateAfter
	case model.HostDown:
		silent, judged = silent+downAfter+time.Duration(r.ExpFloat64()*36*float64(time.Hour)), downAfter
	case model.HostUnknown:
		silent, judged = silent+downAfter+time.Duration(math.Min(r.ExpFloat64()*300, 2000)*float64(time.Hour)), downAfter
	}
	b.LastSeen = w.base.Add(-silent.Truncate(time.Millisecond))
	b.StatusAt = b.LastSeen.Add(judged)
	return b
}

// fallen sorts the hosts that do not report at the beginning into their bags.
func (w *world) fallen() {
	w.late, w.lost = bag{}, bag{}
	if w.trouble == 0 {
		return
	}
	for n := range w.fleet.Sites[w.site].Hosts {
		w.sort(n, w.early(n))
	}
}

// sort puts a host where its status belongs.
func (w *world) sort(n int, s model.HostStatus) {
	w.late.remove(n)
	w.lost.remove(n)
	switch s {
	case model.HostUp:
	case model.HostLate:
		w.late.add(n)
	default:
		w.lost.add(n)
	}
}

// turn lets the status of a host change, and returns which; false: nothing turns this time. Near the number of hosts
// that the site's trouble asks for, as many come back as are missed, and as many of the late are given up.
func (w *world) turn(r *rand.Rand, n int, now model.Time) (int, bool) {
	missing := len(w.late.all) + len(w.lost.all)
	usual := w.trouble * float64(w.fleet.Sites[w.site].Hosts)
	up, ok := w.reporting(n)
	switch {
	case w.trouble == 0 && missing == 0 && r.IntN(calm) > 0:
		return 0, false
	case missing > 0 && (!ok || r.Float64()*3*usual < float64(missing)):
		which := &w.late
		if r.IntN(missing) >= len(w.late.all) {
			which = &w.lost
		}
		n = which.pick(r)
		w.set(n, model.HostBeat{Status: model.HostUp, StatusAt: now, LastSeen: now})
	case len(w.late.all) > 0 && r.IntN(2) == 0:
		n = w.late.pick(r)
		to := model.HostDown
		if r.IntN(4) == 0 {
			to = model.HostUnknown
		}
		w.set(n, model.HostBeat{Status: to, StatusAt: now, LastSeen: w.beat(n).LastSeen})
	case ok:
		n = up
		silent := lateAfter + time.Duration(r.Int64N(int64(interval))).Truncate(time.Millisecond)
		w.set(n, model.HostBeat{Status: model.HostLate, StatusAt: now, LastSeen: max(w.beat(n).LastSeen, now.Add(-silent))})
	default:
		return 0, false // unreachable: a host reports, or is missing
	}
	return n, true
}

// set gives a host a beat.
func (w *world) set(n int, b model.HostBeat) {
	o := w.odd[n]
	o.beat = b
	w.odd[n] = o
	w.sort(n, b.Status)
}

// beat returns the beat of a host.
func (w *world) beat(n int) model.HostBeat {
	if b := w.odd[n].beat; b.Status != "" {
		return b
	}
	return w.earlyBeat(n)
}

// status is the status in beat.
func (w *world) status(n int) model.HostStatus {
	if s := w.odd[n].beat.Status; s != "" {
		return s
	}
	return w.early(n)
}

// reporting returns the first host from n on, round the site, that is there and up; false: none is.
func (w *world) reporting(n int) (int, bool) {
	for range w.next {
		if w.there(n) && w.status(n) == model.HostUp {
			return n, true
		}
		n = (n + 1) % w.next
	}
	return 0, false
}
