package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// repeats is how often each question is asked of each engine; the best of the times counts.
const repeats = 4

// rollups bounds how many questions of the roll-up there are: they are all the same.
const rollups = 40

// ordered are the kinds that read one page along an order that every engine keeps.
var ordered = []string{"host_exact", "host_prefix", "ip_exact", "cidr", "site_status", "os_ver_status", "last_seen_desc", "deep_cursor"}

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
	engines := b.engines(true)
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
		b.row(kind, row, size)
	}
	b.judgeQueries(engines, table)
	if b.web != nil {
		now, peak := resident(b.web.cmd.Process.Pid)
		b.printf("%-20s resident %d MB, at the most %d MB\n", "the controller", now>>20, peak>>20)
	}
	return nil
}

// verify asks every engine each question once and compares the answers. It warms them on the way.
func (b *bench) verify(engines []Engine, sessions []Session, questions []fleet.Query) error {
	for _, q := range questions {
		var first, firstShort uint64
		for i, s := range sessions {
			a, err := s.Query(b.ctx, q)
			if err != nil {
				return fmt.Errorf("%s: %w", engines[i].Name(), err)
			}
			whole, err := a.digest(false)
			if err != nil {
				return err
			}
			short, err := a.digest(true)
			if err != nil {
				return err
			}
			switch {
			case i == 0:
				first, firstShort = whole, short
			case a.Partial && short != firstShort, !a.Partial && whole != first:
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

// measure asks every engine all questions in turn, repeats times.
func (b *bench) measure(sessions []Session, questions []fleet.Query) ([]quantiles, int, error) {
	best := make([][]time.Duration, len(sessions))
	for i := range best {
		best[i] = slices.Repeat([]time.Duration{math.MaxInt64}, len(questions))
	}
	size := 0
	for range repeats {
		for i, s := range sessions {
			for k, q := range questions {
				began := time.Now()
				a, err := s.Query(b.ctx, q)
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
		b.printf(" %16s", e.Name())
	}
	for _, e := range engines[1:] {
		b.printf(" %10s", "x "+e.Name())
	}
	b.printf("   largest body\n")
}

// row prints a kind; a ratio says how many times the first engine took as long at p50.
func (b *bench) row(kind string, row []quantiles, size int) {
	b.printf("%-20s", kind)
	for _, q := range row {
		b.printf(" %16s", millis(q.p50)+"/"+millis(q.p99))
	}
	for _, q := range row[1:] {
		b.printf(" %10.2f", ratio(row[0].p50, q.p50))
	}
	if size > 0 {
		b.printf("   %d", size)
	}
	b.printf("\n")
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// judgeQueries holds the table against the figures.
func (b *bench) judgeQueries(engines []Engine, table map[string][]quantiles) {
	at := func(name string) int {
		return slices.IndexFunc(engines, func(e Engine) bool { return e.Name() == name })
	}
	pg, sk, web := at("PostgreSQL"), at("Skerry"), at("HTTPS")
	worst := time.Duration(0)
	for _, kind := range fleet.Kinds {
		worst = max(worst, table[kind][sk].p99)
	}
	b.figure(worst <= 30*time.Millisecond, "warm p99 of every kind <= 30 ms", "worst %s ms", millis(worst))
	if pg < 0 {
		return
	}
	ratios := func(engine int, kinds []string) (v []float64, least float64, which string) {
		least = math.Inf(1)
		for _, kind := range kinds {
			r := ratio(table[kind][pg].p50, table[kind][engine].p50)
			if v = append(v, r); r < least {
				least, which = r, kind
			}
		}
		return v, least, which
	}
	all, least, which := ratios(sk, fleet.Kinds)
	b.printf("%-20s %s %.1fx\n", "geometric mean", engines[sk].Name(), geomean(all))
	b.figure(least >= 1, "no kind slower than PostgreSQL at p50", "least %.2fx, %s", least, which)
	b.figure(geomean(all) >= 8, "geometric mean of p50 >= 8x", "%.1fx", geomean(all))
	_, least, which = ratios(sk, []string{"count_filter", "count_substr", "facets_filter"})
	b.figure(least >= 25, "counts and facets >= 25x at p50", "least %.1fx, %s", least, which)
	_, least, _ = ratios(sk, []string{"rollup_site"})
	b.figure(least >= 60, "roll-ups >= 60x at p50", "%.1fx", least)
	if web < 0 {
		return
	}
	all, _, _ = ratios(web, fleet.Kinds)
	b.printf("%-20s %s %.1fx\n", "geometric mean", engines[web].Name(), geomean(all))
	worst50, which50, worst99, which99 := 0.0, "", 0.0, ""
	for _, kind := range ordered {
		if r := ratio(table[kind][web].p50, table[kind][pg].p50); r > worst50 {
			worst50, which50 = r, kind
		}
		if r := ratio(table[kind][web].p99, table[kind][pg].p99); r > worst99 {
			worst99, which99 = r, kind
		}
	}
	b.figure(worst50 <= 1.25, "HTTPS: simple and ordered pages <= 1.25x PostgreSQL's p50", "worst %.2fx, %s", worst50, which50)
	b.figure(worst99 <= 2, "HTTPS: simple and ordered pages <= 2x PostgreSQL's p99", "worst %.2fx, %s", worst99, which99)
	b.figure(geomean(all) >= 4, "HTTPS: geometric mean of p50 >= 4x", "%.1fx", geomean(all))
}
