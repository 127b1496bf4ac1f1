package api

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// TestRank: what is named comes first, then what presses; a page holds what sorting all would give, and its cursor keeps the place.
func TestRank(t *testing.T) {
	of := func(named, known bool, severity model.Severity, probability float64, fold string) rank {
		return rank{named, known, severity, probability, fold}
	}
	order := []rank{
		of(true, false, model.SeverityUnknown, 0, "z|1"),
		of(false, true, model.SeverityLow, 0, "y"),
		of(false, false, model.SeverityCritical, 0.9, "x"),
		of(false, false, model.SeverityCritical, 0.0001, "a"),
		of(false, false, model.SeverityCritical, 0.0001, "b"),
		of(false, false, model.SeverityNone, 1, "a"),
		of(false, false, model.SeverityUnknown, 1, "a"),
	}
	for i, r := range order {
		if got, ok := readRank(r.cursor()); !ok || got != r {
			t.Errorf("%+v came back as %+v, %v", r, got, ok)
		}
		for j, o := range order {
			if got := r.compare(o); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%d against %d: %d", i, j, got)
			}
		}
	}
	for _, bad := range []string{"*", "", "Q1ZFLTIwMjYtMTExMQ", "MHwwfHh8MHxh"} {
		if r, ok := readRank(bad); ok {
			t.Errorf("%q was read: %+v", bad, r)
		}
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	var all []rank
	best := foremost{n: 5}
	for i := range 1000 {
		r := of(false, rnd.IntN(9) == 0, model.Severity(1+rnd.IntN(6)), float64(rnd.IntN(3))/4, strconv.Itoa(i))
		all = append(all, r)
		best.add(r, nil)
		if len(best.all) > 2*best.n {
			t.Fatalf("seed %d: %d are held", seed, len(best.all))
		}
	}
	slices.SortFunc(all, rank.compare)
	for i, got := range best.sort() {
		if got.rank != all[i] {
			t.Errorf("seed %d: place %d: %+v, want %+v", seed, i, got.rank, all[i])
		}
	}
}
