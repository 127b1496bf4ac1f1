// Command directory compares the directory of hosts with a well-indexed PostgreSQL 15 on one machine, in one run,
// over the same fleet (appliance/fleet) and the same questions.
//
//	make bench-directory [HOSTS=1000000] [SITES=500] [SEED=1] [QUERIES=400] [PART=queries,clients,cold,size,ingest,growth]
//
// It owns the engines of the comparison, the ways of asking them and the tables. It starts a PostgreSQL of its own
// in a folder for the time of the run, over loopback TCP, with a password that nobody is told; none that runs on
// the machine is touched. It never judges what it cannot compare: every question is put to all engines and the
// answers are compared, row by row and in order, before anything is timed, and it exits with 1 when one differs. A
// figure that is not reached is said to be so, and is no error.
//
// # How to read it
//
// The columns are p50/p99 in milliseconds. Each question is asked four times of each engine, engine after engine
// and kind after kind, so that noise hits all of them; the best of the four counts, and the percentiles are over
// the questions. "x Skerry" is how many times as long PostgreSQL took at p50, and "h Skerry" how many times as long
// it took where its rows are read by hand: above 1 Skerry was faster. Ratios below 1.5 are parity: two quiet runs
// differ by as much. Means of ratios are geometric. Ratios hold within one run only; the load averages that are
// printed say whether the machine was quiet.
//
// PostgreSQL is asked by pgx with prepared statements and results in binary form, a page as whole rows with all
// columns. In the part queries it is asked twice: "PostgreSQL" reads the rows by Scan into values of the program,
// as programs do and as our own rows come; "PG by hand" takes the values from the bytes of the wire, the least that
// it can cost a client. Every figure that compares is judged beside both. The other parts read by Scan. Each kind
// can be asked in several ways: plain; the keys first and their rows after (late); by a walk in the order of the
// answer without the trigram index (walk); everything that matches first (narrow); facets in one pass, in two
// steps, or each apart; each with a plan made once or made for every question. Which of them serves a kind best is
// measured at the start and printed, and the best is used: the lowest p50, and among those within 8 % of it the
// lowest p99. TUNED=1 gives it indexes beyond the usual ones, which pay in a few kinds and cost writes. PLANS=1
// prints the plans.
//
// "Skerry" is the store within this process, asked by one goroutine from the text of a search to whole rows. Its
// pages have the total of what matches, which PostgreSQL is not asked for. "HTTPS" is a controller in a process of
// its own, asked through its API by TLS over one connection that stays open, with a login, whole rows, no
// compression. The clock runs from before the request is written until the last byte of the JSON is in memory; the
// body is parsed after it, as it is for every answer of the run that is compared. "HTTPS" writes the request and
// reads the answer on one goroutine, as pgx does with its connection, and of an answer's head takes the status and
// the length alone; "net/http" is the client of Go's library, which hands each request to one goroutine and each
// answer to another. All sites of that controller have their
// links, because it shows hosts of other sites as unknown.
//
// Clients: eight of them ask for two seconds. Beside the rate stands what processors worked for one answer, in
// microseconds: the engine's processes + this one, which is the client. Within this process both are one. On a machine
// that others use as well the rates say little, and the work still says something.
//
// Cold: both are stopped and started before each kind, and each question is asked once. EVICT=1 takes their files
// out of the system's cache as well.
//
// Ingest: batches of 500 deltas of one site, 80 % heartbeats, made ready before the clock runs; each writer has
// sites of its own, and a batch is durable when it counts as written. PostgreSQL takes one in one transaction and
// one round trip, with the site's watermark; Skerry as one entry of its Raft log on the disk, which is decoded,
// judged, counted for the site and its trends, indexed and committed. Under load, both are given 16,700 rows/s
// while one client asks all kinds in turn; times are single, not the best of several.
//
// Raw Pebble writes the same deltas without any of this, batch by batch with an fsync each, in four readings of "the
// same bytes": our own batches (short rows, no index: ours is in memory, and made again from rows and journal); the
// items as they arrive, in JSON; our batches with the keys of six ordered indexes as far as a delta changes them, those
// before deleted, which is what the store would write if its indexes were on the disk; and each delta as a whole row of
// JSON with all six keys.
//
// Size: PostgreSQL's table and indexes after VACUUM; ours everything in the folder of the store. Neither counts its
// log. Memory and restart are those of a new process on the store.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/skerryhq/skerry/appliance/fleet"
)

