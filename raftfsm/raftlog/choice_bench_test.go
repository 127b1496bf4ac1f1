package raftlog

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// logStore is what all candidates offer.
type logStore interface {
	raft.LogStore
	raft.StableStore
	Close() error
}

type candidate struct {
	name string
	open func(dir string) (logStore, error)
}

var candidates = []candidate{
	{"bbolt", func(dir string) (logStore, error) {
		return boltdb.New(boltdb.Options{Path: filepath.Join(dir, "log"), BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}})
	}},
	{"raft-wal", func(dir string) (logStore, error) { return wal.Open(dir, wal.WithLogger(hclog.NewNullLogger())) }},
	{"raftlog", func(dir string) (logStore, error) { return Open(dir, Options{}) }},
}

// deltas returns the data of entries that hold 500 changes of hosts each, as sites send them.
func deltas(b *testing.B, n int) [][]byte {
	f := fleet.New(fleet.Config{Seed: 1, Hosts: 100_000, Sites: 200})
	stream := f.Deltas(0, 1)
	var out [][]byte
	for i := range n {
		batch := stream.Next(500)
		c := model.Received{Stamp: model.Stamp{Actor: "site:" + batch.SiteID, At: 1}, Origin: model.NodeID{1}, Epoch: 1}
		for j, d := range batch.Deltas {
			item, err := d.Item()
			must(b, err)
			item.Seq = model.Seq(i*500 + j + 1)
			c.Items = append(c.Items, item)
		}
		data, err := entry.Encode([]model.Change{c})
		must(b, err)
		out = append(out, data)
	}
	return out
}

func small(b *testing.B) [][]byte {
	data, err := entry.Encode([]model.Change{model.PutSearch{Stamp: model.Stamp{Actor: "account:ann", At: 1}, Search: model.SavedSearch{Name: "old-kernels", Query: "os:debian kernel<6.1"}}})
	must(b, err)
	return [][]byte{data}
}

// written returns the bytes that this process has given to the disk, without what the file system adds.
func written(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("this measurement needs /proc/self/io")
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	b.Fatal("/proc/self/io has no write_bytes")
	return 0
}

// run is one candidate at work.
type run struct {
	candidate
	logStore
	next, first uint64
	took, cut   time.Duration
	bytes       int64
	entries     int
	worst       time.Duration
}

// append stores so many calls of so many entries.
func (r *run) append(b *testing.B, data [][]byte, calls, each int) {
	before := written(b)
	for range calls {
		var batch []*raft.Log
		for range each {
			batch = append(batch, &raft.Log{Index: r.next, Term: 1, Data: data[int(r.next)%len(data)], AppendedAt: time.Unix(1, 0)})
			r.next++
		}
		began := time.Now()
		must(b, r.StoreLogs(batch))
		took := time.Since(began)
		r.took += took
		r.worst = max(r.worst, took)
	}
	r.entries += calls * each
	r.bytes += written(b) - before
	// A controller keeps the entries of some minutes behind its newest snapshot.
	if r.next-r.first > 12_000 {
		began := time.Now()
		must(b, r.DeleteRange(r.first, r.next-6_000))
		r.cut += time.Since(began)
		r.first = r.next - 6_000 + 1
	}
}

// BenchmarkChoice measures the candidates side by side, turn by turn, so that whatever else the machine does meets
// them all: entries a second, each call durable when it returns. -benchtime=200x are 200 turns.
func BenchmarkChoice(b *testing.B) {
	for _, load := range []struct {
		name        string
		data        [][]byte
		calls, each int
	}{
		{"deltas-1", deltas(b, 200), 20, 1},
		{"deltas-8", deltas(b, 200), 5, 8},
		{"small-1", small(b), 40, 1},
		{"small-64", small(b), 10, 64},
	} {
		b.Run(load.name, func(b *testing.B) {
			size := 0
			for _, d := range load.data {
				size += len(d)
			}
			var runs []*run
			for _, c := range candidates {
				s, err := c.open(b.TempDir())
				must(b, err)
				defer s.Close()
				runs = append(runs, &run{candidate: c, logStore: s, next: 1, first: 1})
			}
			for b.Loop() {
				for _, r := range runs {
					r.append(b, load.data, load.calls, load.each)
				}
			}
			for _, r := range runs {
				rate := float64(r.entries) / r.took.Seconds()
				b.ReportMetric(rate, r.name+"-entries/s")
				b.Logf("%-9s %8.0f entries/s of %d bytes, %6.2f bytes written a byte, worst call %s, cuts %s", r.name, rate, size/len(load.data),
					float64(r.bytes)/float64(r.entries)/(float64(size)/float64(len(load.data))), r.worst.Round(time.Microsecond), r.cut.Round(time.Millisecond))
			}
		})
	}
}

// BenchmarkVotes measures what an election writes: three values.
func BenchmarkVotes(b *testing.B) {
	for _, c := range candidates {
		b.Run(c.name, func(b *testing.B) {
			s, err := c.open(b.TempDir())
			must(b, err)
			defer s.Close()
			for n := uint64(1); b.Loop(); n++ {
				must(b, s.SetUint64([]byte("CurrentTerm"), n))
				must(b, s.SetUint64([]byte("LastVoteTerm"), n))
				must(b, s.Set([]byte("LastVoteCand"), []byte("127.0.0.1:7000")))
			}
		})
	}
}

// BenchmarkReopen measures the start with 100,000 small entries, and with 12,000 large ones.
func BenchmarkReopen(b *testing.B) {
	for _, load := range []struct {
		name string
		data [][]byte
		n    int
	}{{"small-100000", small(b), 100_000}, {"deltas-12000", deltas(b, 100), 12_000}} {
		for _, c := range candidates {
			b.Run(load.name+"/"+c.name, func(b *testing.B) {
				dir := b.TempDir()
				s, err := c.open(dir)
				must(b, err)
				r := &run{candidate: c, logStore: s, next: 1, first: 1}
				for r.next <= uint64(load.n) {
					r.first = r.next // no cut
					r.append(b, load.data, 1, 500)
				}
				must(b, s.Close())
				for b.Loop() {
					s, err := c.open(dir)
					must(b, err)
					var e raft.Log
					must(b, s.GetLog(uint64(load.n), &e))
					must(b, s.GetLog(1, &e))
					must(b, s.Close())
				}
				disk := int64(0)
				must(b, filepath.Walk(dir, func(_ string, i os.FileInfo, err error) error {
					if err == nil && i.Mode().IsRegular() {
						disk += i.Size()
					}
					return err
				}))
				b.ReportMetric(float64(disk)/1e6, "MB")
			})
		}
	}
}
