package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// flatKinds are those whose time must not grow with the fleet: exact, prefix and first pages.
var flatKinds = []string{"host_exact", "ip_exact", "host_prefix", "cidr", "site_status", "os_ver_status", "last_seen_desc", "deep_cursor"}

// sized is what a kind took at one size: the median time, and how many lines its answers had on average. In a
// small fleet a page of one site is not full, and less work.
type sized struct {
	p50   time.Duration
	lines float64
}

// growthPart loads fleets of several sizes, each by itself, and asks the kinds that must stay flat, and the
// others to show what they do. Flat is judged over the sizes whose pages are about as full as the fullest.
func (b *bench) growthPart() error {
	b.heading("growth: p50 in ms and (rows) by number of hosts, Skerry inside the process")
	kinds := slices.Clone(flatKinds)
	for _, k := range fleet.Kinds {
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	table := map[string][]sized{}
	var sizes []string
	for _, n := range b.growth {
		if err := b.grow(n, kinds, table); err != nil {
			return fmt.Errorf("%d hosts: %w", n, err)
		}
		sizes = append(sizes, fmt.Sprint(n))
	}
	b.printf("%-20s", "hosts")
	for _, s := range sizes {
		b.printf(" %14s", s)
	}
	b.printf("  largest / smallest where pages are full\n")
	worst, which := 0.0, ""
	for _, k := range kinds {
		b.printf("%-20s", k)
		full := 0.0
		for _, t := range table[k] {
			full = max(full, t.lines)
		}
		var alike []time.Duration
		for _, t := range table[k] {
			b.printf(" %14s", fmt.Sprintf("%s (%.0f)", millis(t.p50), t.lines))
			if t.lines >= .8*full {
				alike = append(alike, t.p50)
			}
		}
		r := ratio(slices.Max(alike), slices.Min(alike))
		b.printf("  %.2f\n", r)
		if slices.Contains(flatKinds, k) && r > worst {
			worst, which = r, k
		}
	}
	if len(sizes) < 2 {
		return nil
	}
	b.figure(worst <= 2, "exact, prefix and first pages flat within 2x over "+strings.Join(sizes, ", ")+" hosts", "worst %.2fx, %s", worst, which)
	return nil
}

// grow measures one size and removes what it took.
func (b *bench) grow(n int, kinds []string, table map[string][]sized) (err error) {
	dir := filepath.Join(b.dir, fmt.Sprint("growth-", n))
	g, err := openGroup(b.ctx, dir, 0)
	if err != nil {
		return err
	}
	s := &skerry{g}
	defer func() {
		if err2 := s.close(); err == nil {
			err = err2
		}
		if err2 := os.RemoveAll(dir); err == nil {
			err = err2
		}
	}()
	f := fleet.New(fleet.Config{Seed: b.seed, Hosts: n, Sites: min(b.options.sites, n)})
	if err := s.load(b.ctx, f); err != nil {
		return err
	}
	session, err := s.Session(b.ctx)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		questions := f.Queries(k, min(b.options.queries, 200))
		lines := 0
		for _, q := range questions {
			a, err := session.Query(b.ctx, q)
			if err != nil {
				return err
			}
			l, err := a.Lines()
			if err != nil {
				return err
			}
			lines += len(l)
		}
		row, _, err := b.measure([]Session{session}, questions)
		if err != nil {
			return err
		}
		table[k] = append(table[k], sized{row[0].p50, float64(lines) / float64(len(questions))})
	}
	return nil
}