const parts = "queries,clients,cold,size,ingest,growth"

func main() {
	var o options
	var part, growth, child string
	flag.IntVar(&o.hosts, "hosts", 1_000_000, "hosts of the fleet")
	flag.IntVar(&o.sites, "sites", 500, "sites of the fleet")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the fleet")
	flag.IntVar(&o.queries, "queries", 400, "questions of each kind")
	flag.StringVar(&part, "part", parts, "what to measure")
	flag.BoolVar(&o.tuned, "tuned", false, "give PostgreSQL the indexes that pay in a few kinds and cost writes")
	flag.BoolVar(&o.plans, "plans", false, "print PostgreSQL's plans")
	flag.BoolVar(&o.evict, "evict", false, "cold: take the files out of the system's cache")
	flag.IntVar(&o.deltas, "deltas", 1_300_000, "deltas between the two sizes")
	flag.StringVar(&growth, "growth", "10000,100000,1000000,4000000", "sizes of the part growth")
	flag.StringVar(&o.program, "program", "", "the program skerry; absent: nothing is asked over HTTPS")
	flag.StringVar(&o.postgres, "postgres", pgBin, "folder of the programs of PostgreSQL 15")
	flag.StringVar(&o.dir, "dir", "", "folder for the run's own folder, on a disk; absent: the system's for temporary files")
	flag.StringVar(&child, "child", "", "") // see serveChild
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() error {
		if err := o.check(part, growth); err != nil {
			return err
		}
		if child != "" {
			return serveChild(ctx, child, fleet.New(fleet.Config{Seed: o.seed, Hosts: o.hosts, Sites: o.sites}))
		}
		b := &bench{options: o, ctx: ctx, out: os.Stdout}
		if err := b.run(); err != nil {
			return err
		}
		if b.wrong > 0 {
			return fmt.Errorf("%d answers differ between the engines", b.wrong)
		}
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-directory:", err)
		os.Exit(1)
	}
}

// check reads the lists and refuses what cannot be.
func (o *options) check(part, growth string) error {
	if o.sites < 1 || o.hosts < o.sites || o.sites > 1<<16 || o.queries < 1 {
		return fmt.Errorf("%d hosts of %d sites, %d questions: want a host at least for each of up to 65,536 sites, and a question", o.hosts, o.sites, o.queries)
	}
	o.parts = strings.Split(part, ",")
	for _, p := range o.parts {
		if !strings.Contains(","+parts+",", ","+p+",") {
			return fmt.Errorf("there is no part %q; there are %s", p, parts)
		}
	}
	for s := range strings.SplitSeq(growth, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1000 {
			return fmt.Errorf("growth: %q is no number of hosts from 1,000", s)
		}
		o.growth = append(o.growth, n)
	}
	return nil
}

// summary says which figures were reached.
func (b *bench) summary() {
	b.heading("figures")
	for _, f := range b.figures {
		word := "reached    "
		if !f.reached {
			word = "not reached"
		}
		b.printf("%s  %s: %s\n", word, f.what, f.how)
	}
	if b.hosts != 1_000_000 || b.options.sites != 500 {
		b.printf("The figures are for 1,000,000 hosts of 500 sites; this run had %d of %d.\n", b.hosts, b.options.sites)
	}
	switch {
	case b.pg == nil && b.web == nil:
		b.printf("There was nobody to compare answers with.\n")
	case b.wrong == 0:
		b.printf("No answer differs.\n")
	}
}
