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
