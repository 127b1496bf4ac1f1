package index

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/search"
)

// BenchmarkChoice measures what DESIGN.md of storage/search says was chosen between: ordered keyspaces in
// Pebble (status, name, id) and (status, last seen, id) on one side, the index in memory on the other, for
// 200,000 hosts. One op is one page of 50 ids, without their rows; of beats, one beat.
func BenchmarkChoice(b *testing.B) {
	const n = 200_000
	f := fleet.New(fleet.Config{Seed: 1, Hosts: n, Sites: 100})
	db, err := pebble.Open(b.TempDir(), &pebble.Options{Cache: pebble.NewCache(256 << 20), FormatMajorVersion: format})
	ok(b, err)
	defer db.Close()
	x := search.New(1)
	for _, s := range f.Sites {
		x.PutSite(s.Model())
	}
	code := func(h *model.Host) string {
		return map[model.HostStatus]string{model.HostUp: "a", model.HostLate: "b", model.HostDown: "c"}[h.Status] + "|"
	}
	nameKey := func(h *model.Host) []byte {
		return append(append([]byte("n"+code(h)+h.Hostname), 0), h.ID[:]...)
	}
	seenKey := func(h *model.Host) []byte {
		return append(binary.BigEndian.AppendUint64([]byte("s"+code(h)), ^uint64(h.LastSeen)), h.ID[:]...)
	}
	var hosts []model.Host
	batch := db.NewBatch()
	ok(b, f.Order(500, func(s, i int) error {
		h := f.Host(s, i).Model()
		hosts = append(hosts, h)
		x.Apply([]search.Change{{ID: h.ID, Host: &h}})
		if err := batch.Set(nameKey(&h), nil, nil); err != nil {
			return err
		}
		if err := batch.Set(seenKey(&h), nil, nil); err != nil {
			return err
		}
		if len(hosts)%500 == 0 {
			err := batch.Commit(pebble.NoSync)
			batch = db.NewBatch()
			return err
		}
		return nil
	}))
	ok(b, batch.Commit(pebble.NoSync))
	ok(b, db.Compact(context.Background(), []byte("n"), []byte("t"), true))
	for x.Tend() {
	}
	wide, err := query.Parse("status:up")
	ok(b, err)
	narrow, err := query.Parse("status:up os:debian region:eu-west")
	ok(b, err)
	env := query.Env{Site: func(id model.SiteID) model.Site {
		for _, s := range f.Sites {
			if m := s.Model(); m.ID == id {
				return m
			}
		}
		return model.Site{}
	}}
	byID := map[model.HostID]*model.Host{}
	for i := range hosts {
		byID[hosts[i].ID] = &hosts[i]
	}
	keys := func(prefix string, where query.Expr) func(b *testing.B) {
		return func(b *testing.B) {
			steps := 0
			for b.Loop() {
				it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: append([]byte(prefix), '|'+1)})
				ok(b, err)
				found := 0
				for valid := it.First(); valid && found < 50; valid = it.Next() {
					steps++
					k := it.Key()
					// The rows are in memory here: what reading them would add is left out.
					if where == nil || query.Match(where, byID[model.HostID(k[len(k)-16:])], env) {
						found++
					}
				}
				ok(b, it.Close())
			}
			b.ReportMetric(float64(steps)/float64(b.N), "keys/op")
		}
	}
	memory := func(where query.Expr, order query.Sort) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				_, err := x.Find(context.Background(), query.Search{Where: where, Sort: order, Limit: 50})
				ok(b, err)
			}
		}
	}
	seen := query.Sort{Field: query.FieldSeen, Desc: true}
	b.Run("status by name/keyspace", keys("na", nil))
	b.Run("status by name/memory, with the total", memory(wide, query.Sort{}))
	b.Run("status, system and region by name/keyspace", keys("na", narrow))
	b.Run("status, system and region by name/memory, with the total", memory(narrow, query.Sort{}))
	b.Run("status by last seen/keyspace", keys("sa", nil))
	b.Run("status by last seen/memory, with the total", memory(wide, seen))
	b.Run("beats/keyspace", func(b *testing.B) {
		for i := 0; i < b.N; i += 500 {
			batch := db.NewBatch()
			for j := i; j < min(i+500, b.N); j++ {
				h := &hosts[j*7919%n]
				ok(b, batch.Delete(seenKey(h), nil))
				h.LastSeen += 60_000
				ok(b, batch.Set(seenKey(h), nil, nil))
			}
			ok(b, batch.Commit(pebble.NoSync))
		}
	})
	b.Run("beats/memory", func(b *testing.B) {
		changes := make([]search.Change, 500)
		beats := make([]model.HostBeat, 500)
		for i := 0; i < b.N; i += 500 {
			for j := range changes {
				h := &hosts[(i+j)*7919%n]
				beats[j] = model.HostBeat{Status: h.Status, LastSeen: h.LastSeen + model.Time(i)}
				changes[j] = search.Change{ID: h.ID, Beat: &beats[j]}
			}
			x.Apply(changes)
		}
	})
}
