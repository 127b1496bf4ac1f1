package apply_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// one is the store of a controller with one site of so many hosts.
func one(b *testing.B, hosts int) *index.Store {
	s, err := index.Open(b.TempDir(), index.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	at := model.Stamp{Actor: "system", At: 1_700_000_000_000}
	member := model.Member{ID: model.NodeID(berlin), Kind: model.MemberSite, Name: "berlin", TokenHash: "h", TokenExpires: at.At + 1}
	var rows []model.Item
	for i := range hosts {
		h := model.Host{ID: numbered(i), Facts: model.Facts{Hostname: fmt.Sprintf("host-%06d", i)}, Status: model.HostUp, LastSeen: at.At}
		payload, err := model.Encode(h)
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemHost, Key: h.ID.String(), Payload: payload})
	}
	tx := s.Begin()
	for _, c := range []model.Change{
		model.Found{Stamp: at, Self: groupID, Role: model.RoleController, Name: "here"},
		model.Invite{Stamp: at, Member: member, Site: &model.Site{ID: berlin, Name: "berlin"}},
		model.Enroll{Stamp: at, Member: member.ID, TokenHash: "h", Pin: "p"},
		model.Received{Stamp: at, Origin: member.ID, Epoch: 1, Items: rows},
	} {
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(1, false); err != nil {
		b.Fatal(err)
	}
	return s
}

func numbered(i int) model.HostID {
	v := id(7)
	binary.BigEndian.PutUint64(v[1:], uint64(i)*0x9e3779b97f4a7c15)
	return model.HostID(v)
}

// BenchmarkReceivedStatuses applies a run of 500 status items, as a site with many hosts sends them. What
// is measured is reading the items and writing the rows into the batch, without the commit.
func BenchmarkReceivedStatuses(b *testing.B) { benchReceived(b, true) }

// BenchmarkReceivedStatusesAlone is what apply itself costs in that: the rows are in a map.
func BenchmarkReceivedStatusesAlone(b *testing.B) {
	const run = 500
	tx := &heads{rows: map[model.HostID]model.HostBeat{}}
	items := statuses(b, run, true)
	for i := range run {
		tx.rows[numbered(i)] = model.HostBeat{Status: model.HostUp}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		c := model.Received{Stamp: model.Stamp{At: 1_700_000_002_000}, Origin: model.NodeID(berlin), Epoch: 1, Items: items[n%2]}
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/run, "ns/item")
}

// heads is as much of a transaction as a run of statuses needs. The interface in it is nil: any other
// method panics.
type heads struct {
	apply.Tx
	rows map[model.HostID]model.HostBeat
}

func (*heads) Member(model.NodeID) (model.Member, bool, error) {
	return model.Member{ID: model.NodeID(berlin), Kind: model.MemberSite, Status: model.MemberEnrolled}, true, nil
}

func (*heads) Watermark(model.NodeID) (model.Position, error)             { return model.Position{}, nil }
func (*heads) PutWatermark(model.NodeID, model.Position) error            { return nil }
func (*heads) Counts(model.SiteID) (n model.SiteCounts, ok bool, e error) { return n, false, nil }
func (*heads) PutCounts(model.SiteCounts) error                           { return nil }
func (*heads) Trend(model.SiteID, model.Resolution, model.Time) (s model.TrendSlot, ok bool, e error) {
	return s, false, nil
}
func (*heads) PutTrend(model.SiteID, model.Resolution, model.TrendSlot) error { return nil }
func (h *heads) HostHead(id model.HostID) (model.SiteID, model.HostBeat, bool, error) {
	b, ok := h.rows[id]
	return berlin, b, ok, nil
}
func (h *heads) PutHostBeat(id model.HostID, b model.HostBeat) error { h.rows[id] = b; return nil }

// BenchmarkReceivedHosts is the same with whole rows in which only the beat differs: what the status items
// spare.
func BenchmarkReceivedHosts(b *testing.B) { benchReceived(b, false) }

func benchReceived(b *testing.B, beats bool) {
	const run = 500
	s := one(b, run)
	items := statuses(b, run, beats)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		tx := s.Begin()
		c := model.Received{Stamp: model.Stamp{At: 1_700_000_002_000}, Origin: model.NodeID(berlin), Epoch: 1, Items: items[(n+1)%2]}
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			b.Fatal(err)
		}
		tx.Discard()
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/run, "ns/item")
}

// statuses returns two runs for the same hosts: one says that they are up, the other that they are down.
func statuses(b *testing.B, run int, beats bool) [2][]model.Item {
	words := [2]model.HostStatus{model.HostUp, model.HostDown}
	var items [2][]model.Item
	for w, status := range words {
		for i := range run {
			h := model.Host{ID: numbered(i), Facts: model.Facts{Hostname: fmt.Sprintf("host-%06d", i)}}
			h.SetBeat(model.HostBeat{Status: status, StatusAt: 1_700_000_001_000, LastSeen: 1_700_000_000_500})
			it := model.Item{Seq: model.Seq(run + i + 1), Kind: model.ItemHost, Key: h.ID.String()}
			payload, err := model.Encode(h)
			if beats {
				it.Kind = model.ItemStatus
				payload, err = model.Encode(h.Beat())
			}
			if err != nil {
				b.Fatal(err)
			}
			it.Payload = payload
			items[w] = append(items[w], it)
		}
	}
	return items
}
