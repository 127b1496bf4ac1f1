package search

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

var benchHosts = flag.Int("hosts", 100_000, "hosts of the benchmarks' fleet")

// benchIndex loads the benchmarks' fleet.
func benchIndex(tb testing.TB, n int) (*Index, *fleet.Fleet) {
	f := fleet.New(fleet.Config{Seed: 1, Hosts: n, Sites: max(n/2000, 5)})
	x := New(1)
	for _, s := range f.Sites {
		x.PutSite(s.Model())
	}
	batch := make([]Change, 0, 500)
	err := f.Order(500, func(s, n int) error {
		h := f.Host(s, n).Model()
		batch = append(batch, Change{ID: h.ID, Host: &h})
		if len(batch) == cap(batch) {
			x.Apply(batch)
			batch = batch[:0]
			x.Tend()
		}
		return nil
	})
	x.Apply(batch)
	for x.Tend() {
	}
	if err != nil {
		tb.Fatal(err)
	}
	return x, f
}

// searchOf is a question of the fleet's mix in the terms of this package.
func searchOf(tb testing.TB, q fleet.Query) query.Search {
	var all query.And
	word := func(f query.Field, shape query.Shape, text string) {
		all = append(all, query.Term{Field: f, Op: query.OpIs, Pattern: query.Pattern{Shape: shape, Text: query.Fold(text)}})
	}
	if q.Hostname != "" {
		word(query.FieldName, query.ShapeExact, q.Hostname)
	}
	if q.Prefix != "" {
		word(query.FieldName, query.ShapePrefix, q.Prefix)
	}
	if q.Substr != "" {
		word(query.FieldName, query.ShapeContains, q.Substr)
	}
	span := func(p netip.Prefix) {
		lo, hi := fleet.CIDRRange(p.String())
		all = append(all, query.Term{Field: query.FieldIP, Op: query.OpIs, Low: v4Of(lo), High: v4Of(hi)})
	}
	if q.IP != "" {
		a := netip.MustParseAddr(q.IP)
		span(netip.PrefixFrom(a, 32))
	}
	if q.CIDR != "" {
		span(netip.MustParsePrefix(q.CIDR))
	}
	if q.SiteID != "" {
		word(query.FieldSite, query.ShapeExact, q.SiteID)
	}
	if q.OSVersion != "" {
		word(query.FieldOS, query.ShapeCounted, fleet.SystemID(q.OSName)+" "+q.OSVersion)
	} else if q.OSName != "" {
		word(query.FieldOS, query.ShapeExact, fleet.SystemID(q.OSName))
	}
	if q.Region != "" {
		word(query.FieldRegion, query.ShapeExact, q.Region)
	}
	for _, t := range q.Tags {
		word(query.FieldTag, query.ShapeExact, t)
	}
	for _, t := range q.NotTags {
		all = append(all, query.Not{X: query.Term{Field: query.FieldTag, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: t}}})
	}
	if q.Status != "" {
		all = append(all, query.Term{Field: query.FieldStatus, Op: query.OpIs, Status: fleet.Status(q.Status)})
	}
	s := query.Search{Limit: q.Limit, Now: model.TimeOf(fleet.T0), Where: all}
	switch len(all) {
	case 0:
		s.Where = query.All{}
	case 1:
		s.Where = all[0]
	}
	switch q.Sort {
	case "last_seen_desc":
		s.Sort = query.Sort{Field: query.FieldSeen, Desc: true}
	case "ip":
		s.Sort = query.Sort{Field: query.FieldIP}
	default:
		s.Sort = query.Sort{Field: query.FieldName}
	}
	if q.AfterHost != "" {
		id, err := model.ParseHostID(q.AfterID)
		if err != nil {
			tb.Fatal(err)
		}
		s.After = &query.Cursor{Sort: s.Sort, Known: true, Text: query.Fold(q.AfterHost), ID: id}
	}
	return s
}

