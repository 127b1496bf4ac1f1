package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync"

	"github.com/skerryhq/skerry/engine/fault"
)

// fill replaces all that there is by ordinals that are in order, each once. It reports false where one is
// there twice; the order is empty then.
func (o *order) fill(sorted []uint32) bool {
	o.blocks, o.counts, o.heads, o.firsts, o.labels, o.n = nil, nil, nil, nil, nil, 0
	// Half of all labels stay free at either end, for what comes there.
	label, step := uint64(1)<<62, uint64(1)<<63/uint64(len(sorted)+1)
	for chunk := range slices.Chunk(sorted, orderFill) {
		for _, ord := range chunk {
			if o.label(ord) != 0 {
				*o = order{name: o.name, id: o.id}
				return false
			}
			label += step
			o.setLabel(ord, label)
		}
		block := new([orderBlock]uint32)
		copy(block[:], chunk)
		o.blocks, o.counts = append(o.blocks, block), append(o.counts, uint16(len(chunk)))
		o.heads, o.firsts = append(o.heads, orderHead{}), append(o.firsts, 0)
		o.lead(len(o.blocks) - 1)
	}
	o.n = len(sorted)
	return true
}

// build replaces all that there is by these ordinals, each once; false as in fill. They may come in any
// order: in one that is almost right, such as a saved one, it costs a look at each name, in any other it
// sorts them, using two processors. It changes ords.
func (o *order) build(ords []uint32) bool {
	rest := ords
	ords, strays, ok := o.sift(ords)
	if !ok {
		ords, strays = nil, rest
	}
	items := make([]orderItem, len(strays))
	for i, ord := range strays {
		items[i].ord = ord
	}
	o.sort(items, 0, true)
	for i, it := range items {
		strays[i] = it.ord
	}
	if len(ords) == 0 {
		return o.fill(strays)
	}
	// Each stray is looked for in what is left of the others: few are.
	all := make([]uint32, 0, len(ords)+len(strays))
	for _, ord := range strays {
		name, id := o.name(ord), o.id(ord)
		at := sort.Search(len(ords), func(i int) bool { return o.compareTo(ords[i], name, id) >= 0 })
		all = append(append(all, ords[:at]...), ord)
		ords = ords[at:]
	}
	return o.fill(append(all, ords...))
}

// sift parts ordinals that are almost in order into those that are and the others; ok says whether there are
// so few others that this is of use. It leaves ords as it is unless ok.
func (o *order) sift(ords []uint32) (kept, strays []uint32, ok bool) {
	kept = make([]uint32, 0, len(ords))
	var last []byte // the name of the last one kept
	for _, ord := range ords {
		name, n := o.name(ord), len(kept)
		if c := bytes.Compare(last, name); n == 0 || c < 0 || c == 0 && o.compareTo(kept[n-1], name, o.id(ord)) < 0 {
			kept, last = append(kept, ord), name
			continue
		}
		// Either of the two may be the stray. Where it can be the earlier one it is: to let go of one that is
		// in its place does little harm, but one that is far too late would let go of all behind it.
		if n > 1 && o.compareTo(kept[n-2], name, o.id(ord)) < 0 {
			strays, kept[n-1], last = append(strays, kept[n-1]), ord, name
		} else {
			strays = append(strays, ord)
		}
		if len(strays) > 256+len(kept)/16 {
			return nil, nil, false
		}
	}
	return kept, strays, true
}

// orderItem is an ordinal and the part of its name that is being compared.
type orderItem struct {
	key uint64
	ord uint32
}

// The levels after the last eight bytes of a name: its length, then its id.
const (
	orderByLength = namesMax/8 + iota
	orderByHighID
	orderByLowID
	orderLevels
)

// key returns what an ordinal is compared by at a level, and whether its name goes on behind that.
func (o *order) key(ord uint32, level int) (key uint64, more bool) {
	switch level {
	case orderByLength:
		return uint64(len(o.name(ord))), false
	case orderByHighID, orderByLowID:
		id := o.id(ord)
		return binary.BigEndian.Uint64(id[8*(level-orderByHighID):]), false
	}
	name := o.name(ord)
	return orderWord(name, 8*level), len(name) > 8*(level+1)
}

// orderParallel is from how many items on two processors are worth their while.
const orderParallel = 1 << 14

