package search

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

func foldWord(w string) string { return query.Fold(w) }

// Load fills an empty index from the chunks of a checkpoint. The sites should have been put before. After
// an error (kind fault.Corrupt, or that of the chunks) the index is of no use: make a new one and fill it from
// the rows.
func (x *Index) Load(chunks iter.Seq2[[]byte, error]) error {
	x.lock()
	defer x.unlock()
	if x.n != 0 {
		return damaged("the index holds %d hosts already", x.n)
	}
	var order []uint32
	for b, err := range chunks {
		if err != nil {
			return err
		}
		c := &chunk{b: b}
		switch kind := c.u8(); kind {
		case chunkHosts:
			err = x.readHosts(c)
		case chunkWords:
			err = x.readWords(c)
		case chunkSize:
			// More than eight million are made room for as they come: a damaged number must not take all memory.
			x.grow(int(min(c.u32(), 1<<23)))
		case chunkOrder:
			order, err = c.readOrder(order)
		default:
			err = damaged("a chunk of kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
	x.derive(order)
	return nil
}

// LoadBeats brings the hosts that Load gave to the beats that come, each host's once, and returns how many came. It is
// for an index that nobody reads yet: beats come in the order of ids, which is none here, so that several goroutines
// write what belongs to the host alone, and what follows from it is worked out afterwards, in the order of the columns.
func (x *Index) LoadBeats(batches <-chan []Change) int {
	x.lock()
	defer x.unlock()
	var came atomic.Int64
	var writing sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		writing.Go(func() {
			for batch := range batches {
				came.Add(int64(len(batch)))
				for len(batch) > 0 {
					n := min(beatRun, len(batch))
					x.writeBeats(batch[:n])
					batch = batch[n:]
				}
			}
		})
	}
	writing.Wait()
	for ord := range x.n {
		if x.own[ord] != statusGone {
			x.show(ord)
		}
	}
	return int(came.Load())
}

// writeBeats writes at most beatRun beats, and nothing that follows from them.
func (x *Index) writeBeats(changes []Change) {
	if x.byID.n == 0 {
		return
	}
	var slots [beatRun]uint32
	for i := range changes {
		slots[i] = x.byID.slots[x.byID.home(&changes[i].ID)]
	}
	for i := range changes {
		c := &changes[i]
		ord, ok := slots[i]-1, slots[i] != 0
		if ok && x.ids[ord] != c.ID {
			ord, ok = x.byID.get(c.ID, x.ids)
		}
		if ok && c.Beat != nil {
			x.own[ord] = statusNumber(c.Beat.Status)
			x.columns.lastSeen[ord], x.columns.statusAt[ord] = int64(c.Beat.LastSeen), int64(c.Beat.StatusAt)
		}
	}
}

// inOrder returns the ordinals nearly in the order of names: those that the checkpoint's order has, then the
// others.
func (x *Index) inOrder(order, ords []uint32) []uint32 {
	out := make([]uint32, 0, len(ords))
	taken := make([]bool, x.n)
	for _, ord := range order {
		if ord < x.n && !taken[ord] && x.own[ord] != statusGone {
			taken[ord] = true
			out = append(out, ord)
		}
	}
	if len(out) < len(ords) {
		for it := x.alive.Iterator(); it.HasNext(); {
			if ord := it.Next(); !taken[ord] {
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

// derive works out all that is not in a checkpoint. Order is what it says of the order of names.
func (x *Index) derive(order []uint32) {
	var ords []uint32
	for ord := range x.n {
		if x.ids[ord].IsZero() {
			x.own[ord], x.shown[ord] = statusGone, statusGone
			x.free = append(x.free, ord)
			continue
		}
		if _, twice := x.byID.get(x.ids[ord], x.ids); twice || !x.plausible(ord) {
			// It changed while the checkpoint was written, and is applied again.
			x.vacate(ord)
			continue
		}
		x.byID.put(ord, x.ids)
		ords = append(ords, ord)
	}
	x.alive = roaring.BitmapOf(ords...)
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
	work := []func(){
		func() { x.byName.build(x.inOrder(order, ords)) },
		func() {
			buildList(x, ords, x.v4, flagV4, func(o uint32) uint64 { return uint64(x.address.v4[o]) }, func(a addresses) []uint64 { return a.v4 })
		},
		func() {
			buildList(x, ords, x.v6, flagV6, func(o uint32) wide { return x.address.v6[o] }, func(a addresses) []wide { return a.v6 })
		},
		func() {
			buildList(x, ords, x.mac, flagMAC, func(o uint32) uint64 { return x.address.mac[o] }, func(a addresses) []uint64 { return a.mac })
		},
		func() { x.tags.build(ords) },
		func() { x.buildSmall(ords) },
		func() {
			for _, ord := range ords {
				x.grams.set(ord)
			}
		},
	}
	for _, d := range x.dicts() {
		work = append(work, func() { d.build(ords) })
	}
	inParallel(work)
	x.buildPlaces()
	for _, ord := range ords {
		x.look(ord)
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

// vacate makes an ordinal free that is on no list yet.
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
	x.free = append(x.free, ord)
}

// build makes the lists of a dict from its column.
func (d *dict) build(ords []uint32) {
	lists := listsOf(len(d.words), func(yield func(ord, n uint32)) {
		for _, ord := range ords {
			yield(ord, d.of[ord])
		}
	})
	d.fill(lists)
}

// fill takes the lists, and forgets the words that no ordinal has.
func (d *dict) fill(lists [][]uint32) {
	for n := 1; n < len(d.words); n++ {
		if d.words[n] == "" {
			continue
		}
		d.posts[n] = postOf(lists[n])
		if d.posts[n].empty() {
			d.drop(uint32(n))
		}
	}
}

// postOf makes the list of rising ordinals.
func postOf(ords []uint32) post {
	if len(ords) <= manyHosts {
		return post{few: append([]uint32(nil), ords...)}
	}
	return post{big: roaring.BitmapOf(ords...)}
}

// listsOf sorts ordinals by a number below n: one array, cut into lists. Each is called twice with the same.
func listsOf(n int, each func(yield func(ord, n uint32))) [][]uint32 {
	ends := make([]uint32, n+1)
	each(func(_, k uint32) { ends[k+1]++ })
	for k := range n {
		ends[k+1] += ends[k]
	}
	all := make([]uint32, ends[n])
	at := append([]uint32(nil), ends[:n]...)
	each(func(ord, k uint32) {
		all[at[k]] = ord
		at[k]++
	})
	lists := make([][]uint32, n)
	for k := range lists {
		lists[k] = all[ends[k]:ends[k+1]]
	}
	return lists
}

func (t *tagLists) build(ords []uint32) {
	t.words.fill(listsOf(len(t.words.words), func(yield func(ord, n uint32)) {
		for _, ord := range ords {
			for _, n := range t.of(ord) {
				yield(ord, n)
			}
		}
	}))
}

func (x *Index) buildSmall(ords []uint32) {
	for ord := range x.n {
		x.shown[ord] = x.own[ord]
	}
	for _, ord := range ords {
		if x.isLost(ord) {
			x.shown[ord] = statusUnknown
		}
		if x.flags[ord]&flagSimulated != 0 {
			x.simulated.add(ord)
		}
	}
	for _, c := range []struct {
		lists  []post
		column []uint8
	}{{x.byStatus[:], x.shown}, {x.byWorst[:], x.worst}, {x.byReboot[:], x.reboot}} {
		lists := listsOf(len(c.lists), func(yield func(ord, n uint32)) {
			for _, ord := range ords {
				yield(ord, uint32(c.column[ord]))
			}
		})
		for i := range lists {
			c.lists[i] = postOf(lists[i])
		}
	}
}

// buildList makes one of the lists of addresses.
func buildList[K comparable](x *Index, ords []uint32, list *sorted[K], flag uint8, first func(uint32) K, all func(addresses) []K) {
	keys, at := make([]K, 0, len(ords)), make([]uint32, 0, len(ords))
	for _, ord := range ords {
		switch f := x.flags[ord]; {
		case f&flagMore != 0:
			for _, k := range all(x.address.more[ord]) {
				keys, at = append(keys, k), append(at, ord)
			}
		case f&flag != 0:
			keys, at = append(keys, first(ord)), append(at, ord)
		}
	}
	list.build(keys, at)
}

// buildPlaces puts the hosts of each site on the lists of what the site gives them.
func (x *Index) buildPlaces() {
	lists := [placeN]map[string][]*post{}
	for i := range lists {
		lists[i] = map[string][]*post{}
	}
	for n := 1; n < len(x.site.words); n++ {
		if x.site.words[n] == "" {
			continue
		}
		for i := range lists {
			w := placeWord(&x.places.sites[n], i)
			lists[i][w] = append(lists[i][w], &x.site.posts[n])
		}
	}
	for i := range lists {
		for w, posts := range lists[i] {
			x.places.words[i][w] = &post{big: union(posts).own()}
		}
	}
}
