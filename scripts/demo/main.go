// Command demo shows a federation at work on this machine: one controller, two sites, a real agent
// that reports this very machine, a gateway with a simulated fleet and real advisories, all as separate
// processes on loopback; and a simulated federation of further sites, so that there is something to
// search. It needs the binaries (`make build`), no root, and leaves nothing behind.
//
//	go run ./scripts/demo -bin bin [-advisories PATH] [-hosts 20000] [-sites 20] [-once]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

func main() {
	bin := flag.String("bin", "bin", "folder with skerry and skerry-agent")
	advisories := flag.String("advisories", "", "OSV records to ingest (files, folders, .zip, .tar.zst)")
	size := size{}
	flag.IntVar(&size.hosts, "hosts", 20_000, "hosts of the simulated federation")
	flag.IntVar(&size.sites, "sites", 20, "sites of the simulated federation")
	once := flag.Bool("once", false, "stop when the summary is printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *advisories, size, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, advisories string, size size, once bool) (err error) {
	if err := size.check(); err != nil {
		return err
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	for _, name := range []string{"skerry", "skerry-agent"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return fmt.Errorf("%s is missing: run `make build` first", filepath.Join(bin, name))
		}
	}
	removed, err := leftovers(os.TempDir())
	for _, dir := range removed {
		fmt.Println("Removed", dir, "of an earlier run that was killed.")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: an earlier run's folder stays:", err)
	}
	// Not below the system's own temporary folder if that is a memory file system: stores fsync. The
	// path stays short because of the local sockets in it.
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, pidFile), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	d := &demo{Group: &local.Group{Bin: bin, Dir: dir, Died: make(chan error, 16)}, began: time.Now()}
	defer func() {
		d.endLine()
		err = errors.Join(err, d.Stop(), os.RemoveAll(dir))
		if err == nil {
			fmt.Println("All processes are stopped and", dir, "is removed.")
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-d.Died:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	if err := d.show(ctx, advisories, size); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C while it was starting
		}
		return err
	}
	if once {
		return nil
	}
	<-ctx.Done()
	fmt.Println("\nStopping …")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
