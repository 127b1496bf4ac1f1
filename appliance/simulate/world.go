package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// world is what one simulated site knows of its hosts. A host is as the pure function has it, or differs
// by what happened to it: only that is kept. What happens is a pure function too: the k-th event of a site
// follows from the seed and from the events before it, so that a world can be built anew up to any event.
// Only the times are those of the clock. A world is not safe for concurrent use.
type world struct {
	fleet  *fleet.Fleet
	images *images
	site   int
	base   model.Time // when the simulation began: the present of the fleet

	at   uint64 // events that have happened
	next int    // the number of the next new host
	gone map[int]struct{}
	odd  map[int]oddity
}

// oddity is how a host differs from the pure function.
type oddity struct {
	status             model.HostStatus // empty: as it was
	statusAt, lastSeen model.Time
	change             uint64 // the event that last changed its attributes; zero: none did
	factsAt            model.Time
	born               model.Time // of a new host
}

// happening is what one event was.
type happening struct {
	kind model.ItemKind // ItemStatus, ItemHost or ItemHostGone
	n    int            // which host
}

// Of a thousand events, how many are of each kind; the rest are new hosts, as many as are removed.
const (
	statusEvents = 700
	attrEvents   = 960 // through which status and attribute events together reach
	goneEvents   = 980
)

func newWorld(f *fleet.Fleet, im *images, site int, base model.Time) *world {
	w := &world{fleet: f, images: im, site: site, base: base}
	w.reset()
	return w
}

// reset goes back to the beginning.
func (w *world) reset() {
	w.at, w.next, w.gone, w.odd = 0, w.fleet.Sites[w.site].Hosts, map[int]struct{}{}, map[int]oddity{}
}

// reach goes to the given number of events; at is the time of those that are passed on the way.
func (w *world) reach(events uint64, at model.Time) {
	if w.at > events {
		w.reset()
	}
	for w.at < events {
		w.step(at)
	}
}

func (w *world) rng(event uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x6c697665, event))
}

// step lets the next event happen, at the given time.
func (w *world) step(now model.Time) happening {
	w.at++
	r := w.rng(w.at)
	kind, n := r.IntN(1000), r.IntN(w.next)
	for w.isGone(n) {
		n = (n + 1) % w.next // a site is never empty
	}
	left, first := w.next-len(w.gone), w.fleet.Sites[w.site].Hosts
	switch {
	case kind < statusEvents:
		o := w.odd[n]
		o.status, o.statusAt, o.lastSeen = w.turn(r, n, now)
		w.odd[n] = o
		return happening{model.ItemStatus, n}
	case kind < attrEvents:
		o := w.odd[n]
		o.change, o.factsAt = w.at, now
		w.odd[n] = o
		return happening{model.ItemHost, n}
	case kind < goneEvents && left > 1 && left > first/2:
		delete(w.odd, n)
		w.gone[n] = struct{}{}
		return happening{model.ItemHostGone, n}
	}
	n = w.next
	w.next++
	w.odd[n] = oddity{status: model.HostUp, statusAt: now, lastSeen: now, factsAt: now, born: now}
	return happening{model.ItemHost, n}
}

// interval is how often the hosts report, as a site's agents do by default.
const interval = time.Minute

// turn returns the status that a host changes to, when that was judged, and when its agent was heard then.
func (w *world) turn(r *rand.Rand, n int, now model.Time) (model.HostStatus, model.Time, model.Time) {
	silent := time.Duration(r.Int64N(int64(interval)))
	if w.status(n) != model.HostUp {
		return model.HostUp, now, now
	}
	switch x := r.IntN(10); {
	case x < 6:
		return model.HostLate, now, now.Add(-interval - silent)
	case x < 9:
		return model.HostDown, now, now.Add(-3*interval - silent)
	}
	return model.HostUnknown, now, now.Add(-3*interval - silent)
}

