package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// perUpgrade is how many changes of facts there are for one upgrade of a package.
const perUpgrade = 1000

// grown is how much more the last quarter may have than the second.
const grown = 1.2

// series is what is sampled of one thing.
type series struct {
	name   string
	grows  string // why it may grow; empty: it may not
	values []float64
}

// median returns the median of a quarter, from 0.
func (s *series) median(quarter int) float64 {
	n := len(s.values)
	part := slices.Sorted(slices.Values(s.values[n*quarter/4 : max(n*(quarter+1)/4, n*quarter/4)]))
	if len(part) == 0 {
		return 0
	}
	return part[len(part)/2]
}

// judge prints the table and returns what has grown.
func (w *world) judge(all []*series) error {
	w.printf("  %-34s %10s %10s %10s %10s   of the second", "medians of the quarters", "1", "2", "3", "4")
	var errs []error
	for _, s := range all {
		var b strings.Builder
		for q := range 4 {
			fmt.Fprintf(&b, " %10.1f", s.median(q))
		}
		was, is := s.median(1), s.median(3)
		ratio, note := 1.0, ""
		if was > 0 {
			ratio = is / was
		}
		switch {
		case s.grows != "":
			note = "  (" + s.grows + ")"
		case ratio > grown:
			note = "  TOO MUCH"
			errs = append(errs, fmt.Errorf("%s grew from %.1f in the second quarter to %.1f in the last, %.2f times", s.name, was, is, ratio))
		}
		w.printf("  %-34s%s   %.2f%s", s.name, b.String(), ratio, note)
	}
	return errors.Join(errs...)
}

// measureSoak is the part soak.
func (w *world) measureSoak(ctx context.Context) error {
	w.printf("\nsoak: %d agents, %.0f changes a second for %s, the line cut about every %s; seed %d", w.hosts, w.rate, w.soak, w.every, w.seed)
	if err := w.ready(ctx); err != nil {
		return err
	}
	said := w.agents.now().Said
	if err := w.agents.order(Order{Packages: likeImages}); err != nil {
		return err
	}
	err := w.agents.until(ctx, patience, "all reports being held", func(l Line) bool { return l.Said >= said+int64(w.hosts) && w.agents.settled(l) })
	if err != nil {
		return err
	}
	first, began := w.agents.now(), time.Now()
	if err := w.agents.order(Order{Writes: w.rate, Upgrades: w.rate / perUpgrade}); err != nil {
		return err
	}
	cutting, stop := context.WithCancel(ctx)
	cuts := make(chan int, 1)
	go func() { cuts <- w.cuts(cutting) }()
	table, err := w.sampled(ctx)
	stop()
	n := <-cuts
	w.wire.set(false)
	if err != nil {
		return err
	}
	if err := w.agents.order(Order{}); err != nil {
		return err
	}
	// The agents stop a moment after they are told, and then the site has to hold what they said.
	told, err := w.agents.tell(ctx)
	if err != nil {
		return err
	}
	if err := w.agents.until(ctx, patience, "the site holding what was said", w.agents.settled); err != nil {
		return err
	}
	l := w.agents.now()
	w.printf("  %d changes in %.0f s, %.0f a second (%d were due and not made, since the one before was still on its way); %d cuts, %d links",
		l.Said-first.Said, time.Since(began).Seconds(), float64(l.Said-first.Said)/time.Since(began).Seconds(), l.Skipped, n, w.wire.links.Load())
	growth := w.judge(table)
	if !w.gate {
		growth = nil
	}
	return errors.Join(growth, w.refused(ctx), w.once(ctx, told))
}

// cuts cuts the line again and again until ctx ends, and returns how often it did.
func (w *world) cuts(ctx context.Context) (n int) {
	dice := rand.New(rand.NewPCG(w.seed, 0x637574))
	for {
		if pause(ctx, w.every/2+time.Duration(dice.Int64N(int64(w.every))), nil) != nil {
			return n
		}
		w.wire.set(true)
		n++
		err := pause(ctx, time.Duration(dice.Int64N(int64(w.cut)))+w.cut/10, nil)
		w.wire.set(false)
		if err != nil {
			return n
		}
	}
}

