package main

import (
	"math"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// judgeQueries holds the table against the figures.
func (b *bench) judgeQueries(engines []Engine, table map[string][]quantiles) {
	worst := time.Duration(0)
	for _, kind := range fleet.Kinds {
		worst = max(worst, table[kind][at(engines, "Skerry")].p99)
	}
	b.figure(worst <= 30*time.Millisecond, "warm p99 of every kind <= 30 ms", "worst %s ms", millis(worst))
	for _, c := range comparisons {
		base, ours, ok := c.of(engines)
		if !ok {
			continue
		}
		j := judgement{b: b, table: table, base: base, ours: ours, beside: c.base, name: c.ours}
		if c.base == "PostgreSQL" {
			j.beside = "PG by Scan"
		}
		all, _, _ := j.ratios(fleet.Kinds)
		b.printf("%-20s %s beside %s %.1fx\n", "geometric mean", j.name, j.beside, geomean(all))
		if j.name == "Skerry" {
			j.inside(geomean(all))
		} else {
			j.over(geomean(all))
		}
	}
}

// judgement is one of ours beside one way of asking PostgreSQL.
type judgement struct {
	b            *bench
	table        map[string][]quantiles
	base, ours   int // in each row of the table
	beside, name string
}

// ratios are those of p50; the least of them is of the kind which.
func (j judgement) ratios(kinds []string) (v []float64, least float64, which string) {
	least = math.Inf(1)
	for _, kind := range kinds {
		r := ratio(j.table[kind][j.base].p50, j.table[kind][j.ours].p50)
		if v = append(v, r); r < least {
			least, which = r, kind
		}
	}
	return v, least, which
}

// inside judges the store within this process.
func (j judgement) inside(mean float64) {
	say := func(reached bool, what, format string, a ...any) {
		j.b.figure(reached, what+" ("+j.beside+")", format, a...)
	}
	_, least, which := j.ratios(fleet.Kinds)
	say(least >= 1, "no kind slower than PostgreSQL at p50", "least %.2fx, %s", least, which)
	say(mean >= 8, "geometric mean of p50 >= 8x", "%.1fx", mean)
	_, least, which = j.ratios([]string{"count_filter", "count_substr", "facets_filter"})
	say(least >= 25, "counts and facets >= 25x at p50", "least %.1fx, %s", least, which)
	_, least, _ = j.ratios([]string{"rollup_site"})
	say(least >= 60, "roll-ups >= 60x at p50", "%.1fx", least)
}

// over judges what is asked over HTTPS.
func (j judgement) over(mean float64) {
	say := func(reached bool, what, format string, a ...any) {
		j.b.figure(reached, j.name+": "+what+" ("+j.beside+")", format, a...)
	}
	worst50, which50, worst99, which99 := 0.0, "", 0.0, ""
	for _, kind := range ordered {
		base, ours := j.table[kind][j.base], j.table[kind][j.ours]
		if r := ratio(ours.p50, base.p50); r > worst50 {
			worst50, which50 = r, kind
		}
		if r := ratio(ours.p99, base.p99); r > worst99 {
			worst99, which99 = r, kind
		}
	}
	say(worst50 <= 1.25, "simple and ordered pages <= 1.25x PostgreSQL's p50", "worst %.2fx, %s", worst50, which50)
	say(worst99 <= 2, "simple and ordered pages <= 2x PostgreSQL's p99", "worst %.2fx, %s", worst99, which99)
	say(mean >= 4, "geometric mean of p50 >= 4x", "%.1fx", mean)
}