func (w *world) isGone(n int) bool {
	_, ok := w.gone[n]
	return ok
}

// there reports whether the site has host n now.
func (w *world) there(n int) bool { return n >= 0 && n < w.next && !w.isGone(n) }

func (w *world) status(n int) model.HostStatus {
	if o := w.odd[n]; o.status != "" {
		return o.status
	}
	return fleet.Status(w.fleet.Host(w.site, n).Status)
}

// host returns the row of host n, which is there, and its packages; nil where none are known.
func (w *world) host(n int) (model.Host, *image, error) {
	h := w.fleet.Host(w.site, n).Model()
	shift := w.base.Std().Sub(fleet.T0)
	for _, t := range []*model.Time{&h.FactsAt, &h.FirstSeen, &h.StatusAt, &h.LastSeen, &h.ExposureAt} {
		*t = min(t.Add(shift), w.base) // no clock of the fleet is ahead
	}
	r := rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x70726f66, uint64(n)))
	p := profileOf(r)
	if isDebian12(h.OS) {
		h.Kernel = kernelOf(p, h.Arch)
	}
	h.BootedAt = w.base.Add(-time.Duration(r.IntN(90*24*3600)) * time.Second)
	o := w.odd[n]
	if o.change > 0 {
		w.alter(&h, o.change, o.factsAt)
	}
	if o.born > 0 {
		h.FirstSeen, h.BootedAt = o.born, o.born.Add(-interval)
	}
	if o.factsAt > 0 {
		h.FactsAt, h.ExposureAt = o.factsAt, o.factsAt
	}
	h.BootedAt -= h.BootedAt % 1000
	if o.status != "" {
		h.SetBeat(model.HostBeat{Status: o.status, StatusAt: o.statusAt, LastSeen: o.lastSeen})
	}
	i, err := w.images.of(h.OS, h.Arch, p)
	if err != nil {
		return h, nil, fmt.Errorf("simulated host %s: %w", h.ID, err)
	}
	if i != nil {
		h.PackageN, h.PackagesDigest, h.PackagesAt = len(i.inv.Packages), i.digest, h.FactsAt
	}
	return h, i, nil
}

// alter changes what maintenance changes: updates, findings, a restart, the agent, now and then a tag.
func (w *world) alter(h *model.Host, event uint64, at model.Time) {
	r := w.rng(event ^ 1<<63)
	compliance := math.Round(max(0, 1000-r.ExpFloat64()*60)) / 10
	updates := r.IntN(6)
	reboot := r.IntN(12) == 0
	h.Compliance, h.Updates, h.RebootNeeded = &compliance, &updates, &reboot
	h.Exposure.Critical, h.Exposure.High = min(h.Exposure.Critical, r.IntN(3)), min(h.Exposure.High, r.IntN(8))
	h.AgentVersion = "2.4.1"
	if r.IntN(2) == 0 {
		h.BootedAt = at.Add(-time.Duration(1+r.IntN(600)) * time.Second)
	}
	if r.IntN(3) == 0 {
		x := r.Float64()
		h.Tags = append(h.Tags, w.fleet.Tags[int(x*x*x*float64(len(w.fleet.Tags)))])
		slices.Sort(h.Tags)
		h.Tags = slices.Compact(h.Tags)
	}
}

// find returns the numbers of the hosts of those ids that the site has or had.
func (w *world) find(ids map[model.HostID]bool, next int) map[model.HostID]int {
	out := map[model.HostID]int{}
	for n := 0; n < next && len(out) < len(ids); n++ {
		if id := w.id(n); ids[id] {
			out[id] = n
		}
	}
	return out
}

// id returns the id of host n. It depends on nothing that happens.
func (w *world) id(n int) model.HostID {
	id, err := model.ParseHostID(w.fleet.Host(w.site, n).HostID)
	if err != nil {
		panic(err) // the fleet's ids are in the canonical form
	}
	return id
}