// sampled looks at the site until the time is over.
func (w *world) sampled(ctx context.Context) ([]*series, error) {
	const history = "versions of packages are kept"
	rss, goroutines := &series{name: "memory of the site, MiB"}, &series{name: "its goroutines"}
	heap, files := &series{name: "its heap in use, MiB", grows: "counted in its memory"}, &series{name: "its open files"}
	index, detail := &series{name: "disk, index, MiB"}, &series{name: "disk, detail, MiB", grows: history}
	outbox, waiting := &series{name: "disk, outbox, MiB"}, &series{name: "items waiting for the controller", grows: "the line is cut"}
	upper := &series{name: "memory of the controller, MiB", grows: "it is none of the site's"}
	upperDisk := &series{name: "disk of the controller, MiB", grows: "it is none of the site's"}
	end := time.Now().Add(w.soak)
	for time.Now().Before(end) {
		if err := pause(ctx, w.sample, nil); err != nil {
			return nil, err
		}
		u, err := local.UsageOf(w.site.PID())
		if err != nil {
			return nil, err
		}
		c, err := local.UsageOf(w.controller.PID())
		if err != nil {
			return nil, err
		}
		m, err := w.berlin.metrics(ctx)
		if err != nil {
			return nil, err
		}
		const unit = 1 << 20
		for s, v := range map[*series]float64{
			rss: float64(u.RSS) / unit, heap: m["go_memstats_heap_inuse_bytes"] / unit, goroutines: m["go_goroutines"], files: float64(u.Files),
			waiting: m["skerry_outbox_items"], upper: float64(c.RSS) / unit,
		} {
			s.values = append(s.values, v)
		}
		for s, part := range map[*series]string{index: "berlin/index", detail: "berlin/detail", outbox: "berlin/outbox.db", upperDisk: "hq"} {
			d, err := sizeOf(w.Dir + "/" + part)
			if err != nil {
				return nil, err
			}
			s.values = append(s.values, float64(d.allocated)/unit)
		}
	}
	return []*series{rss, heap, goroutines, files, index, detail, outbox, waiting, upper, upperDisk}, nil
}

// once holds the rows at the site and at the controller against what each agent last said, and the history of each
// against how often its packages changed: everything had its effect, and had it once.
func (w *world) once(ctx context.Context, told map[string]Told) error {
	for name, at := range map[string]*api{"site": w.berlin, "controller": w.hq} {
		err := local.Until(ctx, patience, "the last word of every host at the "+name, func() (bool, error) {
			n, odd := 0, 0
			err := at.hosts(ctx, func(h schema.Host) error {
				n++
				if t, ok := told[h.ID]; !ok || !slices.Contains(h.Tags, tag(t.Change)) {
					odd++
				}
				return nil
			})
			if n > w.hosts {
				return false, fmt.Errorf("%d hosts, want %d", n, w.hosts)
			}
			return err == nil && n == w.hosts && odd == 0, errors.Join(err, fmt.Errorf("%d hosts, %d of them are not as they last said", n, odd))
		})
		if err != nil {
			return err
		}
	}
	versions, wrong := 0, 0
	for id, t := range told {
		var h schema.HostHistory
		if err := w.berlin.get(ctx, "/hosts/"+id+"/history?kind=packages", &h); err != nil {
			return err
		}
		versions += len(h.Versions)
		if len(h.Versions) != t.Upgrades+1 {
			wrong++
		}
	}
	w.printf("  all %d hosts are as they last said, at the site and at the controller; %d versions of packages are kept", w.hosts, versions)
	if wrong > 0 {
		return fmt.Errorf("%d hosts have another number of versions than their agents reported", wrong)
	}
	return nil
}
