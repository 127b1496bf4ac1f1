// Command site measures one site at its design size: ten thousand hosts with agents of their own, their first report, a
// quiet day of the line to the controller, and hours of load.
//
//	make bench-site [PART=agents,first,quiet] [HOSTS=10000] [QUIET_HOSTS=1000] [PACKAGES=600] [MINUTES=10] [SEED=1]
//	make bench-site PART=soak SOAK=2h [RATE=1000]
//
// It owns the agents of the measurement, the line that counts, and the tables. The servers are the product's own programs,
// a controller and a site, as processes on loopback; the agents are in a process of their own, each with a key, an
// enrollment and a TLS link of its own, and with the link and the rhythm of a real agent. They observe no host: what they
// report is made of the names and versions of real packages. It never judges a time: a figure is printed, and only what is
// wrong is an error. What is asserted whatever the machine: no report is missed, no host is judged wrongly, every
// change is held once, here and at the controller.
//
// # How to read it
//
// agents: seconds from the first token until all agents are enrolled, linked, and their facts are durable at the site. At
// rest: a minute in which they say what agents say on their own: a word within half an interval each, and their facts once in an hour.
// A missed report is a host that was not up at any look (one a second), or an item that the site does not hold at the
// end. Then the site is killed and started at once: seconds until its API answers and until all links are back, and how
// many hosts were not up at any look within three and a half intervals after that.
//
// first: all agents, linked and idle, are told to report their packages and the facts of their system at one moment. The clock runs from
// that word. "images": a fleet made from 12 images, where a third of the hosts differ from theirs by up to 20 packages; "distinct":
// no two hosts have the same packages. Held: the site has made everything durable. Findings: the site has matched every host. Disk: what
// the data folder of the site has more than before, for each host; logical is the lengths of its files, allocated what the file system gives them.
//
// rematch: hosts made from images report while the site has no advisories; then it is given all but the newest 3,500, and then those,
// about as many as change in a month, as a controller gives them. Seconds from when the site holds them until all hosts are matched with them.
// The memory of the site is told by phases: its own, and the files that it has mapped, which the system takes back when it needs the room.
// All reports come at one moment.
//
// quiet: what TCP carries for the site's link in both directions, counted by a proxy, TLS and its framing included, TCP's and IP's own headers
// not; those are estimated at 40 bytes a packet and one acknowledgement for each. First with nothing but the agents' own rhythm, then with packages being upgraded. The change rate of
// a plausible fleet is two upgrades for each host a week; they are let happen 50 times as often, and what they cost is scaled back.
//
// soak: so many changes of facts a second, one upgrade of a package for each 1,000 of them, the line cut each few minutes for up to a
// minute. It fails where the median of the last quarter is above 1.2 times that of the second, of anything in the table that
// has no reason to grow; or where any host's row, here or at the controller, is not what its agent last said, or its history has another
// number of versions than its agent reported.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bench is what is measured and how.
type bench struct {
	bin, tmp, shared string // folders: the programs; where data goes, empty: the system's; recorded data
	advisories       string // what the controller is given
	out              io.Writer

	hosts, quietHosts int
	size              int // packages of a host
	newest            int // advisories that come last
	seed              uint64
	interval          time.Duration // within which a site expects to hear an agent
	hourly            time.Duration // between two reports of facts that did not change
	rest              time.Duration // of a site at rest
	settle            time.Duration // before a quiet line is measured
	minutes           time.Duration // of a quiet line
	faster            float64       // how much faster than in life packages are upgraded on it

	soak   time.Duration
	rate   float64       // changes a second
	every  time.Duration // between two cuts; half of it at least, one and a half at most
	cut    time.Duration // of the line, at most
	sample time.Duration // between two looks
	gate   bool          // growth is an error
	strict bool          // a slow end is an error
}

// weekly is how many packages are upgraded on a host in a week.
const weekly = 2

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

func decode(text string, v any) error { return json.Unmarshal([]byte(text), v) }