func v4Of(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// BenchmarkMix prints the times of each kind of the fleet's questions, without the rows. One op is one
// question of each kind.
func BenchmarkMix(b *testing.B) {
	at := time.Now()
	x, f := benchIndex(b, *benchHosts)
	loaded := time.Since(at)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.Logf("%d hosts loaded in %v; heap %d MiB, %d bytes a host", x.Len(), loaded.Round(time.Millisecond), m.HeapAlloc>>20, m.HeapAlloc/uint64(x.Len()))
	ctx := context.Background()
	for _, kind := range fleet.Kinds {
		b.Run(kind, func(b *testing.B) {
			qs := f.Queries(kind, 400)
			var times []time.Duration
			for b.Loop() {
				times = times[:0]
				for _, q := range qs {
					best := time.Hour
					s := searchOf(b, q)
					for range 2 {
						at := time.Now()
						ask(b, x, ctx, q, s)
						best = min(best, time.Since(at))
					}
					times = append(times, best)
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e6, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1e6, "p99-ms")
		})
	}
}

func ask(tb testing.TB, x *Index, ctx context.Context, q fleet.Query, s query.Search) {
	var err error
	switch q.Op {
	case "count":
		_, err = x.Count(ctx, s.Where, s.Now)
	case "facets":
		_, _, err = x.Facets(ctx, s.Where, s.Now, []query.Field{query.FieldStatus, query.FieldOS, query.FieldSite, query.FieldRegion, query.FieldTag, query.FieldSeverity}, 10)
	case "rollup":
	default:
		_, err = x.Find(ctx, s)
	}
	if err != nil {
		tb.Fatal(fmt.Errorf("%+v: %w", q, err))
	}
}

// BenchmarkBeats applies heartbeats in batches of 500; one op is one.
func BenchmarkBeats(b *testing.B) {
	x, f := benchIndex(b, *benchHosts)
	d := f.Deltas(0, 1)
	var changes []Change
	for len(changes) < 50_000 {
		for _, delta := range d.Next(500).Deltas {
			if delta.Op == "hb" {
				item, err := delta.Item()
				if err != nil {
					b.Fatal(err)
				}
				id, err := model.ParseHostID(item.Key)
				if err != nil {
					b.Fatal(err)
				}
				changes = append(changes, Change{ID: id, Beat: &model.HostBeat{Status: fleet.Status(delta.Status), LastSeen: model.Time(delta.LastSeen), StatusAt: model.Time(delta.ModTime)}})
			}
		}
	}
	b.ResetTimer()
	for n := 0; n < b.N; n += 500 {
		at := n % (len(changes) - 500)
		x.Apply(changes[at : at+500])
	}
}

// BenchmarkLoad makes an index from a checkpoint; one op is all hosts.
func BenchmarkLoad(b *testing.B) {
	x, f := benchIndex(b, *benchHosts)
	var chunks [][]byte
	size := 0
	for c := range x.Chunks() {
		chunks, size = append(chunks, c), size+len(c)
	}
	b.ReportMetric(float64(size)/float64(x.Len()), "B/host")
	b.ReportMetric(0, "ns/op")
	for b.Loop() {
		y := New(1)
		for _, s := range f.Sites {
			y.PutSite(s.Model())
		}
		at := time.Now()
		if _, err := y.Load(func(yield func([]byte, error) bool) {
			for _, c := range chunks {
				if !yield(c, nil) {
					return
				}
			}
		}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(at).Milliseconds()), "ms")
	}
}

// BenchmarkJudged says once more that a site of 27,000 hosts among 100,000 was judged, which each of them is looked at for
// in the commit that brings it.
func BenchmarkJudged(b *testing.B) {
	for name, among := range map[string]int{"together": 1, "scattered": 4} {
		b.Run(name, func(b *testing.B) {
			f := fleet.New(fleet.Config{Seed: 1, Hosts: 110_000, Sites: 50})
			large := f.Sites[0].Model().ID
			x, n, at := New(1), 0, model.Time(0)
			if err := f.Order(500, func(site, i int) error {
				h := f.Host(site, i).Model()
				if n++; n <= 27_000*among && n%among == 0 {
					h.Site = large
				}
				at = max(at, h.LastSeen)
				x.Apply([]Change{{ID: h.ID, Host: &h}})
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				at += 60_000
				x.Judged(large, at)
			}
		})
	}
}
