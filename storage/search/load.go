package search

import (
	"iter"
	"runtime"
	"sync"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

func foldWord(w string) string { return query.Fold(w) }

// Load fills an empty index from the chunks of a checkpoint, and brings its hosts to the beats that come, each host's
// once: every source of them is read by a goroutine of its own, and a batch is only looked at until the next one comes.
// It returns how many beats came, those of hosts that are not there included. The sites, and when they judged, should
// have been put before. After an error (kind fault.Corrupt, or that of the chunks or the beats) the index is of no use:
// make a new one and fill it from the rows.
func (x *Index) Load(chunks iter.Seq2[[]byte, error], beats ...iter.Seq2[[]Change, error]) (came int, err error) {
	x.lock()
	defer x.unlock()
	if x.n != 0 {
		return 0, damaged("the index holds %d hosts already", x.n)
	}
	var order, twice []uint32
	for b, err := range chunks {
		if err != nil {
			return 0, err
		}
		c := &chunk{b: b}
		switch kind := c.u8(); kind {
		case chunkHosts:
			from := x.n
			if err = x.readHosts(c); err == nil {
				twice = x.byID.putAll(from, x.n, x.ids, twice)
			}
		case chunkWords:
			err = x.readWords(c)
		case chunkSize:
			// More than eight million are made room for as they come: a damaged number must not take all memory.
			n := int(min(c.u32(), 1<<23))
			x.grow(n)
			x.byID.room(n, x.ids)
		case chunkOrder:
			order, err = c.readOrder(order)
		default:
			err = damaged("a chunk of kind %d", kind)
		}
		if err != nil {
			return 0, err
		}
	}
	return x.derive(order, twice, beats)
}

// writeBeats writes at most beatRun beats, and nothing that follows from them.
func (x *Index) writeBeats(changes []Change) {
	var ords [beatRun]uint32
	x.ordinals(changes, &ords)
	for i := range changes {
		if ord, b := ords[i], changes[i].Beat; ord != noOrdinal && b != nil {
			x.own[ord] = statusNumber(b.Status)
			x.columns.lastSeen[ord], x.columns.statusAt[ord] = int64(b.LastSeen), int64(b.StatusAt)
		}
	}
}

// inOrder returns the ordinals nearly in the order of names: those that the checkpoint's order has, then the
// others.
func (x *Index) inOrder(order, ords []uint32) []uint32 {
	out := make([]uint32, 0, len(ords))
	taken := make([]bool, x.n)
	for _, ord := range order {
		if ord < x.n && !taken[ord] && !x.ids[ord].IsZero() {
			taken[ord] = true
			out = append(out, ord)
		}
	}
	if len(out) < len(ords) {
		for _, ord := range ords {
			if !taken[ord] {
				out = append(out, ord)
			}
		}
	}
	return out
}

// Bounds of what a column of few values may hold.
func (x *Index) plausible(ord uint32) bool {
	if x.own[ord] >= statusN || x.worst[ord] >= worstN || x.reboot[ord] >= rebootN {
		return false
	}
	for _, d := range x.dicts() {
		if n := d.of[ord]; n != 0 && (int(n) >= len(d.words) || d.words[n] == "") {
			return false
		}
	}
	for _, n := range x.tags.of(ord) {
		if int(n) >= len(x.tags.words.words) || x.tags.words.words[n] == "" {
			return false
		}
	}
	return len(x.site.word(ord)) == 16
}

// derive works out all that is not in a checkpoint. Order is what it says of the order of names, and twice are the
// ordinals whose ids another one has. The lists of addresses are left to Tend.
func (x *Index) derive(order, twice []uint32, beats []iter.Seq2[[]Change, error]) (came int, err error) {
	ords := x.sound(twice)
	var m marker
	x.alive = m.bitmap(ords)
	x.systems.parsed = grown(x.systems.parsed, len(x.os.words))
	for n, w := range x.os.words {
		x.systems.parsed[n] = osOf(w)
	}
	x.places.sites = grown(x.places.sites, len(x.site.words))
	for n := 1; n < len(x.site.words); n++ {
		if w := x.site.words[n]; len(w) == 16 {
			id := model.SiteID([]byte(w))
			x.places.sites[n] = x.places.known[id]
			x.places.sites[n].ID = id
		}
	}
	x.v4.late, x.v6.late, x.mac.late = true, true, true
	var work []func()
	sources := make([]struct {
		came int
		err  error
	}, len(beats))
	for i, beats := range beats {
		s := &sources[i]
		work = append(work, func() { s.came, s.err = x.takeBeats(beats) })
	}
	work = append(work, func() { x.byName.build(x.inOrder(order, ords)) }, func() { x.tags.build(ords) })
	for _, d := range x.dicts() {
		work = append(work, func() { d.build(ords) })
	}
	work = append(work, func() {
		for _, ord := range ords {
			x.grams.set(ord)
		}
	})
	inParallel(work)
	for i := range sources {
		if s := &sources[i]; s.err != nil {
			return 0, s.err
		}
		came += sources[i].came
	}
	// What follows from the beats and the sites.
	lost, judged := x.siteStates()
	work = nil
	for from := uint32(0); from < x.n; from += namesSegment {
		work = append(work, func() { x.showAll(from, min(from+namesSegment, x.n), lost, judged) })
	}
	inParallel(work)
	inParallel([]func(){
		x.buildPlaces,
		func() { buildSmall(x.byStatus[:], x.shown, ords) },
		func() { buildSmall(x.byWorst[:], x.worst, ords) },
		func() { buildSmall(x.byReboot[:], x.reboot, ords) },
		func() {
			for _, ord := range ords {
				if x.flags[ord]&flagSimulated != 0 {
					x.simulated.add(ord)
				}
			}
		},
	})
	return came, nil
}

// sound returns the ordinals that have a host, and frees the others.
func (x *Index) sound(twice []uint32) []uint32 {
	// What is odd changed while the checkpoint was written, and is applied again.
	for _, ord := range twice {
		x.vacate(ord)
	}
	segments := (x.n + namesSegment - 1) / namesSegment
	odd := make([][]uint32, segments)
	work := make([]func(), segments)
	for i := range work {
		work[i] = func() {
			from := uint32(i) * namesSegment
			for ord := from; ord < min(from+namesSegment, x.n); ord++ {
				if !x.ids[ord].IsZero() && !x.plausible(ord) {
					odd[i] = append(odd[i], ord)
				}
			}
		}
	}
	inParallel(work)
	for _, ords := range odd {
		for _, ord := range ords {
			x.byID.delete(x.ids[ord], x.ids)
			x.vacate(ord)
		}
	}
	ords := make([]uint32, 0, x.n)
	for ord := range x.n {
		if x.ids[ord].IsZero() {
			x.own[ord], x.shown[ord] = statusGone, statusGone
			x.free = append(x.free, ord)
		} else {
			ords = append(ords, ord)
		}
	}
	return ords
}

// takeBeats writes the beats of one source and returns how many came. It is for ordinals that nobody else reads or
// writes the beats of meanwhile.
func (x *Index) takeBeats(source iter.Seq2[[]Change, error]) (came int, err error) {
	for batch, err := range source {
		if err != nil {
			return came, err
		}
		came += len(batch)
		for len(batch) > 0 {
			n := min(beatRun, len(batch))
			x.writeBeats(batch[:n])
			batch = batch[n:]
		}
	}
	return came, nil
}

// siteStates returns, by the number of a site, whether nobody can vouch for it and when it last judged.
func (x *Index) siteStates() (lost []bool, judged []int64) {
	lost, judged = make([]bool, len(x.places.sites)), make([]int64, len(x.places.sites))
	for n := range x.places.sites {
		id := x.places.sites[n].ID
		lost[n], judged[n] = x.places.lost(id), int64(x.places.judged[id])
	}
	return lost, judged
}

// showAll does what show does for the ordinals of some runs of zones, which are on no list yet.
func (x *Index) showAll(from, to uint32, lost []bool, judged []int64) {
	for i := from >> zoneBits; i < (to+zoneHosts-1)>>zoneBits; i++ {
		x.zones.of[i].clear()
	}
	for ord := from; ord < to; ord++ {
		own := x.own[ord]
		if own == statusGone {
			continue
		}
		site := x.site.of[ord]
		if x.shown[ord] = own; lost[site] {
			x.shown[ord] = statusUnknown
		}
		seen := x.columns.lastSeen[ord]
		if own == statusUp {
			seen = max(seen, judged[site])
		}
		x.columns.seen[ord] = seen
		x.zones.of[ord>>zoneBits].widen(x.shown[ord], seen)
	}
}

// inParallel runs all functions, two at a time or as many as there are processors.
func inParallel(work []func()) {
	next := make(chan func(), len(work))
	for _, w := range work {
		next <- w
	}
	close(next)
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4) {
		all.Go(func() {
			for w := range next {
				w()
			}
		})
	}
	all.Wait()
}

// vacate takes the host away from an ordinal that is on no list yet.
func (x *Index) vacate(ord uint32) {
	for _, d := range x.dicts() {
		d.of[ord] = 0
	}
	x.tags.waste += int(x.tags.n[ord])
	x.tags.n[ord] = 0
	delete(x.address.more, ord)
	x.names.set(ord, "")
	x.serial.set(ord, "")
	x.flags[ord] = 0
	x.own[ord], x.shown[ord] = statusGone, statusGone
	x.ids[ord] = model.HostID{}
}
