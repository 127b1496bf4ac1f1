package search

import "github.com/RoaringBitmap/roaring/v2"

// The lists that Load makes at once of all hosts, out of the columns.

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
	var m marker
	for n := 1; n < len(d.words); n++ {
		if d.words[n] == "" {
			continue
		}
		d.posts[n] = m.post(lists[n])
		if d.posts[n].empty() {
			d.drop(uint32(n))
		}
	}
}

// marker makes bitmaps of many ordinals, by marking them in plain words first.
type marker struct{ words []uint64 }

// post makes the list of rising ordinals.
func (m *marker) post(ords []uint32) post {
	if len(ords) <= manyHosts {
		return post{few: append([]uint32(nil), ords...)}
	}
	return post{big: m.bitmap(ords)}
}

// bitmap makes the set of rising ordinals.
func (m *marker) bitmap(ords []uint32) *roaring.Bitmap {
	if len(ords) < manyGathered {
		return roaring.BitmapOf(ords...)
	}
	n := int(ords[len(ords)-1]>>6) + 1
	if n > len(m.words) {
		m.words = make([]uint64, n)
	}
	for _, ord := range ords {
		m.words[ord>>6] |= 1 << (ord & 63)
	}
	made := roaring.FromDense(m.words[:n], true)
	clear(m.words[ords[0]>>6 : n])
	return made
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

// buildSmall makes the lists of a column of few values.
func buildSmall(into []post, column []uint8, ords []uint32) {
	var m marker
	for i, ords := range listsOf(len(into), func(yield func(ord, n uint32)) {
		for _, ord := range ords {
			yield(ord, uint32(column[ord]))
		}
	}) {
		into[i] = m.post(ords)
	}
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
