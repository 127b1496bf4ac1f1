package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/fleet"
)

const (
	ingestRows = 150_000 // for each number of writers
	// beatRate is the heartbeat of a million hosts once a minute.
	beatRate = 16_700
	loadTime = 15 * time.Second
)

var writerCounts = []int{1, 2, 8}

// ingestPart measures durable writes, with PostgreSQL's indexes on the last heartbeat and without, and what
// they do to questions. Both engines are given the same, and are asked afterwards whether they hold the same.
func (b *bench) ingestPart() error {
	if b.hosts < 100_000 {
		b.printf("\ningest needs 100,000 hosts or more: a batch of a smaller fleet names a host twice\n")
		return nil
	}
	b.heading("ingest: durable rows/s of the delta mix, %d rows for each number of writers, batches of %d", ingestRows, batchSize)
	b.printf("%-36s", "writers")
	for _, n := range writerCounts {
		b.printf(" %10d", n)
	}
	b.printf("\n")
	type column struct{ pg, bare, sk []float64 }
	var c column
	sk, pg, err := b.ingestBoth("Skerry", "PostgreSQL, all indexes")
	if err != nil {
		return err
	}
	c.sk, c.pg = sk, pg
	if b.pg != nil {
		if err := b.underLoad(); err != nil {
			return err
		}
		if err := b.seenIndexes(false); err != nil {
			return err
		}
		if _, c.bare, err = b.ingestBoth("Skerry again", "PostgreSQL, no last-seen indexes"); err != nil {
			return err
		}
		if err := b.seenIndexes(true); err != nil {
			return err
		}
		best := func(v []float64) float64 { return slices.Max(v) }
		b.figure(best(c.sk) >= 3*best(c.pg), "ingest >= 3x PostgreSQL with all its indexes", "%.2fx, the best of 1, 2 and 8 writers each", best(c.sk)/best(c.pg))
		b.figure(best(c.sk) >= .75*best(c.bare), "ingest >= 0.75x PostgreSQL without the last-seen indexes", "%.2fx, the best of 1, 2 and 8 writers each", best(c.sk)/best(c.bare))
	}
	return b.raw(slices.Max(c.sk))
}

// ingestBoth sends the same to both engines and prints what each took.
func (b *bench) ingestBoth(skName, pgName string) (sk, pg []float64, err error) {
	var all []traffic
	for _, n := range writerCounts {
		all = append(all, b.traffic(n, ingestRows/batchSize))
	}
	one := func(name string, e Engine) (out []float64, err error) {
		b.printf("%-36s", name)
		defer b.printf("\n")
		for _, t := range all {
			took, err := deliver(b.ctx, e, t, 0)
			if err != nil {
				return nil, err
			}
			out = append(out, float64(t.rows())/took.Seconds())
			b.printf(" %10.0f", out[len(out)-1])
		}
		return out, nil
	}
	if b.pg != nil {
		if pg, err = one(pgName, b.pg); err != nil {
			return nil, nil, err
		}
	}
	if sk, err = one(skName, b.sk); err != nil {
		return nil, nil, err
	}
	return sk, pg, b.same()
}

// seenIndexes drops the indexes on the last heartbeat, or makes them again.
func (b *bench) seenIndexes(there bool) error {
	c, err := b.pg.server.connect(b.ctx, "")
	if err != nil {
		return err
	}
	defer c.Close(b.ctx)
	for _, s := range seenIndexes {
		if !there {
			s = "DROP INDEX " + strings.Fields(s)[2]
		}
		if err := execAll(b.ctx, c, s); err != nil {
			return err
		}
	}
	return settle(b.ctx, c)
}

