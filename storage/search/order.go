package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/skerryhq/skerry/engine/model"
)

const (
	orderBlock = 512 // ordinals a block can hold
	orderFill  = 448 // ordinals a block gets when many come at once: room for some more
	orderMerge = 384 // two neighbours that together have no more become one
	// orderStride is how far labels lie apart where ordinals come at an end: far enough to put much between them,
	// near enough for a hundred million of them.
	orderStride = 1 << 36
)

// order is the ordinals in the order of (name, id), by bytes. They lie in blocks; a label per ordinal says
// which of two comes first without looking at either name, which is how the ordinals of an answer are put
// in order.
//
// Labels are numbers with gaps. What is put in gets the middle of its gap; where there is none left, the
// smallest range around it, of 2^j labels that begin at a multiple of 2^j, which is not yet too full for
// its size, is spread evenly again (Bender, Cole, Demaine, Farach-Colton, Zito: Two simplified algorithms
// for maintaining order in a list, 2002). That touches few ordinals on average, whatever the names.
//
// The name and the id of an ordinal must not change while it is in here: take it out, change them, put it
// back. Places and cursors are good until the next write.
type order struct {
	name   func(ord uint32) []byte
	id     func(ord uint32) model.HostID
	blocks []*[orderBlock]uint32
	counts []uint16    // ordinals in each block; none is empty
	heads  []orderHead // of the first of each block
	firsts []uint64    // label of the first of each block
	labels []*[namesSegment]uint64
	n      int
}

// orderHead is the first 16 bytes of a name, filled up with zeros: it decides most comparisons without a
// look at the name.
type orderHead struct{ hi, lo uint64 }

func orderHeadOf(name []byte) orderHead {
	return orderHead{orderWord(name, 0), orderWord(name, 8)}
}

// orderWord returns the eight bytes of name from at on as a number, filled up with zeros.
func orderWord(name []byte, at int) uint64 {
	if at+8 <= len(name) {
		return binary.BigEndian.Uint64(name[at:])
	}
	var w [8]byte
	if at < len(name) {
		copy(w[:], name[at:])
	}
	return binary.BigEndian.Uint64(w[:])
}

func (h orderHead) compare(o orderHead) int {
	if h.hi != o.hi {
		return cmp.Compare(h.hi, o.hi)
	}
	return cmp.Compare(h.lo, o.lo)
}

func newOrder(name func(ord uint32) []byte, id func(ord uint32) model.HostID) *order {
	return &order{name: name, id: id}
}

// len returns how many ordinals are in the order.
func (o *order) len() int { return o.n }

// label returns a number that is smaller than another's exactly if ord comes before it, 0 where ord is not in
// the order. It is the same until the next insert.
func (o *order) label(ord uint32) uint64 {
	if s := int(ord / namesSegment); s < len(o.labels) && o.labels[s] != nil {
		return o.labels[s][uint16(ord)]
	}
	return 0
}

func (o *order) setLabel(ord uint32, label uint64) {
	s := int(ord / namesSegment)
	for s >= len(o.labels) {
		o.labels = append(o.labels, nil)
	}
	if o.labels[s] == nil {
		o.labels[s] = new([namesSegment]uint64)
	}
	o.labels[s][uint16(ord)] = label
}

// compareTo compares an ordinal with a name and an id.
func (o *order) compareTo(ord uint32, name []byte, id model.HostID) int {
	if c := bytes.Compare(o.name(ord), name); c != 0 {
		return c
	}
	have := o.id(ord)
	return bytes.Compare(have[:], id[:])
}

// locate returns the place of the first ordinal that is not before (name, id). It may be just behind the
// last of its block: that is where an ordinal of that name and id is put.
func (o *order) locate(name []byte, id model.HostID) orderPlace {
	head := orderHeadOf(name)
	b := sort.Search(len(o.heads), func(i int) bool {
		c := o.heads[i].compare(head)
		if c == 0 {
			c = o.compareTo(o.blocks[i][0], name, id)
		}
		return c >= 0
	}) - 1
	if b < 0 {
		return orderPlace{}
	}
	block := o.blocks[b]
	at := 1 + sort.Search(int(o.counts[b])-1, func(i int) bool { return o.compareTo(block[i+1], name, id) >= 0 })
	return orderPlace{b, at}
}

// insert puts an ordinal in its place and reports whether it was not there yet.
func (o *order) insert(ord uint32) bool {
	if o.label(ord) != 0 {
		return false
	}
	name := o.name(ord)
	p := o.locate(name, o.id(ord))
	if len(o.blocks) == 0 {
		o.openBlock(0)
	}
	if o.counts[p.block] == orderBlock {
		p = o.makeRoom(p)
	}
	block, n := o.blocks[p.block], int(o.counts[p.block])
	copy(block[p.at+1:n+1], block[p.at:n])
	block[p.at] = ord
	o.counts[p.block]++
	o.n++
	if p.at == 0 {
		o.heads[p.block] = orderHeadOf(name)
	}
	var before, behind uint64 // labels
	if q, ok := o.back(p); ok {
		before = o.label(o.get(q))
	}
	if q, ok := o.forth(p); ok {
		behind = o.label(o.get(q))
	}
	label := uint64(1) << 63
	switch {
	case before != 0 && behind != 0:
		label = before + (behind-before)/2
	case before != 0:
		label = before + min((math.MaxUint64-before)/2, orderStride)
	case behind != 0:
		label = behind - min((behind+1)/2, orderStride)
	}
	if label == before || label == behind || label == 0 {
		o.spread(p, max(before, 1))
		return true
	}
	o.mark(p, label)
	return true
}

