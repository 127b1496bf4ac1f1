package search

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func TestIDTableAgainstAMap(t *testing.T) {
	kinds := map[string]func(r *rand.Rand) model.HostID{
		"random": structuresID,
		"counted": func(r *rand.Rand) (id model.HostID) {
			binary.BigEndian.PutUint32(id[12:], uint32(r.IntN(3000)))
			return id
		},
		"few": func(r *rand.Rand) (id model.HostID) { id[r.IntN(16)] = byte(r.IntN(3)); return id },
	}
	for kind, make := range kinds {
		t.Run(kind, func(t *testing.T) {
			r := seeded(t, 21)
			table := newIDTable()
			var ids []model.HostID
			var free []uint32
			want := map[model.HostID]uint32{}
			known := func() (id model.HostID) {
				for id = range want { //nolint:revive // any one
					return id
				}
				return make(r)
			}
			for step := range 60_000 {
				id := make(r)
				grow := step/10_000%2 == 0 // three waves of growing and shrinking
				if r.IntN(4) == 0 == grow {
					id = known()
					ord, is := want[id]
					if table.delete(id, ids) != is {
						t.Fatalf("step %d: delete(%v) does not say whether it was there", step, id)
					}
					if is {
						delete(want, id)
						ids[ord] = model.HostID{}
						free = append(free, ord)
					}
				} else if _, is := want[id]; !is {
					ord := uint32(len(ids))
					if len(free) > 0 {
						ord, free = free[len(free)-1], free[:len(free)-1]
					} else {
						ids = append(ids, id)
					}
					ids[ord], want[id] = id, ord
					table.put(ord, ids)
				}
				probe := make(r)
				ord, is := want[probe]
				if got, ok := table.get(probe, ids); ok != is || ok && got != ord {
					t.Fatalf("step %d: get(%v) is %d, %v, not %d, %v", step, probe, got, ok, ord, is)
				}
			}
			if table.len() != len(want) {
				t.Fatalf("%d ids, not %d", table.len(), len(want))
			}
			for id, ord := range want {
				if got, ok := table.get(id, ids); !ok || got != ord {
					t.Fatalf("get(%v) is %d, %v, not %d", id, got, ok, ord)
				}
			}
			var ords []uint32
			for _, ord := range want {
				ords = append(ords, ord)
			}
			built := newIDTable()
			if !built.build(len(ords), slices.Values(ords), ids) {
				t.Fatal("different ids were taken for equal ones")
			}
			for id, ord := range want {
				if got, ok := built.get(id, ids); !ok || got != ord {
					t.Fatalf("after build, get(%v) is %d, %v, not %d", id, got, ok, ord)
				}
			}
			if len(ords) > 0 && built.build(len(ords)+1, slices.Values(append(ords, ords[0])), ids) {
				t.Fatal("an id that is there twice was not noticed")
			}
		})
	}
}

func TestIDTableEmpty(t *testing.T) {
	table := newIDTable()
	if _, ok := table.get(model.HostID{1}, nil); ok || table.delete(model.HostID{1}, nil) {
		t.Error("an empty table has something in it")
	}
	if !table.build(0, slices.Values([]uint32(nil)), nil) || table.build(0, slices.Values([]uint32{0}), make([]model.HostID, 1)) {
		t.Error("build takes more or less than it was told")
	}
	if _, ok := table.get(model.HostID{1}, nil); ok {
		t.Error("a table built of nothing has something in it")
	}
}

func BenchmarkIDTable(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]model.HostID, structuresMany)
	ords := make([]uint32, structuresMany)
	for i := range ids {
		ids[i], ords[i] = structuresID(r), uint32(i)
	}
	table := newIDTable()
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			table.build(len(ords), slices.Values(ords), ids)
		}
		b.ReportMetric(float64(4*len(table.slots))/structuresMany, "B/host")
	})
	b.Run("grow", func(b *testing.B) {
		for b.Loop() {
			table.grow(len(table.slots), ids)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			table.get(ids[r.IntN(structuresMany)], ids)
		}
	})
	b.Run("miss", func(b *testing.B) {
		var id model.HostID
		for b.Loop() {
			binary.BigEndian.PutUint64(id[:], r.Uint64())
			table.get(id, ids)
		}
	})
	b.Run("delete+put", func(b *testing.B) {
		for b.Loop() {
			ord := uint32(r.IntN(structuresMany))
			table.delete(ids[ord], ids)
			table.put(ord, ids)
		}
	})
}
