package search

import "math/bits"

// The alphabet of grams: 6 bits. Symbols up to gramExact stand for one byte each; all other bytes share
// those above.
const (
	gramPad    = 0 // behind the end of a name
	gramExact  = 39
	gramShared = 63 - gramExact // symbols that the other bytes share
	gramBits   = 6
	gramPairs  = 1 << (2 * gramBits)
	gramCodes  = 1 << (3 * gramBits)
)

// gramSymbols gives each byte its symbol.
var gramSymbols = func() (symbols [256]uint8) {
	for b := range symbols {
		symbols[b] = uint8(gramExact + 1 + b%gramShared)
	}
	for i, b := range []byte("abcdefghijklmnopqrstuvwxyz0123456789-._") {
		symbols[b] = uint8(1 + i)
	}
	return symbols
}()

// gramIndex says which ordinals of one segment have a gram in their names. The grams of a name are, for each
// of its bytes, that byte and the two behind it, with pads behind the last; a code is three symbols. It
// never changes.
//
// Few of all codes occur. So each pair of symbols has a word of which third symbols follow it, and the
// number of grams before it; the place of a gram among those that occur follows from the two.
type gramIndex struct {
	thirds [gramPairs]uint64
	before [gramPairs + 1]uint32
	starts []uint32 // by gram: where its list begins in lists; one more at the end
	lists  []uint16 // low halves of ordinals; each list is rising
}

// list returns the ordinals that have a gram.
func (x *gramIndex) list(code uint32) []uint16 {
	pair, bit := code>>gramBits, uint64(1)<<(code&(1<<gramBits-1))
	if x.thirds[pair]&bit == 0 {
		return nil
	}
	g := x.before[pair] + uint32(bits.OnesCount64(x.thirds[pair]&(bit-1)))
	return x.lists[x.starts[g]:x.starts[g+1]]
}

// span returns the lists of all grams that begin with a pair from one up to, not including, another, each
// behind the one before: an ordinal may be there several times.
func (x *gramIndex) span(from, to uint32) []uint16 {
	return x.lists[x.starts[x.before[from]]:x.starts[x.before[to]]]
}

// gramSet is a set of ordinals of one segment, by their low halves.
type gramSet [namesSegment / 64]uint64

func (s *gramSet) has(low uint16) bool { return s[low>>6]&(1<<(low&63)) != 0 }
func (s *gramSet) add(low uint16)      { s[low>>6] |= 1 << (low & 63) }
func (s *gramSet) remove(low uint16)   { s[low>>6] &^= 1 << (low & 63) }

func (s *gramSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// appendTo appends the members, rising.
func (s *gramSet) appendTo(out []uint16) []uint16 {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			out = append(out, uint16(i<<6|bits.TrailingZeros64(w)))
		}
	}
	return out
}

// gramCell is the list of one code while an index is built: where it begins and where its next ordinal goes.
type gramCell struct{ start, next uint32 }

// gramsOf writes the code of each gram of a name into codes, repeats included, and returns that part of it.
func gramsOf(name []byte, codes *[namesMax]uint32) []uint32 {
	n := 0
	w := uint32(0)
	for i, b := range name {
		w = (w<<gramBits | uint32(gramSymbols[b])) & (gramCodes - 1)
		if i >= 2 {
			codes[n] = w
			n++
		}
	}
	for range min(len(name), 2) {
		w = w << gramBits & (gramCodes - 1)
		codes[n] = w
		n++
	}
	if len(name) == 1 {
		codes[0] = w << gramBits // of one byte, two pads
	}
	return codes[:n]
}

// gramBuild makes the index of the ordinals in live, by counting: how long each list can be, then the lists,
// then the lists without the room that repeats left.
func gramBuild(text namesView, live *gramSet) *gramIndex {
	cells := make([]gramCell, gramCodes)
	lows := live.appendTo(make([]uint16, 0, live.len()))
	var codes [namesMax]uint32
	for _, low := range lows {
		for _, code := range gramsOf(text.at(low), &codes) {
			cells[code].next++
		}
	}
	total := uint32(0)
	for i := range cells {
		n := cells[i].next
		cells[i] = gramCell{total, total}
		total += n
	}
	lists := make([]uint16, total)
	for _, low := range lows {
		for _, code := range gramsOf(text.at(low), &codes) {
			c := &cells[code]
			if c.next == c.start || lists[c.next-1] != low {
				lists[c.next] = low
				c.next++
			}
		}
	}
	size, grams := 0, 0
	for _, c := range cells {
		if n := int(c.next - c.start); n > 0 {
			size, grams = size+n, grams+1
		}
	}
	x := &gramIndex{starts: make([]uint32, 0, grams+1), lists: make([]uint16, 0, size)}
	for code, c := range cells {
		pair := code >> gramBits
		if code&(1<<gramBits-1) == 0 {
			x.before[pair] = uint32(len(x.starts))
		}
		if c.next > c.start {
			x.thirds[pair] |= 1 << (code & (1<<gramBits - 1))
			x.starts = append(x.starts, uint32(len(x.lists)))
			x.lists = append(x.lists, lists[c.start:c.next]...)
		}
	}
	x.before[gramPairs] = uint32(len(x.starts))
	x.starts = append(x.starts, uint32(len(x.lists)))
	return x
}
