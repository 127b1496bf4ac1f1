package search

import "github.com/RoaringBitmap/roaring/v2"

// The lists that Load makes at once of all hosts, out of the columns.

// build makes the lists of a dict from its column.
func (d *dict) build(ords []uint32) { d.fill(listsOf(len(d.words), d.of, ords)) }

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

// listsOf sorts ordinals by their number in a column, which is below n: one array, cut into lists.
func listsOf[T uint8 | uint32](n int, column []T, ords []uint32) [][]uint32 {
	lens := make([]uint32, n)
	for _, ord := range ords {
		lens[column[ord]]++
	}
	lists := cut(lens)
	for _, ord := range ords {
		l := &lists[column[ord]]
		*l = append(*l, ord)
	}
	return lists
}

// cut returns empty lists with room for so many each, all in one array.
func cut(lens []uint32) [][]uint32 {
	total := 0
	for _, n := range lens {
		total += int(n)
	}
	all, lists := make([]uint32, total), make([][]uint32, len(lens))
	at := 0
	for i, n := range lens {
		lists[i] = all[at : at : at+int(n)]
		at += int(n)
	}
	return lists
}

func (t *tagLists) build(ords []uint32) {
	lens := make([]uint32, len(t.words.words))
	for _, ord := range ords {
		for _, n := range t.of(ord) {
			lens[n]++
		}
	}
	lists := cut(lens)
	for _, ord := range ords {
		for _, n := range t.of(ord) {
			lists[n] = append(lists[n], ord)
		}
	}
	t.words.fill(lists)
}

// buildSmall makes the lists of a column of few values.
func buildSmall(into []post, column []uint8, ords []uint32) {
	var m marker
	for i, ords := range listsOf(len(into), column, ords) {
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
