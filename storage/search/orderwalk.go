package search

import (
	"slices"
	"sort"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// orderPlace is a place in an order, or its end.
type orderPlace struct{ block, at int }

// get returns the ordinal at a place that is not the end.
func (o *order) get(p orderPlace) uint32 { return o.blocks[p.block][p.at] }

// back and forth return the place before and behind p; false: there is none.
func (o *order) back(p orderPlace) (orderPlace, bool) {
	if p.at > 0 {
		return orderPlace{p.block, p.at - 1}, true
	}
	if p.block == 0 {
		return p, false
	}
	return orderPlace{p.block - 1, int(o.counts[p.block-1]) - 1}, true
}

func (o *order) forth(p orderPlace) (orderPlace, bool) {
	p.at++
	if p.at == int(o.counts[p.block]) {
		p = orderPlace{p.block + 1, 0}
	}
	return p, p.block < len(o.blocks)
}

// first returns the place of the first ordinal, end the one behind the last.
func (o *order) first() orderPlace { return orderPlace{} }
func (o *order) end() orderPlace   { return orderPlace{block: len(o.blocks)} }

// atOrAfter returns the place of the first ordinal that is not before (name, id).
func (o *order) atOrAfter(name []byte, id model.HostID) orderPlace {
	if p := o.locate(name, id); p.block < len(o.blocks) && p.at == int(o.counts[p.block]) {
		return orderPlace{p.block + 1, 0}
	} else {
		return p
	}
}

// after returns the place of the first ordinal that is behind (name, id).
func (o *order) after(name []byte, id model.HostID) orderPlace {
	p := o.atOrAfter(name, id)
	if p.block < len(o.blocks) && o.compareTo(o.get(p), name, id) == 0 {
		p, _ = o.forth(p)
	}
	return p
}

// prefix returns where the names that begin with p begin and end; an empty p is all.
func (o *order) prefix(p []byte) (from, to orderPlace) {
	next := slices.Clone(p) // the least that is behind all that begin with p
	for len(next) > 0 && next[len(next)-1] == 0xff {
		next = next[:len(next)-1]
	}
	to = o.end()
	if len(next) > 0 {
		next[len(next)-1]++
		to = o.atOrAfter(next, model.HostID{})
	}
	return o.atOrAfter(p, model.HostID{}), to
}

// placeOf returns the place of an ordinal; false: it is not in the order.
func (o *order) placeOf(ord uint32) (orderPlace, bool) {
	label := o.label(ord)
	if label == 0 {
		return orderPlace{}, false
	}
	b := sort.Search(len(o.firsts), func(i int) bool { return o.firsts[i] > label }) - 1
	return orderPlace{b, slices.Index(o.blocks[b][:o.counts[b]], ord)}, true
}

// count returns how many ordinals there are from one place up to, not including, another. It costs a
// nanosecond for each block in between.
func (o *order) count(from, to orderPlace) int {
	n := to.at - from.at
	for b := from.block; b < to.block; b++ {
		n += int(o.counts[b])
	}
	return max(n, 0)
}

// orderCursor walks a part of an order, up or down.
type orderCursor struct {
	o        *order
	from, to orderPlace // what is left: from this place up to, not including, that
	desc     bool
}

// walk returns a cursor over the ordinals from one place up to, not including, another; with desc it begins
// at the last of them.
func (o *order) walk(from, to orderPlace, desc bool) orderCursor {
	return orderCursor{o, from, to, desc}
}

// seek returns a cursor that begins at the first ordinal at or after (name, id) and goes up to the end, or
// with desc at the last one at or before it and goes down to the first.
func (o *order) seek(name []byte, id model.HostID, desc bool) orderCursor {
	if desc {
		return o.walk(o.first(), o.after(name, id), true)
	}
	return o.walk(o.atOrAfter(name, id), o.end(), false)
}

// next writes the next ordinals into a slice and returns how many: fewer than fit only at the end.
func (c *orderCursor) next(into []uint32) int {
	n := 0
	for n < len(into) {
		if c.from.block > c.to.block || c.from.block == c.to.block && c.from.at >= c.to.at {
			return n
		}
		if !c.desc {
			end := int(c.o.counts[c.from.block])
			if c.from.block == c.to.block {
				end = c.to.at
			}
			k := copy(into[n:], c.o.blocks[c.from.block][c.from.at:end])
			n, c.from.at = n+k, c.from.at+k
			if c.from.at == end {
				c.from = orderPlace{c.from.block + 1, 0}
			}
			continue
		}
		if c.to.at == 0 {
			c.to.block--
			c.to.at = int(c.o.counts[c.to.block])
		}
		begin := 0
		if c.from.block == c.to.block {
			begin = c.from.at
		}
		part := c.o.blocks[c.to.block][begin:c.to.at]
		k := min(len(part), len(into)-n)
		for i := range k {
			into[n+i] = part[len(part)-1-i]
		}
		n, c.to.at = n+k, c.to.at-k
	}
	return n
}

// check returns an error that says what is wrong where the order is not what it should be. It looks at every
// name.
func (o *order) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Corrupt, "check the order of names", format, args...)
	}
	if len(o.counts) != len(o.blocks) || len(o.heads) != len(o.blocks) || len(o.firsts) != len(o.blocks) {
		return bad("%d blocks, %d counts, %d heads, %d first labels", len(o.blocks), len(o.counts), len(o.heads), len(o.firsts))
	}
	total, last := 0, uint32(0)
	for b, block := range o.blocks {
		if o.counts[b] == 0 || o.counts[b] > orderBlock {
			return bad("block %d holds %d", b, o.counts[b])
		}
		for i, ord := range block[:o.counts[b]] {
			label := o.label(ord)
			switch {
			case label == 0:
				return bad("ordinal %d has no label", ord)
			case total > 0 && o.label(last) >= label:
				return bad("the labels of ordinals %d and %d are not in order", last, ord)
			case total > 0 && o.compareTo(last, o.name(ord), o.id(ord)) >= 0:
				return bad("the names %.64q and %.64q are not in order", o.name(last), o.name(ord))
			case i == 0 && o.heads[b] != orderHeadOf(o.name(ord)):
				return bad("block %d does not begin with %.64q", b, o.name(ord))
			case i == 0 && o.firsts[b] != label:
				return bad("block %d does not begin with the label of ordinal %d", b, ord)
			}
			total, last = total+1, ord
		}
	}
	labelled := 0
	for _, page := range o.labels {
		if page != nil {
			for _, label := range page {
				if label != 0 {
					labelled++
				}
			}
		}
	}
	if total != o.n || labelled != o.n {
		return bad("%d in blocks and %d with labels, not %d", total, labelled, o.n)
	}
	return nil
}
