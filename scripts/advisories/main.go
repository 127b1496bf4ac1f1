// Command advisories measures the way of advisories: from a source's records into a controller, into a signed bundle, out of it
// into an empty site, the same again for what is new, and how fast one is found.
//
//	make bench-advisories [SEED=1]
//
// It owns the run and the table. The servers are the product's own programs, as processes; a lookup is measured in this process on
// the index that the site left. It never judges a time: a figure is printed, and only what is wrong is an error.
//
// # How to read it
//
// ingest: from the start of the command until its answer; everything is durable, merged and indexed then. peak is the most memory the
// server ever had. export: the whole command, four times, each followed by zstd alone over the same bytes at the same level with one thread.
// The first is beside what the server still does with what it took in. Both are given by the clock and by processor time (of the server;
// the command itself has next to none): other work on the machine shows in the one more than in the other. writer: the same without
// command, server and audit, in this process, on the index that the controller left.
// import: verify, stage, merge and index at a site that held nothing, from the command's start to its answer. delta: the newest 3,500 records by
// when they were published, held back before; exported with the site's cursor and imported. catalog: what searches look through, made of
// all rows. lookup: one of each kind at a time, warm, through the functions that answer the API, without HTTP. On a machine with other work the processor time is
// the figure to go by, and the wall time says how busy the machine was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/scripts/recorded"
	"github.com/skerryhq/skerry/ui/schema"
)

// newestN is how many records are held back as the delta of a month: about as many as the recorded histories of eight sources
// change in one.
const newestN = 3500

// bench is what is measured and how.
type bench struct {
	bin, advisories, dir string
	index                string // lookups alone
	seed                 uint64
	out                  io.Writer
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

func main() {
	b := &bench{out: os.Stdout}
	flag.StringVar(&b.bin, "bin", "bin", "folder with skerry")
	flag.StringVar(&b.advisories, "advisories", "", "a tar.zst of OSV records; empty: the recorded ones")
	flag.StringVar(&b.index, "index", "", "measure lookups alone, on the folder of an index that nobody else has open")
	flag.Uint64Var(&b.seed, "seed", 1, "seed of the lookups")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "advisories:", err)
		os.Exit(1)
	}
}

// run measures everything in one folder, which it removes.
func (b *bench) run(ctx context.Context) (err error) {
	if b.index != "" {
		return b.look(ctx, b.index)
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.advisories == "" {
		if b.advisories, err = recorded.Path("dev-osv.tar.zst"); err != nil {
			b.printf("SKIPPED, NOTHING MEASURED: %v", err)
			return nil
		}
	}
	if b.dir, err = os.MkdirTemp("", "skerry-adv-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	load, _ := os.ReadFile("/proc/loadavg")
	b.printf("%s/%s, %d processors, %s, load %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(load)))
	split, err := recorded.SplitNewest(b.advisories, b.dir, newestN)
	if err != nil {
		return err
	}
	g := &local.Group{Bin: b.bin, Dir: b.dir, Died: make(chan error, 8)}
	defer func() { err = errors.Join(err, g.Stop()) }()
	addrs, err := local.FreePorts(2)
	if err != nil {
		return err
	}
	hq, err := g.Server(ctx, "hq", "controller", addrs[0], "log: {level: warn}")
	if err != nil {
		return err
	}
	site, err := g.Server(ctx, "alone", "site", addrs[1], "log: {level: warn}")
	if err != nil {
		return err
	}
	if err := b.trust(ctx, g); err != nil {
		return err
	}
	for _, step := range []struct{ what, file string }{{fmt.Sprintf("all but the newest: %d records", split.OlderN), split.Older}, {fmt.Sprintf("the newest: %d records published after %s", split.NewerN, split.Since.Format(time.DateOnly)), split.Newer}} {
		if err := b.carry(ctx, g, hq, site, step.what, step.file); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := b.writer(ctx, g, hq); err != nil {
		return err
	}
	return b.lookups(ctx, g, site)
}

// trust has the controller make a key, and the site trust it.
func (b *bench) trust(ctx context.Context, g *local.Group) error {
	if _, err := g.Run(ctx, "hq", "skerry", "keys", "generate", "bench"); err != nil {
		return err
	}
	pem, err := g.Run(ctx, "hq", "skerry", "keys", "export", "bench")
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "bench.pem")
	if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
		return err
	}
	_, err = g.Run(ctx, "alone", "skerry", "keys", "trust", "bench", file)
	return err
}

// carry takes one file of records the whole way.
func (b *bench) carry(ctx context.Context, g *local.Group, hq, site *local.Process, what, file string) error {
	b.printf("\n%s", what)
	var status struct{ Sync schema.SyncStatus }
	if err := g.Ask(ctx, "alone", &status, "federation", "status"); err != nil {
		return err
	}
	cursor := ""
	for _, s := range status.Sync.Sites {
		cursor = s.LastCursor
	}
	began := time.Now()
	var in schema.Ingested
	r, err := g.CLI(ctx, "hq", "skerry", "advisories", "ingest", file, "-o", "json")
	if err != nil {
		return err
	}
	if err := decode(r.Out, &in); err != nil || in.Created == 0 {
		return fmt.Errorf("ingest: exit code %d, %s: %w", r.Code, r.Err, err)
	}
	took := time.Since(began)
	u, err := local.UsageOf(hq.PID())
	if err != nil {
		return err
	}
	b.printf("  ingest   %8.2f s  %6.0f records a second, %d created, %d updated, %d malformed; the controller: peak %s, %.1f s of processor time since its start",
		took.Seconds(), float64(in.Read)/took.Seconds(), in.Created, in.Updated, in.MalformedN, mib(u.Peak), u.CPU.Seconds())

	out := filepath.Join(b.dir, "bundle.zst")
	args := []string{"bundle", "export", "-o", out}
	if cursor != "" {
		args = append(args, "-c", cursor)
	}
	if err := b.export(ctx, g, hq, out, args); err != nil {
		return err
	}

	began = time.Now()
	if _, err := g.Run(ctx, "alone", "skerry", "bundle", "validate", out); err != nil {
		return err
	}
	b.printf("  validate %8.2f s", time.Since(began).Seconds())
	began = time.Now()
	var done schema.ImportResult
	if err := g.Ask(ctx, "alone", &done, "bundle", "import", out); err != nil {
		return err
	}
	took = time.Since(began)
	if u, err = local.UsageOf(site.PID()); err != nil {
		return err
	}
	b.printf("  import   %8.2f s  %+v; the site: peak %s", took.Seconds(), done.Counts, mib(u.Peak))
	return nil
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
