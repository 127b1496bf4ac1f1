package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// patience bounds a wait for something that is not measured.
const patience = 30 * time.Minute

// world is a controller and a site of it, as processes, with the line between them and the agents of the site.
type world struct {
	*bench
	*local.Group
	addr         string // of the site
	controller   *local.Process
	site         *local.Process
	hq, berlin   *api
	wire         *line
	agents       *crew // nil until they are started
	advisoryN    int
	cancel       context.CancelFunc
	carrying     sync.WaitGroup
	siteSettings []string
}

// newWorld starts the servers. Whatever the error, the world is to be closed if there is one.
func (b *bench) newWorld(ctx context.Context) (*world, error) {
	// The path stays short because of the local sockets in it; and it is to be on a disk, since stores fsync.
	dir, err := os.MkdirTemp(b.tmp, "skerry-site-")
	if err != nil {
		return nil, err
	}
	w := &world{bench: b, Group: &local.Group{Bin: b.bin, Dir: dir, Died: make(chan error, 16)}}
	w.siteSettings = []string{fmt.Sprintf("agents: {interval: %s}", b.interval), "log: {level: warn}"}
	carry, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	addrs, err := local.FreePorts(2)
	if err != nil {
		return w, err
	}
	w.addr = addrs[1]
	if w.wire, err = newLine(addrs[0]); err != nil {
		return w, err
	}
	w.carrying.Go(func() { w.wire.serve(carry) })
	// What the controller says of where it is reached is the line, so that the site goes by no other way.
	if w.controller, err = w.Server(ctx, "hq", "controller", addrs[0], "cluster: {address: \""+w.wire.addr()+"\"}", "log: {level: warn}"); err != nil {
		return w, err
	}
	if w.site, err = w.Server(ctx, "berlin", "site", w.addr, w.siteSettings...); err != nil {
		return w, err
	}
	w.hq, w.berlin = newAPI(filepath.Join(dir, "hq", "skerry.sock")), newAPI(filepath.Join(dir, "berlin", "skerry.sock"))
	var t schema.Token
	if err := w.hq.post(ctx, "/sites", schema.SiteEnroll{Name: "berlin"}, &t); err != nil {
		return w, err
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(t.Token), 0o600); err != nil {
		return w, err
	}
	if _, err := w.Run(ctx, "berlin", "skerry", "federation", "enroll", "--controller", "https://"+w.wire.addr(), "--token-file", token,
		"--config", filepath.Join(dir, "berlin.yaml")); err != nil {
		return w, err
	}
	return w, local.Until(ctx, time.Minute, "the site's link", func() (bool, error) {
		var s schema.Site
		err := w.hq.get(ctx, "/sites/berlin", &s)
		return s.Link == "up", err
	})
}

// close stops everything and removes it. A server that takes longer to stop than it should is an error in the short form
// alone: with ten thousand links to end, on a machine that others use as well, that says little.
func (w *world) close() error {
	if w.agents != nil {
		w.agents.stop()
	}
	w.cancel()
	w.carrying.Wait()
	err := w.Stop()
	if err != nil && !w.strict {
		w.printf("  %v", err)
		err = nil
	}
	if w.hq != nil {
		w.hq.close()
		w.berlin.close()
	}
	select {
	case died := <-w.Died:
		err = errors.Join(err, died)
	default:
	}
	return errors.Join(err, os.RemoveAll(w.Dir))
}

// enroll starts the agents, which enroll and report their facts.
func (w *world) enroll() (err error) {
	w.agents, err = startCrew(&crowd{
		Addr: w.addr, Socket: filepath.Join(w.Dir, "berlin", "skerry.sock"), N: w.hosts, Size: w.size, Seed: w.seed, Shared: w.shared, Hourly: w.hourly,
	})
	if err != nil {
		return err
	}
	return w.agents.order(Order{Facts: true})
}

// ready starts the agents and waits until all of them are there and have reported.
func (w *world) ready(ctx context.Context) error {
	if err := w.enroll(); err != nil {
		return err
	}
	return w.agents.until(ctx, patience, "the enrollment of all agents", w.agents.settled)
}

