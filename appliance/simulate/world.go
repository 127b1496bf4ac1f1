package simulate

import (
	"fmt"
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

	trouble float64 // the part of its hosts that do not report; see troubleAt

	at         uint64 // events that have happened
	next       int    // the number of the next new host
	gone       map[int]struct{}
	odd        map[int]oddity
	late, lost bag // the hosts that do not report: those that are late, and the others
	tally      tally
}

// oddity is how a host differs from the pure function.
type oddity struct {
	beat    model.HostBeat // without a status: as it was
	change  uint64         // the event that last changed its attributes; zero: none did
	factsAt model.Time
	born    model.Time // of a new host
}

// happening is what one event was.
type happening struct {
	kind model.ItemKind // ItemStatus, ItemHost or ItemHostGone
	n    int            // which host
}

// Of a thousand events, how many are of each kind; the rest are new hosts, as many as are removed. Where no
// status turns, a host changes its attributes instead.
const (
	statusEvents = 700
	attrEvents   = 960 // through which status and attribute events together reach
	goneEvents   = 980
)

func newWorld(f *fleet.Fleet, im *images, site int, base model.Time) *world {
	w := &world{fleet: f, images: im, site: site, base: base, trouble: troubleAt(f.Seed, site, len(f.Sites))}
	w.reset()
	return w
}

// reset goes back to the beginning.
func (w *world) reset() {
	w.at, w.next, w.gone, w.odd, w.tally = 0, w.fleet.Sites[w.site].Hosts, map[int]struct{}{}, map[int]oddity{}, tally{}
	w.fallen()
}

// reach goes to the given number of events; at is the time of those that are passed on the way.
func (w *world) reach(events uint64, at model.Time) error {
	if w.at > events {
		w.reset()
	}
	for w.at < events {
		if _, err := w.step(at); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) rng(event uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x6c697665, event))
}

// step lets the next event happen, at the given time.
func (w *world) step(now model.Time) (happening, error) {
	w.at++
	r := w.rng(w.at)
	kind, n := r.IntN(1000), r.IntN(w.next)
	for w.isGone(n) {
		n = (n + 1) % w.next // a site is never empty
	}
	left, first := w.next-len(w.gone), w.fleet.Sites[w.site].Hosts
	up, ok := n, kind >= attrEvents
	if !ok {
		up, ok = w.reporting(n) // who is silent says nothing of itself either
	}
	if kind < statusEvents || !ok {
		if n, turned := w.turn(r, n, now); turned {
			return happening{model.ItemStatus, n}, nil
		}
	}
	switch {
	case kind < attrEvents:
		return happening{model.ItemHost, up}, w.recount(up, func() {
			o := w.odd[up]
			o.change, o.factsAt = w.at, now
			w.odd[up] = o
			w.set(up, model.HostBeat{Status: model.HostUp, StatusAt: now, LastSeen: now})
		})
	case kind < goneEvents && left > 1 && left > first/2:
		return happening{model.ItemHostGone, n}, w.recount(n, func() {
			w.sort(n, model.HostUp)
			delete(w.odd, n)
			w.gone[n] = struct{}{}
		})
	}
	n = w.next
	w.next++
	w.odd[n] = oddity{beat: model.HostBeat{Status: model.HostUp, StatusAt: now, LastSeen: now}, factsAt: now, born: now}
	if w.tally.upto < n {
		return happening{model.ItemHost, n}, nil
	}
	w.tally.upto++
	return happening{model.ItemHost, n}, w.count(n, 1)
}

func (w *world) isGone(n int) bool {
	_, ok := w.gone[n]
	return ok
}

// there reports whether the site has host n now.
func (w *world) there(n int) bool { return n >= 0 && n < w.next && !w.isGone(n) }

// care returns how well a host is kept, as profileOf has it, and what its last change of attributes draws from;
// nil: there was none.
func (w *world) care(n int) (profile int, change *rand.Rand) {
	profile = profileOf(rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x70726f66, uint64(n))))
	if o := w.odd[n]; o.change > 0 {
		change = w.rng(o.change ^ 1<<63)
		profile = profile * change.IntN(100) / 140 // what maintenance leaves
	}
	return profile, change
}

// image returns the software of a host; nil where nothing is known of it.
func (w *world) image(n int) (*image, error) {
	h := w.fleet.Host(w.site, n)
	profile, _ := w.care(n)
	i, err := w.images.of(model.OS{ID: fleet.SystemID(h.OSName), Name: h.OSName, Version: h.OSVersion}, h.Arch, profile)
	if err != nil {
		return nil, fmt.Errorf("simulated host %s: %w", h.HostID, err)
	}
	return i, nil
}

// host returns the row of host n, which is there, and its packages; nil where none are known.
func (w *world) host(n int) (model.Host, *image, error) {
	made := w.fleet.Host(w.site, n)
	rename(&made, made.SiteName, n)
	h := made.Model()
	early := w.earlyBeat(n)
	shift := w.base.Std().Sub(fleet.T0)
	// No clock of the fleet is ahead, and nobody knows more of a host than it last said.
	h.FactsAt, h.FirstSeen = min(h.FactsAt.Add(shift), early.LastSeen), min(h.FirstSeen.Add(shift), early.LastSeen.Add(-24*time.Hour))
	r := rand.New(rand.NewPCG(w.fleet.Seed^uint64(w.site)<<40^0x66616374, uint64(n)))
	h.BootedAt = early.LastSeen.Add(-time.Duration(r.IntN(90*24*3600)) * time.Second)
	failed := int(r.ExpFloat64() * 1.5)
	o := w.odd[n]
	profile, change := w.care(n)
	if change != nil {
		failed = int(change.ExpFloat64() * 0.7)
		w.alter(&h, change, o.factsAt)
	}
	if isDebian12(h.OS) {
		h.Kernel = kernelOf(profile, h.Arch)
	}
	if o.born > 0 {
		h.FirstSeen, h.BootedAt = o.born, min(h.BootedAt, o.born.Add(-interval))
		if change == nil {
			h.BootedAt = o.born.Add(-interval)
		}
	}
	if o.factsAt > 0 {
		h.FactsAt = o.factsAt
	}
	h.BootedAt -= h.BootedAt % 1000
	h.SetBeat(early)
	if o.beat.Status != "" {
		h.SetBeat(o.beat)
	}
	i, err := w.images.of(h.OS, h.Arch, profile)
	if err != nil {
		return h, nil, fmt.Errorf("simulated host %s: %w", h.ID, err)
	}
	h.Exposure, h.ExposureAt, h.Updates = model.SeverityCounts{}, 0, nil // where packages are not known, so is nothing of these
	if i != nil {
		h.PackageN, h.PackagesDigest, h.PackagesAt = len(i.inv.Packages), i.digest, h.FactsAt
		h.Exposure, h.ExposureAt, h.Updates = i.counts, h.FactsAt, new(i.fixable)
	}
	h.Compliance = compliance(&h, failed)
	return h, i, nil
}

// alter changes what maintenance changes beside the packages: a restart, the agent, now and then a tag.
func (w *world) alter(h *model.Host, r *rand.Rand, at model.Time) {
	booted := r.IntN(2) == 0
	h.RebootNeeded = new(!booted && r.IntN(6) == 0)
	if booted {
		h.BootedAt = at.Add(-time.Duration(1+r.IntN(600)) * time.Second)
	}
	h.AgentVersion = "2.4.1"
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