func main() {
	runCrowd()
	b := &bench{out: os.Stdout, shared: os.Getenv("SKERRY_SHARED"), rest: time.Minute, faster: 50, gate: true, hourly: time.Hour}
	var part string
	flag.StringVar(&b.bin, "bin", "bin", "folder with skerry and skerry-agent")
	flag.StringVar(&b.tmp, "tmp", "", "folder for the data of the run, on a disk; empty: the system's")
	flag.StringVar(&part, "part", "agents,first,quiet", "what to measure, of agents, first, images, distinct, rematch, quiet, soak")
	flag.StringVar(&b.advisories, "advisories", "", "OSV records (files, folders, .zip, .tar.zst); empty: the recorded ones, or the sample that ships")
	flag.IntVar(&b.hosts, "hosts", 10_000, "agents of the parts agents and first")
	flag.IntVar(&b.quietHosts, "quiet-hosts", 1000, "agents of the parts quiet and soak")
	flag.IntVar(&b.size, "packages", 600, "packages of each host")
	flag.Uint64Var(&b.seed, "seed", 1, "seed of the fleet")
	flag.DurationVar(&b.interval, "interval", time.Minute, "within which the site expects to hear each agent")
	flag.DurationVar(&b.settle, "settle", 2*time.Minute, "before a quiet line is measured")
	flag.DurationVar(&b.minutes, "minutes", 10*time.Minute, "for how long a quiet line is measured, twice")
	flag.IntVar(&b.newest, "newest", 3500, "how many of the newest advisories the part rematch holds back at first: the recorded histories of eight sources have about as many changes in a month")
	flag.DurationVar(&b.soak, "soak", 2*time.Hour, "for how long the part soak writes")
	flag.Float64Var(&b.rate, "rate", 1000, "changes a second of the part soak")
	flag.DurationVar(&b.every, "cut-every", 4*time.Minute, "between two cuts of the line in the part soak")
	flag.DurationVar(&b.cut, "cut", time.Minute, "how long a cut lasts at the most")
	flag.DurationVar(&b.sample, "sample", 10*time.Second, "between two looks of the part soak")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, strings.Split(part, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

// run measures the parts, each with servers of its own.
func (b *bench) run(ctx context.Context, parts []string) (err error) {
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.bin, "skerry")); err != nil {
		return fmt.Errorf("%s is missing: run `make build` first", filepath.Join(b.bin, "skerry"))
	}
	if err := b.data(); err != nil {
		return err
	}
	c, err := openCatalogue(b.shared)
	if err != nil {
		return err
	}
	b.printf("%s\n%s: %d packages, %d of them in several versions; advisories: %s", machine(), c.From, len(c.choices), len(c.several), filepath.Base(b.advisories))
	for _, part := range parts {
		var one func(context.Context, *world) error
		switch part {
		case "agents":
			one = func(ctx context.Context, w *world) error { return w.measureAgents(ctx) }
		case "first":
			err = errors.Join(b.run(ctx, []string{likeImages}), b.run(ctx, []string{likeDistinct}))
			if err != nil {
				return err
			}
			continue
		case likeImages, likeDistinct:
			one = func(ctx context.Context, w *world) error { return w.measureFirst(ctx, part) }
		case "quiet":
			one = func(ctx context.Context, w *world) error { return w.measureQuiet(ctx) }
		case "rematch":
			one = func(ctx context.Context, w *world) error { return w.measureRematch(ctx) }
		case "soak":
			one = func(ctx context.Context, w *world) error { return w.measureSoak(ctx) }
		default:
			return fmt.Errorf("there is no part %q: want some of agents, first, images, distinct, rematch, quiet, soak", part)
		}
		own := *b
		if part == "quiet" || part == "soak" {
			own.hosts = b.quietHosts
		}
		if err := own.in(ctx, one); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// data finds what the fleet and the advisories are made of.
func (b *bench) data() error {
	if b.shared == "" {
		b.shared = filepath.Join("..", "shared")
	}
	if b.advisories == "" {
		b.advisories = filepath.Join(b.shared, "data", "dev-osv.tar.zst")
		if _, err := os.Stat(b.advisories); err != nil {
			b.printf("SKIPPED the recorded advisories, the sample that ships is used: %v (set SKERRY_SHARED to the folder that has data/dev-osv.tar.zst)", err)
			b.advisories = filepath.Join("scripts", "sample", "data", "advisories.tar.zst")
		}
	}
	var err error
	if b.shared, err = filepath.Abs(b.shared); err != nil {
		return err
	}
	b.advisories, err = filepath.Abs(b.advisories)
	return err
}

// in measures in a world of its own, which ends when one of its servers ends by itself.
func (b *bench) in(ctx context.Context, one func(context.Context, *world) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := b.newWorld(ctx)
	if err == nil {
		finished := make(chan struct{})
		defer close(finished)
		go func() {
			select {
			case err := <-w.Died:
				cancel(err)
			case <-finished:
			}
		}()
		err = one(ctx, w)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(cause, err)
	}
	if w != nil {
		err = errors.Join(err, w.close())
	}
	return err
}