// same asks both engines some questions of each kind and counts the answers that differ.
func (b *bench) same() error {
	engines := b.engines(false)
	sessions := make([]Session, len(engines))
	for i, e := range engines {
		s, err := e.Session(b.ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		sessions[i] = s
	}
	before := b.wrong
	n := 0
	for _, kind := range fleet.Kinds {
		questions := b.questions(kind)
		questions = questions[:min(len(questions), 10)]
		n += len(questions)
		if err := b.verify(engines, sessions, questions); err != nil {
			return err
		}
	}
	b.printf("    (afterwards %d of %d answers differ)\n", b.wrong-before, n)
	return nil
}

// underLoad asks the mix while rows come in, and while nothing does.
func (b *bench) underLoad() error {
	b.printf("\nquestions of all kinds in turn, one client, ms; two writers of %d rows/s together:\n", beatRate)
	b.printf("%-12s %20s %20s %14s\n", "", "idle p50/p99", "under load p50/p99", "rows/s taken")
	t := b.traffic(2, int(beatRate*loadTime.Seconds())/batchSize)
	type result struct{ idle, loaded []time.Duration }
	results := map[string]result{}
	var idle, loaded [2]quantiles
	for i, e := range b.engines(false) {
		quiet, err := b.turns(b.ctx, e, loadTime/2, nil)
		if err != nil {
			return err
		}
		var over atomic.Bool
		var took time.Duration
		var busy map[string][]time.Duration
		g, ctx := errgroup.WithContext(b.ctx)
		g.Go(func() (err error) {
			defer over.Store(true)
			took, err = deliver(ctx, e, t, beatRate)
			return err
		})
		g.Go(func() (err error) {
			busy, err = b.turns(ctx, e, 0, &over)
			return err
		})
		if err := g.Wait(); err != nil {
			return err
		}
		results[e.Name()] = result{flat(quiet), flat(busy)}
		idle[i] = quantiles{percentile(flat(quiet), .5), percentile(flat(quiet), .99)}
		loaded[i] = quantiles{percentile(flat(busy), .5), percentile(flat(busy), .99)}
		b.printf("%-12s %20s %20s %14.0f\n", e.Name(), millis(idle[i].p50)+"/"+millis(idle[i].p99), millis(loaded[i].p50)+"/"+millis(loaded[i].p99), float64(t.rows())/took.Seconds())
		for _, kind := range fleet.Kinds {
			b.printf("  %-20s %18s %18s\n", kind, millis(percentile(quiet[kind], .5))+"/"+millis(percentile(quiet[kind], .99)),
				millis(percentile(busy[kind], .5))+"/"+millis(percentile(busy[kind], .99)))
		}
	}
	b.figure(loaded[1].p99 <= 3*idle[1].p99, "p99 while ingesting <= 3x idle", "%.2fx (%s against %s ms)", ratio(loaded[1].p99, idle[1].p99), millis(loaded[1].p99), millis(idle[1].p99))
	b.figure(4*loaded[1].p99 <= loaded[0].p99, "p99 while ingesting <= a quarter of PostgreSQL's", "1/%.1f of it (%s against %s ms)",
		ratio(loaded[0].p99, loaded[1].p99), millis(loaded[1].p99), millis(loaded[0].p99))
	return nil
}

func flat(m map[string][]time.Duration) []time.Duration {
	var out []time.Duration
	for _, kind := range fleet.Kinds {
		out = append(out, m[kind]...)
	}
	return out
}

// turns asks one question of each kind after the other, for a time or until over is set, and returns the
// times by kind.
func (b *bench) turns(ctx context.Context, e Engine, long time.Duration, over *atomic.Bool) (map[string][]time.Duration, error) {
	s, err := e.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	questions := map[string][]fleet.Query{}
	for _, kind := range fleet.Kinds {
		questions[kind] = b.questions(kind)
		for range 6 { // PostgreSQL settles on a plan after five
			if _, err := s.Query(ctx, questions[kind][0]); err != nil {
				return nil, err
			}
		}
	}
	out := map[string][]time.Duration{}
	end := time.Now().Add(long)
	for i := 0; over != nil && !over.Load() || over == nil && time.Now().Before(end); i++ {
		for _, kind := range fleet.Kinds {
			began := time.Now()
			if _, err := s.Query(ctx, questions[kind][i%len(questions[kind])]); err != nil {
				return nil, err
			}
			out[kind] = append(out[kind], time.Since(began))
		}
	}
	return out, nil
}
