package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// distinct counts texts that differ, by the first eight bytes of their SHA-256. Two texts that share those would be counted
// as one, by who writes and by who reads alike.
type distinct struct {
	seen []uint64
}

// newDistinct makes room for n texts at first. Room that is not used is never touched.
func newDistinct(n int) distinct { return distinct{seen: make([]uint64, 0, n)} }

// add counts s; the empty text is none.
func (d *distinct) add(s string) {
	if s == "" {
		return
	}
	sum := sha256.Sum256([]byte(s))
	d.seen = append(d.seen, binary.BigEndian.Uint64(sum[:8]))
}

// count returns how many different texts were added.
func (d *distinct) count() int {
	slices.Sort(d.seen)
	d.seen = slices.Compact(d.seen)
	return len(d.seen)
}
