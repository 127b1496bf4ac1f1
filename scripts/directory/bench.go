package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// options are what can be chosen on the command line.
type options struct {
	hosts, sites, queries int
	seed                  uint64
	parts                 []string
	tuned                 bool   // see tunedIndexes
	program               string // skerry; "": no HTTPS
	postgres              string // folder of its programs
	dir                   string
	deltas                int   // in all, for the part size
	growth                []int // numbers of hosts
	evict, plans          bool
}

func (o options) has(part string) bool { return slices.Contains(o.parts, part) }

// bench is one run.
type bench struct {
	options
	ctx   context.Context
	out   io.Writer
	dir   string
	fleet *fleet.Fleet
	pg    *postgres
	sk    *skerry
	web   *web
	links *links

	figures []figure
	wrong   int // answers that differ
	epoch   uint64
	gone    map[string]bool // hosts that deltas removed; see deliveries
}

// figure is one of the figures that were to be reached.
type figure struct {
	what    string
	reached bool
	how     string
}

func (b *bench) printf(format string, a ...any) { fmt.Fprintf(b.out, format, a...) }

func (b *bench) figure(reached bool, what, format string, a ...any) {
	b.figures = append(b.figures, figure{what, reached, fmt.Sprintf(format, a...)})
}

// heading begins a part.
func (b *bench) heading(format string, a ...any) {
	b.printf("\n## %s (load %s)\n", fmt.Sprintf(format, a...), loads())
}

// run does what was asked for and prints it. An error means that the run is worth nothing; answers that
// differ are counted in wrong.
func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp(b.options.dir, "skerry-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	// PostgreSQL runs as somebody else, who has to get through to its own folder.
	if err := os.Chmod(b.dir, 0o711); err != nil {
		return err
	}
	b.fleet = fleet.New(fleet.Config{Seed: b.seed, Hosts: b.hosts, Sites: b.sites})
	b.gone = map[string]bool{}
	if err := b.load(); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		run  func() error
	}{{"queries", b.queriesPart}, {"clients", b.clientsPart}, {"cold", b.coldPart}, {"size", b.sizePart}, {"ingest", b.ingestPart}, {"growth", b.growthPart}} {
		if !b.has(p.name) {
			continue
		}
		if err := p.run(); err != nil {
			return fmt.Errorf("part %s: %w", p.name, err)
		}
	}
	b.summary()
	return nil
}

// end stops everything and removes what it left.
func (b *bench) end() error {
	var errs []error
	if b.links != nil {
		b.links.close()
	}
	if b.web != nil {
		errs = append(errs, b.web.close())
	}
	if b.sk != nil && b.sk.group != nil {
		errs = append(errs, b.sk.close())
	}
	if b.pg != nil {
		errs = append(errs, b.pg.server.close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// load fills the engines.
func (b *bench) load() error {
	b.heading("%d hosts of %d sites, seed %d", b.hosts, b.sites, b.seed)
	b.printf("machine     %s\nversions    %s, %s\n            %s\n", machine(), release(b.program), runtime.Version(), modules())
	if err := b.loadPostgres(); err != nil {
		if !errors.Is(err, errNoPostgres) {
			return err
		}
		b.printf("PostgreSQL  SKIPPED, NOTHING IS COMPARED: %v\n", err)
	}
	return b.loadSkerry()
}

func (b *bench) loadPostgres() error {
	s, err := startServer(b.ctx, b.postgres, b.dir)
	if err != nil {
		return err
	}
	b.pg = &postgres{server: s}
	c, err := s.connect(b.ctx, "")
	if err != nil {
		return err
	}
	defer c.Close(b.ctx)
	if err := createTables(b.ctx, c); err != nil {
		return err
	}
	began := time.Now()
	if err := copyFleet(b.ctx, c, b.fleet); err != nil {
		return err
	}
	copied := time.Since(began)
	if err := createIndexes(b.ctx, c, b.tuned); err != nil {
		return err
	}
	indexed := time.Since(began) - copied
	if err := settle(b.ctx, c); err != nil {
		return err
	}
	b.printf("PostgreSQL  %s over loopback: COPY %.1f s, indexes %.1f s, vacuum and statistics %.1f s\n",
		s.version, copied.Seconds(), indexed.Seconds(), (time.Since(began) - copied - indexed).Seconds())
	b.printf("            %s\n", strings.Join(pgSettings, " "))
	b.printf("the ways to ask PostgreSQL, p50/p99 in ms over %d questions, best of two:\n", min(b.queries, calibration))
	if err := b.pg.calibrate(b.ctx, b.fleet, min(b.queries, calibration), b.out); err != nil || !b.plans {
		return err
	}
	return b.pg.explain(b.ctx, b.fleet, min(b.queries, calibration), b.out)
}

// calibration is how many questions of a kind choose the way to ask PostgreSQL.
const calibration = 40

func (b *bench) loadSkerry() error {
	g, err := openGroup(b.ctx, filepath.Join(b.dir, "inside"), 0)
	if err != nil {
		return err
	}
	b.sk = &skerry{g}
	began := time.Now()
	if err := b.sk.load(b.ctx, b.fleet); err != nil {
		return err
	}
	took := time.Since(began)
	b.printf("Skerry      first syncs of all sites through the Raft log: %.1f s, %.0f hosts/s\n", took.Seconds(), float64(b.hosts)/took.Seconds())
	b.figure(took <= time.Minute, "first load <= 60 s", "%.1f s for %d hosts", took.Seconds(), b.hosts)
	return nil
}

// serveWeb starts a controller on a copy of the store and gives its sites their links.
func (b *bench) serveWeb() error {
	if b.web != nil || b.program == "" {
		return nil
	}
	dir := filepath.Join(b.dir, "https")
	if err := b.sk.close(); err != nil { // a copy of a store at work would be torn
		return err
	}
	err := exec.CommandContext(b.ctx, "cp", "-a", b.sk.dir, dir).Run()
	if err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	if err := b.sk.open(b.ctx, 0); err != nil {
		return err
	}
	if b.web, err = startWeb(b.ctx, b.program, dir); err != nil {
		return err
	}
	b.links, err = dialLinks(b.ctx, b.web.addr, dir, b.sk.self, b.sk.keys)
	return err
}

// release is what the program says of itself.
func release(program string) string {
	if program == "" {
		return "skerry (no program: nothing is asked over HTTPS)"
	}
	out, err := exec.Command(program, "version").Output()
	if err != nil {
		return program + ": " + err.Error()
	}
	return strings.TrimSpace(string(out))
}
