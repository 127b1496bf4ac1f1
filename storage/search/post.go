package search

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// post is the posting list of one value: the ordinals of the hosts that have it. A value that few hosts
// have costs a few bytes; the others have a bitmap.
type post struct {
	few []uint32 // not sorted; unused once big is there
	big *roaring.Bitmap
}

// manyHosts is from how many hosts on a posting list is a bitmap. It never goes back.
const manyHosts = 16

func (p *post) add(ord uint32) {
	switch {
	case p.big != nil:
		p.big.Add(ord)
	case len(p.few) < manyHosts:
		p.few = append(p.few, ord)
	default:
		p.big = roaring.BitmapOf(p.few...)
		p.big.Add(ord)
		p.few = nil
	}
}

func (p *post) remove(ord uint32) {
	if p.big != nil {
		p.big.Remove(ord)
		return
	}
	if i := slices.Index(p.few, ord); i >= 0 {
		p.few[i] = p.few[len(p.few)-1]
		p.few = p.few[:len(p.few)-1]
	}
}

// empty reports whether no host is on the list.
func (p *post) empty() bool {
	if p.big != nil {
		return p.big.IsEmpty()
	}
	return len(p.few) == 0
}

// ordinals returns a copy of the list.
func (p *post) ordinals() []uint32 {
	if p.big != nil {
		return p.big.ToArray()
	}
	return slices.Clone(p.few)
}

// len returns how many hosts are on the list.
func (p *post) len() int {
	if p.big != nil {
		return int(p.big.GetCardinality())
	}
	return len(p.few)
}

// set returns the list as a set; it is shared with the index.
func (p *post) set() set {
	if p.big != nil {
		return set{bits: p.big, shared: true}
	}
	return set{bits: roaring.BitmapOf(p.few...)}
}

// set is a set of ordinals. A shared one belongs to the index: it is never written through, and is only
// good while the lock is held.
type set struct {
	bits   *roaring.Bitmap
	shared bool
}

func (s set) len() int { return int(s.bits.GetCardinality()) }

// union returns the set of the hosts on any of the lists.
func union(lists []*post) set {
	switch len(lists) {
	case 0:
		return set{bits: roaring.New()}
	case 1:
		return lists[0].set()
	}
	var big []*roaring.Bitmap
	few := roaring.New()
	for _, l := range lists {
		if l.big != nil {
			big = append(big, l.big)
			continue
		}
		few.AddMany(l.few)
	}
	return set{bits: roaring.FastOr(append(big, few)...)}
}

// own returns the set as one that may be changed.
func (s set) own() *roaring.Bitmap {
	if s.shared {
		return s.bits.Clone()
	}
	return s.bits
}
