package search

import (
	"github.com/RoaringBitmap/roaring/v2"
)

// gather collects ordinals in any order and makes a set of them: few are sorted in by the bitmap itself,
// many are marked in plain words first, which costs the same for each.
type gather struct {
	n     uint32 // all ordinals are below
	few   []uint32
	words []uint64 // once there are many
}

// manyGathered is from how many ordinals on words are cheaper, for one word of 64 ordinals costs about
// as much to turn into a bitmap as putting one ordinal into it.
const manyGathered = 4096

func newGather(n uint32) *gather { return &gather{n: n} }

// add takes some ordinals; always true, so that a scan goes on.
func (g *gather) add(ords []uint32) bool {
	if g.words == nil && len(g.few)+len(ords) <= manyGathered {
		g.few = append(g.few, ords...)
		return true
	}
	g.mark(g.few)
	g.few = nil
	g.mark(ords)
	return true
}

func (g *gather) addOne(ord uint32) {
	one := [1]uint32{ord}
	g.add(one[:])
}

func (g *gather) mark(ords []uint32) {
	if g.words == nil {
		g.words = make([]uint64, (g.n+63)/64)
	}
	for _, ord := range ords {
		g.words[ord>>6] |= 1 << (ord & 63)
	}
}

// bits returns what was gathered.
func (g *gather) bits() *roaring.Bitmap {
	if g.words == nil {
		return roaring.BitmapOf(g.few...)
	}
	return roaring.FromDense(g.words, false)
}

// dense is a set as plain words, for asking about many single ordinals.
type dense []uint64

func denseOf(b *roaring.Bitmap, n uint32) dense {
	d := make(dense, (n+63)/64)
	b.WriteDenseTo(d)
	return d
}

func (d dense) has(ord uint32) bool { return d[ord>>6]&(1<<(ord&63)) != 0 }
