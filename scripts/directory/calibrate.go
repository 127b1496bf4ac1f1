package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// trial is how one way of asking did over some questions of a kind.
type trial struct {
	choice
	p50, p99 time.Duration
}

// calibrate finds the way that serves each kind best on this fleet: every variant with both ways of planning,
// over n questions of the mix, best of two. The lower p50 wins; within 8 % of it, the lower p99. That the
// variants give the same answer is checked on the way.
func (p *postgres) calibrate(ctx context.Context, f *fleet.Fleet, n int, w io.Writer) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	p.choice = map[string]choice{}
	for _, kind := range fleet.Kinds {
		trials, err := tryAll(ctx, s.(*pgSession), f.Queries(kind, n))
		if err != nil {
			return err
		}
		best := slices.MinFunc(trials, func(a, b trial) int { return int(a.p50 - b.p50) })
		for _, t := range trials {
			if float64(t.p50) <= 1.08*float64(best.p50) && t.p99 < best.p99 {
				best = t
			}
		}
		p.choice[kind] = best.choice
		fmt.Fprintf(w, "  %-20s", kind)
		for _, t := range trials {
			mark := ""
			if t.choice == best.choice {
				mark = " <-"
			}
			fmt.Fprintf(w, "  %s %s/%s%s;", t.choice, millis(t.p50), millis(t.p99), mark)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// tryAll measures every way over the questions. A way that not all of them have is left out, and one that is
// already far behind is not measured to the end.
func tryAll(ctx context.Context, s *pgSession, questions []fleet.Query) ([]trial, error) {
	if questions[0].Op == fleet.OpRollup {
		questions = questions[:min(len(questions), 5)] // they are all the same
	}
	var names []string
	for _, v := range variants(questions[0]) {
		names = append(names, v.name)
	}
	for _, q := range questions {
		for _, v := range variants(q) {
			if !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	digests := make([]uint64, len(questions))
	var out []trial
	for _, name := range names {
		for _, custom := range []bool{false, true} {
			times := make([]time.Duration, 0, len(questions))
			for i, q := range questions {
				v := variants(q)
				at := max(0, slices.IndexFunc(v, func(v variant) bool { return v.name == name }))
				best := time.Duration(math.MaxInt64)
				for range 2 {
					began := time.Now()
					a, err := s.ask(ctx, q, v[at], custom)
					if err != nil {
						return nil, err
					}
					best = min(best, time.Since(began))
					d, err := a.digest()
					if err != nil {
						return nil, err
					}
					if digests[i] == 0 {
						digests[i] = d
					} else if digests[i] != d {
						return nil, fmt.Errorf("PostgreSQL answers %+v differently when asked as %q", q, name)
					}
				}
				times = append(times, best)
			}
			out = append(out, trial{choice{name, custom}, percentile(times, .5), percentile(times, .99)})
		}
	}
	return out, nil
}

// explain prints the plan that the chosen way has for the question of each kind that took the median time.
func (p *postgres) explain(ctx context.Context, f *fleet.Fleet, n int, w io.Writer) error {
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	ps := s.(*pgSession)
	for _, kind := range fleet.Kinds {
		questions := f.Queries(kind, n)
		times := make([]time.Duration, len(questions))
		for i, q := range questions {
			began := time.Now()
			if _, err := s.Query(ctx, q); err != nil {
				return err
			}
			times[i] = time.Since(began)
		}
		order := make([]int, len(times))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(times[a] - times[b]) })
		for _, at := range []float64{.5, .99} {
			i := order[min(len(order)-1, int(at*float64(len(order))))]
			fmt.Fprintf(w, "\n%s, p%.0f %s, %s: %+v\n", kind, at*100, millis(times[i]), p.choice[kind], questions[i])
			v := variants(questions[i])
			k := max(0, slices.IndexFunc(v, func(v variant) bool { return v.name == p.choice[kind].variant }))
			conn := ps.auto
			if p.choice[kind].custom {
				conn = ps.custom
			}
			rows, err := conn.Query(ctx, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) "+v[k].sql, v[k].args...)
			if err != nil {
				return err
			}
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					return err
				}
				fmt.Fprintln(w, "  ", clip(line, 200))
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
