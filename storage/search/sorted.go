package search

import (
	"cmp"
	"slices"
	"sort"
)

const (
	sortedBlockMax = 512 // pairs a block can hold
	sortedFill     = 448 // pairs a block gets when many come at once: room for some more
	sortedMerge    = 384 // two neighbours that together have no more become one
)

// sorted is a set of (key, ordinal) pairs in the order of key, then ordinal: which hosts have an address in
// a range. A key may have many ordinals and an ordinal many keys.
//
// The pairs lie in blocks, keys apart from ordinals, so that a range is handed out without a copy.
type sorted[K comparable] struct {
	compare func(a, b K) int
	blocks  []*sortedBlock[K]
	heads   []sortedPair[K] // the first pair of each block
	counts  []uint16        // pairs in each block; none is empty
	n       int
}

type sortedBlock[K comparable] struct {
	keys [sortedBlockMax]K
	ords [sortedBlockMax]uint32
}

type sortedPair[K comparable] struct {
	key K
	ord uint32
}

func newSorted[K comparable](compare func(a, b K) int) *sorted[K] {
	return &sorted[K]{compare: compare}
}

// len returns how many pairs there are.
func (s *sorted[K]) len() int { return s.n }

// order compares two pairs.
func (s *sorted[K]) order(a, b sortedPair[K]) int {
	if c := s.compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Compare(a.ord, b.ord)
}

// locate returns where a pair is or would be: the block, and the place in it, which may be just behind its
// last pair.
func (s *sorted[K]) locate(p sortedPair[K]) (block, at int) {
	after := sort.Search(len(s.heads), func(i int) bool { return s.order(s.heads[i], p) > 0 })
	if after == 0 {
		return 0, 0
	}
	b := s.blocks[after-1]
	return after - 1, sort.Search(int(s.counts[after-1]), func(i int) bool {
		return s.order(sortedPair[K]{b.keys[i], b.ords[i]}, p) >= 0
	})
}

// has reports whether the pair at a place is p.
func (s *sorted[K]) has(block, at int, p sortedPair[K]) bool {
	return block < len(s.blocks) && at < int(s.counts[block]) && s.blocks[block].keys[at] == p.key && s.blocks[block].ords[at] == p.ord
}

// add puts a pair in and reports whether it is new.
func (s *sorted[K]) add(key K, ord uint32) bool {
	p := sortedPair[K]{key, ord}
	b, at := s.locate(p)
	if s.has(b, at, p) {
		return false
	}
	if len(s.blocks) == 0 {
		s.openBlock(0)
	}
	if s.counts[b] == sortedBlockMax {
		b, at = s.makeRoom(b, at)
	}
	block, n := s.blocks[b], int(s.counts[b])
	copy(block.keys[at+1:n+1], block.keys[at:n])
	copy(block.ords[at+1:n+1], block.ords[at:n])
	block.keys[at], block.ords[at] = key, ord
	s.counts[b]++
	if at == 0 {
		s.heads[b] = p
	}
	s.n++
	return true
}

// makeRoom finds a place for what belongs at a place of a full block. At its end the next block takes it,
// or a new one, and before the first block a new one, so that rising and falling keys leave full blocks;
// elsewhere the block is halved.
func (s *sorted[K]) makeRoom(b, at int) (block, place int) {
	if b == 0 && at == 0 {
		s.openBlock(0)
		return 0, 0
	}
	if at == sortedBlockMax {
		if b+1 == len(s.blocks) || s.counts[b+1] == sortedBlockMax {
			s.openBlock(b + 1)
		}
		return b + 1, 0
	}
	const half = sortedBlockMax / 2
	s.openBlock(b + 1)
	left, right := s.blocks[b], s.blocks[b+1]
	copy(right.keys[:], left.keys[half:])
	copy(right.ords[:], left.ords[half:])
	s.counts[b], s.counts[b+1] = half, sortedBlockMax-half
	s.heads[b+1] = sortedPair[K]{right.keys[0], right.ords[0]}
	if at > half {
		return b + 1, at - half
	}
	return b, at
}

func (s *sorted[K]) openBlock(b int) {
	s.blocks = slices.Insert(s.blocks, b, new(sortedBlock[K]))
	s.heads = slices.Insert(s.heads, b, sortedPair[K]{})
	s.counts = slices.Insert(s.counts, b, 0)
}

func (s *sorted[K]) closeBlock(b int) {
	s.blocks = slices.Delete(s.blocks, b, b+1)
	s.heads = slices.Delete(s.heads, b, b+1)
	s.counts = slices.Delete(s.counts, b, b+1)
}

// remove takes a pair out and reports whether it was there.
func (s *sorted[K]) remove(key K, ord uint32) bool {
	p := sortedPair[K]{key, ord}
	b, at := s.locate(p)
	if !s.has(b, at, p) {
		return false
	}
	block, n := s.blocks[b], int(s.counts[b])
	copy(block.keys[at:], block.keys[at+1:n])
	copy(block.ords[at:], block.ords[at+1:n])
	s.counts[b]--
	s.n--
	switch {
	case n == 1:
		s.closeBlock(b)
		return true
	case at == 0:
		s.heads[b] = sortedPair[K]{block.keys[0], block.ords[0]}
	}
	if n < sortedMerge/3 {
		if b > 0 && s.counts[b-1]+s.counts[b] <= sortedMerge {
			s.merge(b - 1)
		} else if b+1 < len(s.blocks) && s.counts[b]+s.counts[b+1] <= sortedMerge {
			s.merge(b)
		}
	}
	return true
}

