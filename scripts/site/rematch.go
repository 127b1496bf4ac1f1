package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/scripts/recorded"
	"github.com/skerryhq/skerry/ui/schema"
)

// measureRematch is the part rematch.
func (w *world) measureRematch(ctx context.Context) error {
	w.printf("\nrematch: %d hosts of %d packages, %s", w.hosts, w.size, likeImages)
	split, err := recorded.SplitNewest(w.advisories, w.Dir, w.newest)
	if err != nil {
		return err
	}
	w.printf("  %d advisories, and %d that were published after %s", split.OlderN, split.NewerN, split.Since.Format(time.DateOnly))
	m := w.followMemory(ctx)
	defer m.end()
	if err := w.ready(ctx); err != nil {
		return err
	}
	w.phase(m, "all agents linked")
	said := w.agents.now().Said
	if err := w.agents.order(Order{Packages: likeImages}); err != nil {
		return err
	}
	if err := w.agents.until(ctx, patience, "all reports being held", func(l Line) bool { return l.Said >= said+int64(w.hosts) && w.agents.settled(l) }); err != nil {
		return err
	}
	w.phase(m, "all reports held")
	for _, part := range []struct{ what, file string }{{"from nothing", split.Older}, {"the newest", split.Newer}} {
		w.advisories = part.file
		before, err := local.UsageOf(w.site.PID())
		if err != nil {
			return err
		}
		if err := w.ingest(ctx); err != nil {
			return err
		}
		w.phase(m, part.what+", import")
		began := time.Now()
		if err := w.level(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		u, err := local.UsageOf(w.site.PID())
		if err != nil {
			return err
		}
		w.printf("  %s: every host matched %.2f s after the site held them; import and matching took %.1f s of processor time; memory %s, at the peak %s",
			part.what, took.Seconds(), (u.CPU - before.CPU).Seconds(), mib(u.RSS), mib(u.Peak))
		w.phase(m, part.what+", matching")
	}
	return errors.Join(w.matched(ctx, w.berlin), w.findings(ctx, w.berlin))
}

// level waits until the site's roll-up is of all the advisories that it holds.
func (w *world) level(ctx context.Context) error {
	return local.Until(ctx, patience, "the roll-up of the newest advisories", func() (bool, error) {
		var list []schema.Exposure
		if err := w.berlin.get(ctx, "/exposure", &list); err != nil {
			return false, err
		}
		for _, e := range list {
			if e.AdvisoryN == w.advisoryN {
				return true, nil
			}
		}
		return false, fmt.Errorf("it is of others: %+v", list)
	})
}
