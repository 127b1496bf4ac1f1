package search

import (
	"hash/maphash"
	"iter"

	"github.com/skerryhq/skerry/engine/model"
)

// idTable finds the ordinal of a host. It keeps ordinals alone, 4 bytes a slot, and compares through the
// column of ids that every method is given: ids[ord] is the id of ord. The hash is seeded, so that hosts
// cannot choose ids that meet in one place.
//
// Slots are a power of two and at most three quarters full; what does not find its slot free takes the
// next free one, and a deletion moves back what stood behind, so that nothing marks where something was.
type idTable struct {
	seed  maphash.Seed
	slots []uint32 // ordinal + 1; 0 is free
	n     int
}

func newIDTable() idTable { return idTable{seed: maphash.MakeSeed()} }

// home returns the slot where the search for an id begins. There must be slots.
func (t *idTable) home(id *model.HostID) int {
	return int(maphash.Bytes(t.seed, id[:])) & (len(t.slots) - 1)
}

// find returns the slot of an id, or the free one where it belongs.
func (t *idTable) find(id *model.HostID, ids []model.HostID) int {
	i := t.home(id)
	for t.slots[i] != 0 && ids[t.slots[i]-1] != *id {
		i = (i + 1) & (len(t.slots) - 1)
	}
	return i
}

// get returns the ordinal of an id.
func (t *idTable) get(id model.HostID, ids []model.HostID) (uint32, bool) {
	if t.n == 0 {
		return 0, false
	}
	slot := t.slots[t.find(&id, ids)]
	return slot - 1, slot != 0
}

// first returns the ordinal at the place where the search for an id begins, which is nearly always its own; noOrdinal
// where there is none.
func (t *idTable) first(id *model.HostID) uint32 {
	if t.n == 0 {
		return noOrdinal
	}
	return t.slots[t.home(id)] - 1 // of a free one: noOrdinal
}

// room makes room for n ids in all.
func (t *idTable) room(n int, ids []model.HostID) {
	slots := max(len(t.slots), 16)
	for n*4 > slots*3 {
		slots *= 2
	}
	if slots > len(t.slots) {
		t.grow(slots, ids)
	}
}

// putAll puts the ordinals below to, beginning with from, whose ids are not zero, and appends to twice those whose id
// another one has already.
func (t *idTable) putAll(from, to uint32, ids []model.HostID, twice []uint32) []uint32 {
	t.room(t.n+int(to-from), ids)
	mask := len(t.slots) - 1
	var homes [beatRun]int
	var there [beatRun]uint32 // looked at together, as in ordinals
	for ; from < to; from += beatRun {
		run := ids[from:min(from+beatRun, to)]
		for i := range run {
			homes[i] = t.home(&run[i])
			there[i] = t.slots[homes[i]]
		}
		for i := range run {
			if run[i].IsZero() {
				continue
			}
			at := homes[i]
			if there[i] != 0 || t.slots[at] != 0 {
				for t.slots[at] != 0 && ids[t.slots[at]-1] != run[i] {
					at = (at + 1) & mask
				}
				if t.slots[at] != 0 {
					twice = append(twice, from+uint32(i))
					continue
				}
			}
			t.slots[at] = from + uint32(i) + 1
			t.n++
		}
	}
	return twice
}

// put makes ord the ordinal of ids[ord]. It takes the place of another ordinal with that id.
func (t *idTable) put(ord uint32, ids []model.HostID) {
	if (t.n+1)*4 > len(t.slots)*3 {
		t.grow(max(2*len(t.slots), 16), ids)
	}
	i := t.find(&ids[ord], ids)
	if t.slots[i] == 0 {
		t.n++
	}
	t.slots[i] = ord + 1
}

// grow gives the table so many slots. What is in it is known to be of different ids.
func (t *idTable) grow(slots int, ids []model.HostID) {
	old := t.slots
	t.slots = make([]uint32, slots)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		i := t.home(&ids[slot-1])
		for t.slots[i] != 0 {
			i = (i + 1) & (slots - 1)
		}
		t.slots[i] = slot
	}
}

// delete takes an id out and reports whether it was there. Its place in ids must still hold it.
func (t *idTable) delete(id model.HostID, ids []model.HostID) bool {
	if t.n == 0 {
		return false
	}
	hole := t.find(&id, ids)
	if t.slots[hole] == 0 {
		return false
	}
	mask := len(t.slots) - 1
	for i := (hole + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		// What stands at i may move into the hole unless its home lies behind the hole.
		if home := t.home(&ids[t.slots[i]-1]); (i-home)&mask >= (i-hole)&mask {
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = 0
	t.n--
	return true
}

// build fills an empty table with n ordinals and reports whether their ids are all different; where they
// are not, the table is of no use.
func (t *idTable) build(n int, ords iter.Seq[uint32], ids []model.HostID) bool {
	slots := 16
	for slots*3 < n*4 {
		slots *= 2
	}
	t.slots, t.n = make([]uint32, slots), 0
	for ord := range ords {
		if t.n == n {
			return false
		}
		i := t.find(&ids[ord], ids)
		if t.slots[i] != 0 {
			return false
		}
		t.slots[i] = ord + 1
		t.n++
	}
	return true
}

// len returns how many ids there are.
func (t *idTable) len() int { return t.n }