// merge puts the pairs of block b+1 behind those of block b.
func (s *sorted[K]) merge(b int) {
	left, right, n := s.blocks[b], s.blocks[b+1], int(s.counts[b])
	copy(left.keys[n:], right.keys[:s.counts[b+1]])
	copy(left.ords[n:], right.ords[:s.counts[b+1]])
	s.counts[b] += s.counts[b+1]
	s.closeBlock(b + 1)
}

// blocksIn calls fn for the parts of blocks with keys from low to high, in order, until it says false, and
// reports whether it never did. What fn gets is shared, and as it is only until the next write.
func (s *sorted[K]) blocksIn(low, high K, fn func(keys []K, ords []uint32) bool) bool {
	if s.compare(low, high) > 0 {
		return true
	}
	for b, at := s.locate(sortedPair[K]{low, 0}); b < len(s.blocks); b, at = b+1, 0 {
		if s.compare(s.heads[b].key, high) > 0 {
			return true
		}
		block, end := s.blocks[b], int(s.counts[b])
		if s.compare(block.keys[end-1], high) > 0 {
			end = sort.Search(end, func(i int) bool { return s.compare(block.keys[i], high) > 0 })
		}
		if at < end && !fn(block.keys[at:end], block.ords[at:end]) {
			return false
		}
	}
	return true
}

// scan calls fn with the ordinals whose keys are from low to high, in the order of their keys, in batches,
// until it says false; it reports whether it never did. A batch is valid until the next write.
func (s *sorted[K]) scan(low, high K, fn func(ords []uint32) bool) bool {
	return s.blocksIn(low, high, func(_ []K, ords []uint32) bool { return fn(ords) })
}

// each calls fn with every pair whose key is from low to high, in order.
func (s *sorted[K]) each(low, high K, fn func(key K, ord uint32)) {
	s.blocksIn(low, high, func(keys []K, ords []uint32) bool {
		for i, k := range keys {
			fn(k, ords[i])
		}
		return true
	})
}

// count returns how many pairs have keys from low to high.
func (s *sorted[K]) count(low, high K) int {
	n := 0
	s.blocksIn(low, high, func(keys []K, _ []uint32) bool { n += len(keys); return true })
	return n
}

// build replaces all that there is by the pairs (keys[i], ords[i]), in any order. A pair that is there twice
// is one.
func (s *sorted[K]) build(keys []K, ords []uint32) {
	pairs := make([]sortedPair[K], len(keys))
	for i, k := range keys {
		pairs[i] = sortedPair[K]{k, ords[i]}
	}
	pairs = slices.Compact(s.sort(pairs))
	s.blocks, s.heads, s.counts, s.n = nil, nil, nil, len(pairs)
	for chunk := range slices.Chunk(pairs, sortedFill) {
		block := new(sortedBlock[K])
		for i, p := range chunk {
			block.keys[i], block.ords[i] = p.key, p.ord
		}
		s.blocks, s.heads, s.counts = append(s.blocks, block), append(s.heads, chunk[0]), append(s.counts, uint16(len(chunk)))
	}
}

// sortedPasses is how many bytes of the keys are sorted by counting at most; what is equal in those is few,
// and compared.
const sortedPasses = 5

// sort returns the pairs in order; it may use their memory.
func (s *sorted[K]) sort(pairs []sortedPair[K]) []sortedPair[K] {
	at, size := sortedBytes[K]()
	if len(pairs) < 4096 || size == 0 {
		slices.SortFunc(pairs, s.order)
		return pairs
	}
	var counts [sortedPasses][257]uint32
	var places []int // the first bytes that are not the same in all keys
	for place := 0; place < size && len(places) < sortedPasses; place++ {
		count, first := &counts[len(places)], at(&pairs[0].key, place)
		for i := range pairs {
			count[int(at(&pairs[i].key, place))+1]++
		}
		if int(count[int(first)+1]) == len(pairs) {
			*count = [257]uint32{}
		} else {
			places = append(places, place)
		}
	}
	spare := make([]sortedPair[K], len(pairs))
	for i := len(places) - 1; i >= 0; i-- {
		next := &counts[i]
		for b := range 256 {
			next[b+1] += next[b]
		}
		for j := range pairs {
			b := at(&pairs[j].key, places[i])
			spare[next[b]] = pairs[j]
			next[b]++
		}
		pairs, spare = spare, pairs
	}
	same := func(a, b *K) bool {
		for _, place := range places {
			if at(a, place) != at(b, place) {
				return false
			}
		}
		return true
	}
	for begin := 0; begin < len(pairs); {
		end := begin + 1
		for end < len(pairs) && same(&pairs[begin].key, &pairs[end].key) {
			end++
		}
		if end-begin > 1 {
			slices.SortFunc(pairs[begin:end], s.order)
		}
		begin = end
	}
	return pairs
}

// sortedBytes returns how to read the bytes of a key, the heaviest first, and how many it has: none where keys
// are compared alone.
func sortedBytes[K comparable]() (at func(k *K, place int) byte, size int) {
	switch any((*K)(nil)).(type) {
	case *uint64:
		return func(k *K, place int) byte { return byte(*any(k).(*uint64) >> (56 - 8*place)) }, 8
	case *wide:
		return func(k *K, place int) byte {
			w := any(k).(*wide)
			if place < 8 {
				return byte(w.hi >> (56 - 8*place))
			}
			return byte(w.lo >> (120 - 8*place))
		}, 16
	}
	return nil, 0
}
