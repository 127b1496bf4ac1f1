package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/scripts/local"
)

// compacter is what a store offers that can put its files in order at once.
type compacter interface{ Compact(context.Context) error }

// sizePart measures the bytes on disk, fresh and after many deltas, the memory under the mix, and a restart.
func (b *bench) sizePart() error {
	b.heading("size")
	fresh, err := b.sizes("fresh")
	if err != nil {
		return err
	}
	b.figure(fresh <= 450, "disk <= 450 bytes a host, compacted", "%.0f", fresh)
	if b.hosts >= 100_000 && b.deltas > 0 {
		for left := b.deltas; left > 0; left -= 100_000 {
			t := b.traffic(2, min(left, 100_000)/batchSize)
			for _, e := range b.engines(false) {
				if _, err := deliver(b.ctx, e, t, 0); err != nil {
					return err
				}
			}
		}
		after, err := b.sizes(fmt.Sprintf("after %d deltas", b.deltas))
		if err != nil {
			return err
		}
		b.figure(after <= 800, "disk <= 800 bytes a host after 1.3 million deltas", "%.0f after %d", after, b.deltas)
		if err := b.same(); err != nil {
			return err
		}
	}
	return b.memory()
}

// sizes prints the bytes a host of each engine, and returns ours. PostgreSQL's are the table with its
// indexes after VACUUM, ours everything in the folder of the store; neither counts the log.
func (b *bench) sizes(when string) (float64, error) {
	if b.pg != nil {
		c, err := b.pg.server.connect(b.ctx, "")
		if err != nil {
			return 0, err
		}
		defer c.Close(b.ctx)
		if err := settle(b.ctx, c); err != nil {
			return 0, err
		}
		var table, indexes int64
		if err := c.QueryRow(b.ctx, `SELECT pg_table_size('hosts'), pg_indexes_size('hosts')`).Scan(&table, &indexes); err != nil {
			return 0, err
		}
		b.printf("%-24s PostgreSQL %.0f bytes a host (table %.0f, indexes %.0f)\n", when, b.perHost(table+indexes), b.perHost(table), b.perHost(indexes))
	}
	how := "as it is"
	if s, ok := any(b.sk.store).(compacter); ok {
		if err := s.Compact(b.ctx); err != nil {
			return 0, err
		}
		how = "compacted"
	}
	rows, err := diskBytes(filepath.Join(b.sk.dir, "index"))
	if err != nil {
		return 0, err
	}
	log, err := diskBytes(filepath.Join(b.sk.dir, "raft"))
	b.printf("%-24s Skerry %.0f bytes a host, %s (and %.0f of Raft log and snapshots)\n", when, b.perHost(rows), how, b.perHost(log))
	return b.perHost(rows), err
}

func (b *bench) perHost(n int64) float64 { return float64(n) / float64(b.hosts) }

// report is what the child process tells of itself.
type report struct {
	Heap      uint64 // after a collection, once the mix was asked
	Now, Peak int64  // resident
}

// memory starts a process of its own on the store, so that nothing of this one is counted with it, and
// times it to the first answer.
func (b *bench) memory() error {
	if err := b.sk.close(); err != nil {
		return err
	}
	var best time.Duration
	var r report
	for i := range 3 {
		took, got, err := b.child()
		if err != nil {
			return err
		}
		if i == 0 || took < best {
			best = took
		}
		r = got
	}
	b.printf("%-24s %s ms from the start of a process to its first answer, best of three\n", "restart", millis(best))
	b.printf("%-24s Go heap %d MB after a collection, resident %d MB, at the most %d MB\n", "under the mix", r.Heap>>20, r.Now>>20, r.Peak>>20)
	b.figure(best <= time.Second, "restart to the first answer <= 1 s", "%s ms", millis(best))
	b.figure(r.Heap <= 512<<20, "heap for the index <= 512 MB", "%d MB, all of the process", r.Heap>>20)
	b.figure(r.Peak <= 1<<30, "RSS <= 1 GB under the mix", "%d MB at the most", r.Peak>>20)
	return b.sk.open(b.ctx, 0)
}

// child runs this program anew as serveChild.
func (b *bench) child() (time.Duration, report, error) {
	var r report
	self, err := os.Executable()
	if err != nil {
		return 0, r, err
	}
	cmd := exec.CommandContext(b.ctx, self, "-child", b.sk.dir, "-hosts", fmt.Sprint(b.hosts), "-sites", fmt.Sprint(b.options.sites), "-seed", fmt.Sprint(b.seed))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, r, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, r, err
	}
	d := json.NewDecoder(out)
	var answered bool
	err = d.Decode(&answered)
	took := time.Since(began)
	err = errors.Join(err, d.Decode(&r))
	return took, r, errors.Join(err, cmd.Wait())
}

// serveChild opens the store, answers one question and says so, asks the whole mix and says what memory
// that took.
func serveChild(ctx context.Context, dir string, f *fleet.Fleet) error {
	g, err := openGroup(ctx, dir, 0)
	if err != nil {
		return err
	}
	e := &skerry{g}
	s, err := e.Session(ctx)
	if err != nil {
		return errors.Join(err, g.close())
	}
	out := json.NewEncoder(os.Stdout)
	if _, err := s.Query(ctx, f.Queries("host_exact", 1)[0]); err != nil {
		return errors.Join(err, g.close())
	}
	if err := out.Encode(true); err != nil {
		return errors.Join(err, g.close())
	}
	for _, kind := range fleet.Kinds {
		for _, q := range f.Queries(kind, 200) {
			if _, err := s.Query(ctx, q); err != nil {
				return errors.Join(err, g.close())
			}
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u, err := local.UsageOf(os.Getpid())
	return errors.Join(err, out.Encode(report{Heap: m.HeapAlloc, Now: u.RSS, Peak: u.Peak}), g.close())
}