// mark writes the label of the ordinal at a place.
func (o *order) mark(p orderPlace, label uint64) {
	if p.at == 0 {
		o.firsts[p.block] = label
	}
	o.setLabel(o.blocks[p.block][p.at], label)
}

// orderRoom is how many ordinals a range of 2^j labels may have to be spread anew, rather than a larger
// one: (4/3)^j. The ratio, between 1 and 2, weighs how often that happens against how many it touches.
var orderRoom = func() (room [64]int) {
	for j := range room {
		room[j] = int(math.Pow(4.0/3, float64(j)))
	}
	return room
}()

// spread labels the ordinal at p, which has no label yet, and those around it. near is a label next to it.
func (o *order) spread(p orderPlace, near uint64) {
	left, right, n := p, p, 1
	for j := 1; ; j++ {
		var low, size uint64 = 0, math.MaxUint64
		if j < 64 {
			size = 1 << j
			low = near &^ (size - 1)
		}
		for {
			q, ok := o.back(left)
			if !ok || o.label(o.get(q)) < low {
				break
			}
			left, n = q, n+1
		}
		for {
			q, ok := o.forth(right)
			if !ok || o.label(o.get(q))-low >= size {
				break
			}
			right, n = q, n+1
		}
		if j < 64 && n > orderRoom[j] {
			continue
		}
		step := size / uint64(n+1)
		for i, q := 1, left; i <= n; i++ {
			o.mark(q, low+uint64(i)*step)
			q, _ = o.forth(q)
		}
		return
	}
}

// makeRoom finds a place for what belongs at a place of a full block. At its end the next block takes it,
// or a new one, and before the first block a new one, so that rising and falling names leave full blocks;
// elsewhere the block is halved.
func (o *order) makeRoom(p orderPlace) orderPlace {
	b := p.block
	if p == o.first() {
		o.openBlock(0)
		return p
	}
	if p.at == orderBlock {
		if b+1 == len(o.blocks) || o.counts[b+1] == orderBlock {
			o.openBlock(b + 1)
		}
		return orderPlace{b + 1, 0}
	}
	const half = orderBlock / 2
	o.openBlock(b + 1)
	copy(o.blocks[b+1][:], o.blocks[b][half:])
	o.counts[b], o.counts[b+1] = half, orderBlock-half
	o.lead(b + 1)
	if p.at > half {
		return orderPlace{b + 1, p.at - half}
	}
	return p
}

// lead works out what is kept of the first ordinal of a block.
func (o *order) lead(b int) {
	first := o.blocks[b][0]
	o.heads[b], o.firsts[b] = orderHeadOf(o.name(first)), o.label(first)
}

func (o *order) openBlock(b int) {
	o.blocks = slices.Insert(o.blocks, b, new([orderBlock]uint32))
	o.counts = slices.Insert(o.counts, b, 0)
	o.heads = slices.Insert(o.heads, b, orderHead{})
	o.firsts = slices.Insert(o.firsts, b, 0)
}

func (o *order) closeBlock(b int) {
	o.blocks = slices.Delete(o.blocks, b, b+1)
	o.counts = slices.Delete(o.counts, b, b+1)
	o.heads = slices.Delete(o.heads, b, b+1)
	o.firsts = slices.Delete(o.firsts, b, b+1)
}

// remove takes an ordinal out and reports whether it was there. It does not look at its name.
func (o *order) remove(ord uint32) bool {
	p, ok := o.placeOf(ord)
	if !ok {
		return false
	}
	b := p.block
	block, n := o.blocks[b], int(o.counts[b])
	copy(block[p.at:], block[p.at+1:n])
	o.counts[b]--
	o.n--
	o.setLabel(ord, 0)
	switch {
	case n == 1:
		o.closeBlock(b)
		return true
	case p.at == 0:
		o.lead(b)
	}
	if n < orderMerge/3 {
		if b > 0 && o.counts[b-1]+o.counts[b] <= orderMerge {
			o.merge(b - 1)
		} else if b+1 < len(o.blocks) && o.counts[b]+o.counts[b+1] <= orderMerge {
			o.merge(b)
		}
	}
	return true
}

// merge puts the ordinals of block b+1 behind those of block b.
func (o *order) merge(b int) {
	copy(o.blocks[b][o.counts[b]:], o.blocks[b+1][:o.counts[b+1]])
	o.counts[b] += o.counts[b+1]
	o.closeBlock(b + 1)
}
