package search

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// loaded returns an index that was loaded from the checkpoint of one with these hosts.
func loaded(t *testing.T, hosts []model.Host) *Index {
	t.Helper()
	x := New(1)
	for i := range hosts {
		x.Apply([]Change{{ID: hosts[i].ID, Host: &hosts[i]}})
	}
	y := New(1)
	var beats []Change
	for i := range hosts {
		b := hosts[i].Beat()
		beats = append(beats, Change{ID: hosts[i].ID, Beat: &b})
	}
	if _, err := y.Load(func(yield func([]byte, error) bool) {
		for b := range x.Chunks() {
			if !yield(bytes.Clone(b), nil) {
				return
			}
		}
	}, inBatches(beats)); err != nil {
		t.Fatal(err)
	}
	return y
}

// TestLateAddresses changes addresses at every moment at which a list of them can be while it is made after a start, and
// asks for them before and after.
func TestLateAddresses(t *testing.T) {
	hosts := make([]model.Host, 100)
	for n := range hosts {
		hosts[n] = numbered(n)
		hosts[n].IPv6, hosts[n].MAC = []string{fmt.Sprintf("fd00::%x", n+1)}, []string{fmt.Sprintf("02:00:00:00:00:%02x", n)}
	}
	x := loaded(t, hosts)
	ask := func(when string) {
		t.Helper()
		for n := range hosts {
			h := &hosts[n]
			for field, text := range map[query.Field]string{query.FieldIP: "", query.FieldMAC: ""} {
				texts := [][]string{h.MAC}
				if field == query.FieldIP {
					texts = [][]string{h.IPv4, h.IPv6}
				}
				for _, list := range texts {
					for _, text = range list {
						where, err := query.Parse(fmt.Sprintf("%s:%q", field, text))
						if err != nil {
							t.Fatal(err)
						}
						f, err := x.Find(context.Background(), query.Search{Where: where, Limit: 10})
						if err != nil || f.Total != 1 || f.Hits[0].ID != h.ID {
							t.Fatalf("%s: %s %s is found %d times (%v), of host %s", when, field, text, f.Total, err, h.ID)
						}
					}
				}
			}
		}
		lines := x.Census()
		for n := range hosts {
			lines = append(lines, x.Verify(&hosts[n])...)
		}
		if len(lines) > 0 {
			t.Fatalf("%s: %s", when, lines[0])
		}
	}
	step := 0
	change := func() {
		step++
		h := &hosts[step]
		h.IPv4, h.IPv6, h.MAC = []string{fmt.Sprintf("10.1.0.%d", step), fmt.Sprintf("10.2.0.%d", step)}, nil, append(slices.Clone(h.MAC), fmt.Sprintf("06:00:00:00:00:%02x", step))
		gone := hosts[len(hosts)-1]
		hosts = hosts[:len(hosts)-1]
		came := numbered(1000 + step)
		came.MAC = []string{fmt.Sprintf("0a:00:00:00:00:%02x", step)}
		hosts = append([]model.Host{came}, hosts...)
		x.Apply([]Change{{ID: hosts[step+1].ID, Host: &hosts[step+1]}, {ID: gone.ID, Gone: true}, {ID: came.ID, Host: &came}})
	}
	ask("after the start")
	change()
	ask("after a change")
	// The columns were read, the list is not there yet.
	meanwhile := 0
	for _, l := range []*addressList[uint64]{&x.v4, &x.mac} {
		was, first := l.compare, true
		l.compare = func(a, b uint64) int {
			if first && l.making {
				first = false
				meanwhile++
				change()
			}
			return was(a, b)
		}
	}
	for x.Tend() {
		ask("while lists are made")
	}
	if x.v4.late || x.v6.late || x.mac.late || meanwhile != 2 {
		t.Fatalf("the lists are late still, or nothing changed while they were made: %d", meanwhile)
	}
	ask("when all lists are made")
	change()
	ask("after a change of the lists")
}

// TestPutAll puts ids in by runs, as a start does, with some that are there twice and some that are none.
func TestPutAll(t *testing.T) {
	r := seeded(t, 77)
	for range 20 {
		ids := make([]model.HostID, r.IntN(300))
		for i := range ids {
			if r.IntN(10) > 0 {
				ids[i] = model.HostID{byte(r.IntN(4)), 15: byte(1 + r.IntN(60))}
			}
		}
		table := newIDTable()
		if r.IntN(2) == 0 {
			table.room(r.IntN(400), ids)
		}
		var twice, want []uint32
		for from := 0; from < len(ids); {
			to := min(from+1+r.IntN(80), len(ids))
			twice = table.putAll(uint32(from), uint32(to), ids, twice)
			from = to
		}
		seen := map[model.HostID]uint32{}
		for i, id := range ids {
			if _, ok := seen[id]; ok && !id.IsZero() {
				want = append(want, uint32(i))
			} else if !id.IsZero() {
				seen[id] = uint32(i)
			}
		}
		if !slices.Equal(twice, want) || table.len() != len(seen) {
			t.Fatalf("%d ids, twice %v, want %d and %v", table.len(), twice, len(seen), want)
		}
		for id, ord := range seen {
			if got, ok := table.get(id, ids); !ok || got != ord {
				t.Fatalf("%s is %d (%v), want %d", id, got, ok, ord)
			}
		}
	}
}
