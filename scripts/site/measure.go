package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// pause lets d pass, and calls look each second of it.
func pause(ctx context.Context, d time.Duration, look func() error) error {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(min(time.Second, max(d/10, time.Millisecond)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			return nil
		case <-tick.C:
			if look == nil {
				continue
			}
			if err := look(); err != nil {
				return err
			}
		}
	}
}

// watch counts the hosts that are not up, for d; the most at one look.
func (w *world) watch(ctx context.Context, d time.Duration) (worst int64, err error) {
	return worst, pause(ctx, d, func() error {
		_, other, err := w.statuses(ctx)
		worst = max(worst, other)
		return err
	})
}

// measureAgents is the part agents.
func (w *world) measureAgents(ctx context.Context) error {
	w.printf("\nagents: %d agents, interval %s", w.hosts, w.interval)
	empty, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.ready(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	if err := w.allUp(ctx); err != nil {
		return err
	}
	u, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	w.printf("  enrolled, linked and reported: %.1f s (%.1f ms of the site's processors for each); peak of its memory %s",
		took.Seconds(), (u.CPU-empty.CPU).Seconds()*1000/float64(w.hosts), mib(u.Peak))

	if err := pause(ctx, w.rest/4, nil); err != nil { // what is left of the beginning
		return err
	}
	before, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	said := w.agents.now().Said
	missed, err := w.watch(ctx, w.rest)
	if err != nil {
		return err
	}
	after, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	if err := w.agents.until(ctx, time.Minute, "the site holding what was said", w.agents.settled); err != nil {
		return err
	}
	m, err := w.berlin.metrics(ctx)
	if err != nil {
		return err
	}
	w.printf("  at rest for %s: memory %s (%s with nobody, %.1f KiB a link), %.2f %% of one processor, %d open files, %.0f goroutines, %.1f MiB of heap in use, %.1f MiB of stacks; %d items reported, missed: %d",
		w.rest, mib(after.RSS), mib(empty.RSS), float64(after.RSS-empty.RSS)/1024/float64(w.hosts), 100*(after.CPU-before.CPU).Seconds()/w.rest.Seconds(), after.Files,
		m["go_goroutines"], m["go_memstats_heap_inuse_bytes"]/(1<<20), m["go_memstats_stack_inuse_bytes"]/(1<<20), w.agents.now().Said-said, missed)
	if missed > 0 {
		return fmt.Errorf("%d hosts were not up at some moment although all of their agents spoke", missed)
	}
	return w.returns(ctx)
}

// returns kills the site and waits until its agents are back.
func (w *world) returns(ctx context.Context) error {
	w.agents.reasons()
	dials := w.agents.now()
	if err := w.kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := w.agents.until(ctx, time.Minute, "the links breaking", func(l Line) bool { return l.Up < int64(w.hosts) }); err != nil {
		return err
	}
	if err := w.again(ctx); err != nil {
		return err
	}
	serves := time.Since(began)
	worst := int64(0)
	for {
		wrong, err := w.misjudged(ctx)
		if err != nil {
			return err
		}
		worst = max(worst, wrong)
		if w.agents.settled(w.agents.now()) {
			break
		}
		if time.Since(began) > patience {
			return fmt.Errorf("the links did not come back: %+v", w.agents.now())
		}
		if err := pause(ctx, 100*time.Millisecond, nil); err != nil {
			return err
		}
	}
	took := time.Since(began)
	if err := w.allUp(ctx); err != nil {
		return err
	}
	late, err := w.watch(ctx, w.interval*7/2)
	if err != nil {
		return err
	}
	worst = max(worst, late)
	u, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	l := w.agents.now()
	w.printf("  after a kill -9: its API answers after %.1f s, all links are back after %.1f s (%d dials, %d for nothing); peak of its memory %s; late or down at some moment: %d hosts",
		serves.Seconds(), took.Seconds(), l.Dials-dials.Dials, l.Refused-dials.Refused, mib(u.Peak), worst)
	for _, text := range w.agents.reasons() {
		w.printf("  %s", text)
	}
	if worst > 0 {
		return fmt.Errorf("%d hosts were judged wrongly after the site was killed", worst)
	}
	if l.Up != int64(w.hosts) {
		return fmt.Errorf("links broke again: %+v", l)
	}
	return w.count(ctx, w.berlin)
}

// count holds the number of hosts of a server against that of the agents.
func (w *world) count(ctx context.Context, at *api) error {
	var all schema.Hosts
	if err := at.get(ctx, "/hosts?limit=1", &all); err != nil {
		return err
	}
	if all.Total != w.hosts {
		return fmt.Errorf("there are %d hosts, want %d", all.Total, w.hosts)
	}
	return nil
}

// measureFirst is the part first, for hosts that are alike so much.
func (w *world) measureFirst(ctx context.Context, like string) error {
	w.printf("\nfirst report, %s: %d hosts of %d packages", like, w.hosts, w.size)
	if err := w.ingest(ctx); err != nil {
		return err
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	folder := w.Dir + "/berlin"
	before, err := sizeOf(folder)
	if err != nil {
		return err
	}
	idle, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	m := w.followMemory(ctx)
	defer m.end()
	sent := w.wire.carried()
	began := time.Now()
	said := w.agents.now().Said
	if err := w.agents.order(Order{Packages: like}); err != nil {
		return err
	}
	if err := w.agents.until(ctx, patience, "all reports being held", func(l Line) bool { return l.Said >= said+int64(w.hosts) && w.agents.settled(l) }); err != nil {
		return err
	}
	held := time.Since(began)
	if err := w.matched(ctx, w.berlin); err != nil {
		return err
	}
	took := time.Since(began)
	u, err := local.UsageOf(w.site.PID())
	if err != nil {
		return err
	}
	if err := w.matched(ctx, w.hq); err != nil {
		return err
	}
	above := time.Since(began)
	if err := pause(ctx, w.rest/6, nil); err != nil { // the stores tidy up behind themselves
		return err
	}
	after, err := sizeOf(folder)
	if err != nil {
		return err
	}
	up := w.wire.carried().minus(sent).up
	w.printf("  held after %.1f s, all findings after %.1f s, at the controller as well after %.1f s; the site took %.1f s of processor time",
		held.Seconds(), took.Seconds(), above.Seconds(), (u.CPU - idle.CPU).Seconds())
	n := float64(w.hosts)
	w.printf("  memory of the site: peak %s, now %s (%s before)", mib(u.Peak), mib(u.RSS), mib(idle.RSS))
	w.phase(m, "reports and findings")
	w.printf("  disk for each host: %.0f bytes logical, %.0f allocated more than before; the whole folder %s and %s; %.0f bytes went up the line for each",
		float64(after.logical-before.logical)/n, float64(after.allocated-before.allocated)/n, mib(after.logical), mib(after.allocated), float64(up)/n)
	parts, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if s, err := sizeOf(filepath.Join(folder, part.Name())); err == nil && s.allocated >= 100<<10 {
			w.printf("    %-10s %s logical, %s allocated", part.Name(), mib(s.logical), mib(s.allocated))
		}
	}
	return errors.Join(w.findings(ctx, w.berlin), w.findings(ctx, w.hq))
}

// findings looks at every row.
func (w *world) findings(ctx context.Context, at *api) error {
	n, found, odd := 0, 0, 0
	err := at.hosts(ctx, func(h schema.Host) error {
		n++
		if e := h.Exposure; e.Critical+e.High+e.Medium+e.Low+e.None+e.Unknown > 0 {
			found++
		}
		if h.PackageN != w.size || h.AsOf.Exposure == nil || h.Status != "up" {
			odd++
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.printf("  %d of %d hosts have findings", found, n)
	if n != w.hosts || odd > 0 || found == 0 {
		return fmt.Errorf("%d hosts, want %d; %d of them lack packages or findings or are not up; %d have findings", n, w.hosts, odd, found)
	}
	return nil
}

// measureQuiet is the part quiet.
func (w *world) measureQuiet(ctx context.Context) error {
	w.printf("\nquiet: %d hosts with agents, the line to the controller for %s", w.hosts, w.minutes)
	if err := w.ingest(ctx); err != nil {
		return err
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	if err := w.agents.order(Order{Packages: likeImages}); err != nil {
		return err
	}
	if err := w.agents.until(ctx, patience, "all reports being held", func(l Line) bool { return l.Said >= 3*int64(w.hosts) && w.agents.settled(l) }); err != nil {
		return err
	}
	if err := w.matched(ctx, w.hq); err != nil {
		return err
	}
	if err := pause(ctx, w.settle, nil); err != nil {
		return err
	}
	day := 24 * time.Hour.Seconds() / w.minutes.Seconds()
	said, links := w.agents.now().Said, w.wire.links.Load()
	before := w.wire.carried()
	if err := pause(ctx, w.minutes, nil); err != nil {
		return err
	}
	still := w.wire.carried().minus(before)
	w.line("nothing changes", still, day)
	w.printf("    %d items came from the agents meanwhile: facts that were an hour old", w.agents.now().Said-said)

	// Two upgrades a week and host, made to happen faster.
	perDay := weekly / 7.0 * float64(w.hosts)
	rate := perDay / (24 * 3600) * w.faster
	before = w.wire.carried()
	began := time.Now()
	if err := w.agents.order(Order{Upgrades: rate}); err != nil {
		return err
	}
	if err := pause(ctx, w.minutes, nil); err != nil {
		return err
	}
	if err := w.agents.order(Order{}); err != nil {
		return err
	}
	busy := w.wire.carried().minus(before)
	longer := w.minutes.Seconds() / time.Since(began).Seconds()
	told, err := w.agents.tell(ctx)
	if err != nil {
		return err
	}
	upgrades := 0
	for _, t := range told {
		upgrades += t.Upgrades
	}
	if upgrades == 0 {
		return fmt.Errorf("no package was upgraded in %s: measure for longer", w.minutes)
	}
	each := func(busy, still int64) float64 { return (float64(busy)*longer - float64(still)) / float64(upgrades) }
	up, down := each(busy.up, still.up), each(busy.down, still.down)
	w.printf("  %d upgrades: %.0f bytes up and %.0f down for each", upgrades, up, down)
	w.printf("  %g upgrades for each host a week: %.2f MB up and %.2f MB down a day (headers of TCP not counted)", float64(weekly),
		(float64(still.up)*day+up*perDay)/1e6, (float64(still.down)*day+down*perDay)/1e6)
	if n := w.wire.links.Load(); n != links {
		return fmt.Errorf("the link was opened %d times while it was measured", n-links)
	}
	return errors.Join(w.refused(ctx), w.count(ctx, w.berlin), w.count(ctx, w.hq))
}

// line prints what a line carried, and what that is in a day.
func (w *world) line(what string, c carried, day float64) {
	const header = 40 // of IPv4 and TCP without options, of a packet and of its acknowledgement
	w.printf("  %s: %d bytes up in %d packets and %d down in %d; a day: %.2f MB up, %.2f MB down, together %.2f MB; with headers and acknowledgements about %.2f MB",
		what, c.up, c.upPieces, c.down, c.downPieces, float64(c.up)*day/1e6, float64(c.down)*day/1e6, float64(c.up+c.down)*day/1e6,
		float64(c.up+c.down+2*header*(c.upPieces+c.downPieces))*day/1e6)
}
