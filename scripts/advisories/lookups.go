package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/index"
)

// lookupN is how many of each kind are measured, after as many to warm up.
const lookupN = 20_000

func decode(text string, v any) error {
	return json.NewDecoder(bytes.NewReader([]byte(text))).Decode(v)
}

// lookups stops the site and asks its index in this process.
func (b *bench) lookups(_ context.Context, g *local.Group, site *local.Process) error {
	if err := g.End(site, syscall.SIGTERM); err != nil {
		return err
	}
	store, err := index.Open(filepath.Join(b.dir, "alone", "index"), index.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	v := store.View()
	defer v.Close()
	var cves []string
	if err := v.EachCanonical("", func(c model.Canonical) error {
		if model.IsCVE(c.ID) {
			cves = append(cves, c.ID)
		}
		return nil
	}); err != nil {
		return err
	}
	seen := map[[2]string]int{}
	if err := v.EachAdvisory(func(a model.Advisory) error {
		for i := range a.Affected {
			seen[[2]string{a.Affected[i].Ecosystem, a.Affected[i].Name}]++
		}
		return nil
	}); err != nil {
		return err
	}
	packages := slices.SortedFunc(maps.Keys(seen), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	b.printf("\nlookup, in process, %d of each: %d CVEs, %d packages (seed %d)", lookupN, len(cves), len(packages), b.seed)
	whole := func(c model.Canonical, ok bool, err error) error {
		if err == nil && !ok {
			err = fmt.Errorf("%s is not found", c.ID)
		}
		for _, m := range c.Members {
			if err == nil {
				_, _, err = v.Advisory(m.AdvisoryKey)
			}
		}
		return err
	}
	for _, kind := range []struct {
		name string
		look func(r *rand.Rand) error
	}{
		{"CVE, with its records", func(r *rand.Rand) error {
			return whole(v.Canonical(cves[r.IntN(len(cves))]))
		}},
		{"merge hash, with its records", func(r *rand.Rand) error {
			return whole(v.CanonicalHashed(merge.Hash(cves[r.IntN(len(cves))])))
		}},
		{"package, with its records", func(r *rand.Rand) error {
			p := packages[r.IntN(len(packages))]
			return v.AdvisoriesFor(p[0], p[1], func(model.Advisory) error { return nil })
		}},
	} {
		r := rand.New(rand.NewPCG(b.seed, 0))
		took := make([]time.Duration, 0, lookupN)
		for i := range 2 * lookupN {
			began := time.Now()
			if err := kind.look(r); err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			if i >= lookupN {
				took = append(took, time.Since(began))
			}
		}
		slices.Sort(took)
		at := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Microseconds()) }
		b.printf("  %-30s p50 %6.0f us, p99 %6.0f us, p99.9 %6.0f us", kind.name, at(0.5), at(0.99), at(0.999))
	}
	return nil
}
