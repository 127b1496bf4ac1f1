package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/feed"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) advisories() *cobra.Command {
	return a.group("advisories", "What is known about vulnerabilities", a.advisoriesIngest(), a.advisoriesSources(), a.advisoriesGet(), a.advisoriesSearch(), a.advisoriesExplain(),
		a.advisoriesAuthority())
}

func (a *app) advisoriesIngest() *cobra.Command {
	var source string
	var changes []string
	c := leaf("ingest PATH...", "Store what sources publish: OSV, KEV, EPSS, NVD, CSAF and OpenVEX, from files, folders and archives", 0, -1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&source, "source", "", "the records' source, where it is not the folder that each lies in")
	c.Flags().StringArrayVar(&changes, "changes", nil, "file with a set of changes: lines that put or delete a record (several: repeat it)")
	c.RunE = func(c *cobra.Command, paths []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if paths = append(paths, changes...); len(paths) == 0 {
			return usagef("say what to ingest: PATH..., or --changes FILE")
		}
		// A path that is not there is found before the first record is sent.
		for _, p := range paths {
			if _, err := os.Stat(p); err != nil {
				return usagef("%w; nothing was sent", err)
			}
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		query := url.Values{}
		if source != "" {
			query.Set("source", source)
		} else {
			a.sayLoose(paths)
		}
		done, err := a.sendAdvisories(c.Context(), server, paths, query)
		if err != nil {
			return err
		}
		for _, m := range done.Malformed {
			a.say("malformed, not stored: %s: %s", fault.Printable(m.Name), fault.Printable(m.Reason))
		}
		if done.Deleted > 0 {
			a.say("%d %s deleted", done.Deleted, plural(done.Deleted, "record"))
		}
		if more := done.MalformedN - len(done.Malformed); more > 0 {
			a.say("and %d more malformed records", more)
		}
		err = f.print(done, func() view {
			v := view{head: []string{"READ", "CREATED", "UPDATED", "UNCHANGED", "MALFORMED", "HELD", "CURSOR"}, wide: []string{"DELETED", "PASSED OVER", "OUTSIDE"}}
			v.add(done.Cursor, done.Read, done.Created, done.Updated, done.Unchanged, done.MalformedN, done.AdvisoryN, done.Cursor, done.Deleted, done.PassedOver, done.OutsideN)
			return v
		})
		if done.OutsideN > 0 {
			name := cmp.Or(source, "SOURCE")
			a.say("WARNING: %d %s ecosystems that their source may not speak for: those parts are kept, and matched with no package. Say what it may speak for "+
				"with `skerry advisories authority set %s ECOSYSTEM...`, or ingest them as of another source (--source).",
				done.OutsideN, map[bool]string{true: "record names", false: "records name"}[done.OutsideN == 1], fault.Printable(name))
		}
		if err != nil || done.MalformedN == 0 {
			return err
		}
		was, are := "were", "they are"
		if done.MalformedN == 1 {
			was, are = "was", "it is"
		}
		return fmt.Errorf("%d of %d %s %s not stored: %s malformed (named above)", done.MalformedN, done.Read, plural(done.Read, "record"), was, are)
	}
	return c
}

// sayLoose says after what the records of files that are named one by one are sourced: it is the folder
// that they happen to lie in, which nobody has named.
func (a *app) sayLoose(paths []string) {
	told := map[string]bool{}
	for _, p := range paths {
		full, err := filepath.Abs(p)
		if info, statErr := os.Stat(full); err != nil || statErr != nil || info.IsDir() || !strings.EqualFold(filepath.Ext(full), ".json") {
			continue
		}
		source := canonical.Source(filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(full)), filepath.Base(full))))
		if told[source] {
			continue
		}
		told[source] = true
		a.say("%s: its source is %q, after the folder that it lies in (--source NAME says another)", fault.Printable(p), source)
	}
}

// sendAdvisories packs while it sends. An error of packing is the one to report: the server only sees
// that the stream broke off.
func (a *app) sendAdvisories(ctx context.Context, server *client, paths []string, query url.Values) (schema.Ingested, error) {
	var done schema.Ingested
	r, w := io.Pipe()
	packed := make(chan error, 1)
	sent := &progress{w: w}
	go func() {
		_, err := feed.Pack(ctx, paths, sent)
		packed <- err
		_ = w.CloseWithError(err)
	}()
	stop := a.progress(sent)
	resp, err := server.send(ctx, http.MethodPost, "/advisories/ingest", query, r, "application/zstd")
	_ = r.CloseWithError(io.ErrClosedPipe)
	packErr := <-packed
	stop()
	if packErr != nil && !strings.Contains(packErr.Error(), io.ErrClosedPipe.Error()) {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return done, packErr
	}
	if err != nil {
		return done, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&done); err != nil {
		return done, fmt.Errorf("the answer of %s cannot be read: %w", server.shown, err)
	}
	return done, nil
}

// progress counts what has been sent.
type progress struct {
	w io.Writer
	n atomic.Int64
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.n.Add(int64(n))
	return n, err
}

// progress reports on a terminal every half second, and otherwise every ten seconds.
func (a *app) progress(p *progress) (stop func()) {
	every, end := 10*time.Second, "\n"
	if terminal(a.err) {
		every, end = 500*time.Millisecond, "\r"
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(every)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-quit:
				if shown && end == "\r" {
					fmt.Fprint(a.err, "\r\x1b[K")
				}
				return
			case <-tick.C:
				shown = true
				fmt.Fprintf(a.err, "sent %.1f MiB, packed%s", float64(p.n.Load())/(1<<20), end)
			}
		}
	}()
	return func() { close(quit); <-gone }
}