// sort puts items, which are equal up to a level, in order: by one word of eight bytes after the other,
// each word read once, and only where the words before were equal.
func (o *order) sort(items []orderItem, level int, parallel bool) {
	if len(items) < 2 || level == orderLevels {
		return
	}
	parallel = parallel && len(items) >= orderParallel
	more := false
	load := func(part []orderItem) (more bool) {
		for i := range part {
			key, goesOn := o.key(part[i].ord, level)
			part[i].key, more = key, more || goesOn
		}
		slices.SortFunc(part, func(a, b orderItem) int { return cmp.Compare(a.key, b.key) })
		return more
	}
	if parallel {
		half := len(items) / 2
		var other sync.WaitGroup
		var otherMore bool
		other.Go(func() { otherMore = load(items[:half]) })
		more = load(items[half:])
		other.Wait()
		more = more || otherMore
		orderUnion(items, half)
	} else {
		more = load(items)
	}
	next := level + 1
	if level < orderByLength && !more {
		next = orderByLength
	}
	// Long runs of equal words are sorted by both processors, the short ones divided between them.
	var short [][]orderItem
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].key == items[0].key {
			n++
		}
		run := items[:n]
		items = items[n:]
		switch {
		case n == 1:
		case !parallel, n >= orderParallel:
			o.sort(run, next, parallel)
		default:
			short = append(short, run)
		}
	}
	if len(short) == 0 {
		return
	}
	var other sync.WaitGroup
	other.Go(func() {
		for i := 0; i < len(short); i += 2 {
			o.sort(short[i], next, false)
		}
	})
	for i := 1; i < len(short); i += 2 {
		o.sort(short[i], next, false)
	}
	other.Wait()
}

// orderUnion merges the two sorted parts of items that meet at half.
func orderUnion(items []orderItem, half int) {
	a, b := slices.Clone(items[:half]), items[half:]
	for i := range items {
		if len(a) == 0 {
			return // what is left of b is in its place
		}
		if len(b) == 0 || a[0].key <= b[0].key {
			items[i], a = a[0], a[1:]
		} else {
			items[i], b = b[0], b[1:]
		}
	}
}

// appendTo appends the ordinals in order:
//
//	+-------+-------+-------+-----+
//	| count | first | second| ... |   each 4 bytes, big-endian
//	+-------+-------+-------+-----+
func (o *order) appendTo(b []byte) []byte {
	b = slices.Grow(b, 4+4*o.n)
	b = binary.BigEndian.AppendUint32(b, uint32(o.n))
	for i, block := range o.blocks {
		for _, ord := range block[:o.counts[i]] {
			b = binary.BigEndian.AppendUint32(b, ord)
		}
	}
	return b
}

// load replaces all that there is by what appendTo wrote; every ordinal must be below n and have the name and
// the id that it had then. It looks at every name, on two processors. It refuses what is too long or too
// short, ordinals that are there twice, and names that are not in order; the order is empty then.
func (o *order) load(b []byte, n uint32) error {
	*o = order{name: o.name, id: o.id}
	corrupt := func(format string, args ...any) error {
		*o = order{name: o.name, id: o.id}
		return fault.New(fault.Corrupt, "load the order of names", format, args...)
	}
	if len(b) < 4 {
		return corrupt("%d bytes are too few", len(b))
	}
	count := binary.BigEndian.Uint32(b)
	if b = b[4:]; count > n || uint64(len(b)) != 4*uint64(count) {
		return corrupt("%d bytes for %d of %d ordinals", len(b), count, n)
	}
	ords := make([]uint32, count)
	for i := range ords {
		if ords[i] = binary.BigEndian.Uint32(b[4*i:]); ords[i] >= n {
			return corrupt("there is no ordinal %d", ords[i])
		}
	}
	if !o.fill(ords) {
		return corrupt("an ordinal is there twice")
	}
	half := len(ords) / 2
	var other sync.WaitGroup
	var first bool
	other.Go(func() { first = o.inOrder(ords[:half]) })
	second := o.inOrder(ords[max(half-1, 0):])
	if other.Wait(); !first || !second {
		return corrupt("the names are not in their order")
	}
	return nil
}

// inOrder reports whether ordinals are in the order of their names and ids.
func (o *order) inOrder(ords []uint32) bool {
	var last []byte
	for i, ord := range ords {
		name := o.name(ord)
		if c := bytes.Compare(last, name); i > 0 && (c > 0 || c == 0 && o.compareTo(ords[i-1], name, o.id(ord)) >= 0) {
			return false
		}
		last = name
	}
	return true
}