// ingest gives the controller the advisories, and waits until the site holds them.
func (w *world) ingest(ctx context.Context) error {
	began := time.Now()
	// Malformed records among them are the exit code 1, and no reason to end.
	var in schema.Ingested
	r, err := w.CLI(ctx, "hq", "skerry", "advisories", "ingest", w.advisories, "-o", "json")
	if err != nil {
		return err
	}
	if err := decode(r.Out, &in); err != nil || in.AdvisoryN == 0 {
		return fmt.Errorf("ingest %s: exit code %d, %s: %w", w.advisories, r.Code, r.Err, err)
	}
	w.advisoryN = in.AdvisoryN
	if err := local.Until(ctx, patience, "the advisories at the site", func() (bool, error) {
		var o schema.Overview
		err := w.berlin.get(ctx, "/overview", &o)
		return o.AdvisoryN == in.AdvisoryN, errors.Join(err, fmt.Errorf("it holds %d of %d", o.AdvisoryN, in.AdvisoryN))
	}); err != nil {
		return err
	}
	w.printf("  %d advisories went to the controller and down to the site in %.1f s", in.AdvisoryN, time.Since(began).Seconds())
	return nil
}

// matched waits until the site has findings of every host, and says so of all of them together.
func (w *world) matched(ctx context.Context, at *api) error {
	if err := w.refused(ctx); err != nil {
		return err
	}
	return local.Until(ctx, patience, "the findings of all hosts", func() (bool, error) {
		var list []schema.Exposure
		if err := at.get(ctx, "/exposure", &list); err != nil {
			return false, err
		}
		var none schema.Hosts
		if err := at.get(ctx, "/hosts?limit=1&q=severity:unmatched", &none); err != nil {
			return false, err
		}
		n := 0
		for _, e := range list {
			n += e.MatchedHosts
		}
		return n == w.hosts && none.Total == 0, fmt.Errorf("%d of %d hosts are matched in the roll-up, %d have no findings yet", n, w.hosts, none.Total)
	})
}

// refused is an error where the site took something not that its agents reported: every figure would be worth nothing.
func (w *world) refused(ctx context.Context) error {
	m, err := w.berlin.metrics(ctx)
	if err != nil {
		return err
	}
	for name, n := range m {
		if strings.HasPrefix(name, "skerry_refused_items_total") && n > 0 {
			return fmt.Errorf("the site refused %.0f items (%s); the end of its log:\n%s", n, name, local.Tail(w.site.Log, 3))
		}
	}
	return nil
}

// statuses returns how many hosts of the site are up, and how many are anything else.
func (w *world) statuses(ctx context.Context) (up, other int64, err error) {
	m, err := w.berlin.metrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, status := range []string{"late", "down", "unknown"} {
		other += int64(m[`skerry_hosts{status="`+status+`"}`])
	}
	return int64(m[`skerry_hosts{status="up"}`]), other, nil
}

// misjudged returns how many hosts are late or down. After a start a host may be unknown until its agent is back.
func (w *world) misjudged(ctx context.Context) (int64, error) {
	m, err := w.berlin.metrics(ctx)
	return int64(m[`skerry_hosts{status="late"}`]) + int64(m[`skerry_hosts{status="down"}`]), err
}

// allUp waits until every host of the site is up.
func (w *world) allUp(ctx context.Context) error {
	return local.Until(ctx, patience, "all hosts being up", func() (bool, error) {
		up, other, err := w.statuses(ctx)
		return up == int64(w.hosts) && other == 0, errors.Join(err, fmt.Errorf("%d are up, %d are not", up, other))
	})
}

// again starts the site anew after its end.
func (w *world) again(ctx context.Context) (err error) {
	w.site, err = w.Server(ctx, "berlin", "site", w.addr, w.siteSettings...)
	return err
}

// kill ends the site as a power cut of its process would.
func (w *world) kill() error { return w.End(w.site, syscall.SIGKILL) }
