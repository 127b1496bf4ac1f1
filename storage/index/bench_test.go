package index

import (
	"fmt"
	"path"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

func benchStore(b *testing.B) *Store {
	s, err := Open(b.TempDir(), Options{})
	ok(b, err)
	b.Cleanup(func() { ok(b, s.Close()) })
	return s
}

// advisory is a record of about the size of a distribution's: ten packages, eight names.
func advisory(n int) model.Advisory {
	a := model.Advisory{
		AdvisoryKey: model.AdvisoryKey{Source: "debian", ID: fmt.Sprintf("DEBIAN-CVE-%d", n)},
		Aliases:     []string{fmt.Sprintf("CVE-2024-%d", n)}, Published: 1_700_000_000_000, Modified: 1_700_000_000_000,
		Severity: []model.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		Cursor:   model.Cursor{At: 1_700_000_000_000, Seq: model.Seq(n + 1)},
	}
	for i := range 8 {
		a.Related = append(a.Related, fmt.Sprintf("REL-%d-%d", n, i))
	}
	for i := range 10 {
		a.Affected = append(a.Affected, model.Affected{
			Ecosystem: fmt.Sprintf("Debian:%d", 11+i%3), Name: fmt.Sprintf("package-%d", (n*7+i)%9000),
			Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: "1.2.3-4+deb12u1"}}}},
		})
	}
	return a
}

// BenchmarkPutAdvisories loads records in transactions of 500, as an import does; one op is one record.
func BenchmarkPutAdvisories(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < b.N; n += 500 {
		tx := s.Begin()
		for i := n; i < min(n+500, b.N); i++ {
			ok(b, tx.PutAdvisory(advisory(i)))
		}
		ok(b, tx.Commit(uint64(n), false))
	}
}

// BenchmarkDeltas commits what the sites of 100,000 hosts report, 500 deltas in a transaction, as engine/apply
// would: a beat alone is one that reads no row. One op is one delta.
func BenchmarkDeltas(b *testing.B) {
	s, f, _ := fleetStore(b, 100_000, Options{CacheBytes: 64 << 20})
	defer func() { ok(b, s.Close()) }()
	stream := f.Deltas(0, 1)
	var batches []fleet.Batch
	for range 40 {
		batches = append(batches, stream.Next(500))
	}
	n, position := 0, s.Applied()
	from := cpuTime(b)
	for b.Loop() {
		batch := batches[n/500%len(batches)]
		if n%500 == 0 {
			position++
			tx := s.Begin()
			for i := range batch.Deltas {
				ok(b, putDelta(tx, &batch.Deltas[i], position))
			}
			ok(b, tx.Commit(position, false))
		}
		n++
	}
	b.ReportMetric(float64((cpuTime(b)-from).Nanoseconds())/float64(n), "cpu-ns/op")
}

func putDelta(tx *Tx, d *fleet.Delta, n uint64) error {
	id, err := model.ParseHostID(d.HostID)
	if err != nil {
		return err
	}
	switch d.Op {
	case fleet.OpBeat:
		if _, _, there, err := tx.HostHead(id); err != nil || !there {
			return err // removed by an earlier round
		}
		return tx.PutHostBeat(id, model.HostBeat{Status: fleet.Status(d.Status), StatusAt: model.Time(n), LastSeen: model.Time(d.LastSeen) + model.Time(n)})
	case fleet.OpRemove:
		return tx.DeleteHost(id)
	}
	if _, _, err := tx.Host(id); err != nil {
		return err
	}
	h := d.Host.Model()
	h.FactsAt += model.Time(n)
	return tx.PutHost(h)
}

// BenchmarkDurableCommit writes one host with an fsync; one op is one commit.
func BenchmarkDurableCommit(b *testing.B) {
	s := benchStore(b)
	for n := range b.N {
		tx := s.Begin()
		ok(b, tx.PutHost(host(n%1000, model.SiteID{1})))
		ok(b, tx.Commit(uint64(n), true))
	}
}

// countingFS counts what is written to files by the ends of their names.
type countingFS struct {
	vfs.FS
	log, tables, rest atomic.Int64
}

func (f *countingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.count(file, name), err
}

func (f *countingFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.count(file, name), err
}

func (f *countingFS) count(file vfs.File, name string) vfs.File {
	n := &f.rest
	switch path.Ext(name) {
	case ".log":
		n = &f.log
	case ".sst":
		n = &f.tables
	}
	return &countingFile{file, n}
}

type countingFile struct {
	vfs.File
	n *atomic.Int64
}

func (f *countingFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.n.Add(int64(n))
	return n, err
}

// BenchmarkWritten is BenchmarkDeltas with the bytes that are written for one delta, with a log and without: to the log, to
// table files and to all others; those to table files are of flushes and compactions.
func BenchmarkWritten(b *testing.B) {
	for _, noWAL := range []bool{false, true} {
		b.Run(fmt.Sprintf("noWAL=%t", noWAL), func(b *testing.B) {
			count := &countingFS{FS: vfs.Default}
			s, f, _ := fleetStore(b, 100_000, Options{CacheBytes: 64 << 20, NoWAL: noWAL, Disk: &Disk{count}})
			defer func() { ok(b, s.Close()) }()
			stream := f.Deltas(0, 1)
			ok(b, s.flush(s.life.db))
			log, tables, rest := count.log.Load(), count.tables.Load(), count.rest.Load()
			n, position, from := 0, s.Applied(), cpuTime(b)
			for b.Loop() {
				if n%500 == 0 {
					position++
					tx := s.Begin()
					batch := stream.Next(500)
					for i := range batch.Deltas {
						ok(b, putDelta(tx, &batch.Deltas[i], position))
					}
					ok(b, tx.Commit(position, false))
				}
				n++
			}
			used := cpuTime(b) - from
			ok(b, s.flush(s.life.db))
			per := func(bytes int64) float64 { return float64(bytes) / float64(n) }
			b.ReportMetric(per(count.log.Load()-log), "log-B/op")
			b.ReportMetric(per(count.tables.Load()-tables), "tables-B/op")
			b.ReportMetric(per(count.rest.Load()-rest), "rest-B/op")
			b.ReportMetric(float64(used.Nanoseconds())/float64(n), "cpu-ns/op")
		})
	}
}
