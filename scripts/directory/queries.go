package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/scripts/local"
)

// repeats is how often each question is asked of each engine; the best of the times counts.
const repeats = 4

// rollups bounds how many questions of the roll-up there are: they are all the same.
const rollups = 40

// ordered are the kinds that read one page along an order that every engine keeps.
var ordered = []string{"host_exact", "host_prefix", "ip_exact", "cidr", "site_status", "os_ver_status", "last_seen_desc", "deep_cursor"}

// contenders are all ways in which questions are asked in the part queries: PostgreSQL, ours and both again as
// other clients see them.
func (b *bench) contenders() []Engine {
	var out []Engine
	if b.pg != nil {
		out = append(out, b.pg, byHand{b.pg})
	}
	out = append(out, b.sk)
	if b.web != nil {
		out = append(out, b.web, library{b.web})
	}
	return out
}

// comparison is a pair of contenders whose ratio is printed: how many times as long the first took.
type comparison struct{ label, base, ours string }

var comparisons = []comparison{
	{"x Skerry", "PostgreSQL", "Skerry"},
	{"x HTTPS", "PostgreSQL", "HTTPS"},
	{"x net/http", "PostgreSQL", "net/http"},
	{"h Skerry", "PG by hand", "Skerry"},
	{"h HTTPS", "PG by hand", "HTTPS"},
}

// of finds the pair among the engines; false: one of them is not there.
func (c comparison) of(engines []Engine) (base, ours int, ok bool) {
	base, ours = at(engines, c.base), at(engines, c.ours)
	return base, ours, base >= 0 && ours >= 0
}

// at finds an engine by its name, -1 if it is not there.
func at(engines []Engine, name string) int {
	return slices.IndexFunc(engines, func(e Engine) bool { return e.Name() == name })
}

// engines are those that are there.
func (b *bench) engines(web bool) []Engine {
	var out []Engine
	if b.pg != nil {
		out = append(out, b.pg)
	}
	out = append(out, b.sk)
	if web && b.web != nil {
		out = append(out, b.web)
	}
	return out
}

func (b *bench) questions(kind string) []fleet.Query {
	if kind == "rollup_site" {
		return b.fleet.Queries(kind, min(b.options.queries, rollups))
	}
	return b.fleet.Queries(kind, b.options.queries)
}

// quantiles are the times of one kind with one engine.
type quantiles struct{ p50, p99 time.Duration }

// queriesPart asks every engine the whole mix with one client, kind by kind in turn, so that noise hits all.
func (b *bench) queriesPart() error {
	if err := b.serveWeb(); err != nil {
		return err
	}
	b.heading("queries: one client, %d questions of a kind, each asked %d times, the best counts", b.options.queries, repeats)
	engines := b.contenders()
	sessions := make([]Session, len(engines))
	for i, e := range engines {
		s, err := e.Session(b.ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		sessions[i] = s
	}
	table := map[string][]quantiles{}
	bytes := map[string]int{}
	b.header(engines)
	for _, kind := range fleet.Kinds {
		questions := b.questions(kind)
		if err := b.verify(engines, sessions, questions); err != nil {
			return err
		}
		row, size, err := b.measure(sessions, questions)
		if err != nil {
			return err
		}
		table[kind], bytes[kind] = row, size
		b.row(kind, engines, row, size)
	}
	b.judgeQueries(engines, table)
	if b.web != nil {
		u, err := local.UsageOf(b.web.cmd.Process.Pid)
		if err != nil {
			return err
		}
		b.printf("%-20s resident %d MB, at the most %d MB\n", "the controller", u.RSS>>20, u.Peak>>20)
	}
	return nil
}

// verify asks every engine each question once and compares the answers. It warms them on the way.
func (b *bench) verify(engines []Engine, sessions []Session, questions []fleet.Query) error {
	for _, q := range questions {
		var first uint64
		for i, s := range sessions {
			a, err := s.Query(b.ctx, q)
			if err != nil {
				return fmt.Errorf("%s: %w", engines[i].Name(), err)
			}
			sum, err := a.digest()
			if err != nil {
				return err
			}
			if i == 0 {
				first = sum
			} else if sum != first {
				b.differ(engines, sessions, i, q)
			}
		}
	}
	return nil
}

// differ prints the first few answers that are not the same.
func (b *bench) differ(engines []Engine, sessions []Session, i int, q fleet.Query) {
	if b.wrong++; b.wrong > 5 {
		return
	}
	b.printf("DIFFERENT: %+v\n  as a search: %s\n", q, text(q))
	var lines [2][]string
	for n, at := range []int{0, i} {
		if a, err := sessions[at].Query(b.ctx, q); err == nil {
			lines[n], _ = a.Lines()
		}
	}
	for n := range max(len(lines[0]), len(lines[1])) {
		var pair [2]string
		for k := range pair {
			if pair[k] = "nothing"; n < len(lines[k]) {
				pair[k] = lines[k][n]
			}
		}
		if pair[0] != pair[1] {
			b.printf("  %s says %s\n  %s says %s\n", engines[0].Name(), pair[0], engines[i].Name(), pair[1])
			return
		}
	}
}

// measure asks every engine all questions in turn, repeats times, each time beginning with another engine.
func (b *bench) measure(sessions []Session, questions []fleet.Query) ([]quantiles, int, error) {
	best := make([][]time.Duration, len(sessions))
	for i := range best {
		best[i] = slices.Repeat([]time.Duration{math.MaxInt64}, len(questions))
	}
	size := 0
	for round := range repeats {
		for n := range sessions {
			i := (n + round) % len(sessions)
			for m := range questions {
				// An engine that was not asked for a while takes longer for the first questions; so that these are
				// not the same ones each time, every round begins at another.
				k := (m + round*len(questions)/repeats) % len(questions)
				began := time.Now()
				a, err := sessions[i].Query(b.ctx, questions[k])
				took := time.Since(began)
				if err != nil {
					return nil, 0, err
				}
				best[i][k] = min(best[i][k], took)
				size = max(size, a.Bytes)
			}
		}
	}
	out := make([]quantiles, len(sessions))
	for i := range out {
		out[i] = quantiles{percentile(best[i], .5), percentile(best[i], .99)}
	}
	return out, size, nil
}

func (b *bench) header(engines []Engine) {
	b.printf("%-20s", "ms p50/p99")
	for _, e := range engines {
		b.printf(" %13s", e.Name())
	}
	for _, c := range comparisons {
		if _, _, ok := c.of(engines); ok {
			b.printf(" %10s", c.label)
		}
	}
	b.printf("   largest body\n")
}

// row prints a kind; a ratio says how many times as long PostgreSQL took at p50.
func (b *bench) row(kind string, engines []Engine, row []quantiles, size int) {
	b.printf("%-20s", kind)
	for _, q := range row {
		b.printf(" %13s", millis(q.p50)+"/"+millis(q.p99))
	}
	for _, c := range comparisons {
		if base, ours, ok := c.of(engines); ok {
			b.printf(" %10.2f", ratio(row[base].p50, row[ours].p50))
		}
	}
	if size > 0 {
		b.printf("   %d", size)
	}
	b.printf("\n")
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
