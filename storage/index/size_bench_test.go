package index

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// fleetStore loads a fleet as first syncs would bring it, in transactions of 500.
func fleetStore(b *testing.B, hosts int, o Options) (*Store, *fleet.Fleet, []model.HostID) {
	s, err := Open(b.TempDir(), o)
	ok(b, err)
	f := fleet.New(fleet.Config{Seed: 1, Hosts: hosts, Sites: max(1, hosts/2000)})
	tx := s.Begin()
	for _, site := range f.Sites {
		ok(b, tx.PutSite(site.Model()))
	}
	var ids []model.HostID
	ok(b, f.Order(500, func(site, n int) error {
		h := f.Host(site, n).Model()
		ids = append(ids, h.ID)
		if err := tx.PutHost(h); err != nil {
			return err
		}
		if len(ids)%500 != 0 {
			return nil
		}
		err := tx.Commit(uint64(len(ids)), false)
		tx = s.Begin()
		return err
	}))
	ok(b, tx.Commit(uint64(len(ids)), false))
	return s, f, ids
}

// BenchmarkSize is the measurement that chose the options of Pebble: bytes on disk for each of 100,000 hosts,
// compacted, of their rows, their beats and the checkpoint of the index in memory; one op reads one row at
// random through a cache of 4 MiB, which holds a tenth of them at the most.
func BenchmarkSize(b *testing.B) {
	const hosts = 100_000
	for _, c := range []struct {
		name  string
		block int
		how   func(*pebble.Options)
	}{
		{"snappy-4K", 4 << 10, level(sstable.SnappyCompression)},
		{"snappy-8K", 8 << 10, level(sstable.SnappyCompression)},
		{"minlz-8K", 8 << 10, level(sstable.MinLZCompression)},
		{"balanced-8K", 8 << 10, byLevel(pebble.DBCompressionBalanced)},
		{"good-4K", 4 << 10, byLevel(pebble.DBCompressionGood)},
		{"good-8K", 8 << 10, byLevel(pebble.DBCompressionGood)},
		{"good-16K", 16 << 10, byLevel(pebble.DBCompressionGood)},
		{"good-32K", 32 << 10, byLevel(pebble.DBCompressionGood)},
	} {
		b.Run(c.name, func(b *testing.B) {
			from := cpuTime(b)
			s, _, ids := fleetStore(b, hosts, Options{CacheBytes: 4 << 20, tune: func(o *pebble.Options) {
				for i := range o.Levels {
					o.Levels[i].BlockSize = c.block
					o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
				}
				c.how(o)
			}})
			defer func() { ok(b, s.Close()) }()
			load := cpuTime(b) - from
			s.checkpointNow(1)
			db := s.life.db
			ok(b, db.Compact(context.Background(), []byte{0}, []byte{0xFF}, true))
			used := func(from, to key.Space) float64 {
				n, err := db.EstimateDiskUsage(from.Prefix(), key.After(to.Prefix()))
				ok(b, err)
				return float64(n) / hosts
			}
			rng := rand.New(rand.NewPCG(1, 1))
			v := s.View()
			defer v.Close()
			reads, cpu := 0, cpuTime(b)
			for b.Loop() {
				var h model.Host
				reads++
				_, err := v.row(ids[rng.IntN(len(ids))], &h)
				ok(b, err)
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(reads), "cpu-ns/op")
			b.ReportMetric(used(key.SpaceHost, key.SpaceHost), "row-B/host")
			b.ReportMetric(used(key.SpaceHostBeat, key.SpaceHostBeat), "beat-B/host")
			b.ReportMetric(used(key.SpaceSearchCheckpoint, key.SpaceSearchCheckpoint), "checkpoint-B/host")
			b.ReportMetric(float64(db.Metrics().DiskSpaceUsage())/hosts, "all-B/host")
			b.ReportMetric(load.Seconds()*1e6/hosts, "load-cpu-us/host")
		})
	}
}

func level(p *sstable.CompressionProfile) func(*pebble.Options) {
	return byLevel(pebble.UniformDBCompressionSettings(p))
}

func byLevel(c pebble.DBCompressionSettings) func(*pebble.Options) {
	return func(o *pebble.Options) { o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return c }) }
}

// cpuTime is how long processors have worked for this process, which says more than the clock where others
// work beside it.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
