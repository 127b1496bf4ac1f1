package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// monthN is how many of the newest advisories the part rematch holds back: the recorded histories of eight sources have about
// as many changes in a month.
const monthN = 3500

// measureRematch is the part rematch.
func (w *world) measureRematch(ctx context.Context) error {
	w.printf("\nrematch: %d hosts of %d packages, %s", w.hosts, w.size, likeImages)
	older, newer, err := w.splitMonth()
	if err != nil {
		return err
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	said := w.agents.now().Said
	if err := w.agents.order(Order{Packages: likeImages}); err != nil {
		return err
	}
	if err := w.agents.until(ctx, patience, "all reports being held", func(l Line) bool { return l.Said >= said+int64(w.hosts) && w.agents.settled(l) }); err != nil {
		return err
	}
	for _, part := range []struct{ what, file string }{{"from nothing", older}, {"the newest month", newer}} {
		w.advisories = part.file
		before, err := local.UsageOf(w.site.PID())
		if err != nil {
			return err
		}
		if err := w.ingest(ctx); err != nil {
			return err
		}
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

// splitMonth writes the advisories as two archives: the newest by when they were published, and the rest.
func (w *world) splitMonth() (older, newer string, err error) {
	published := func(body []byte) (t time.Time) {
		var r struct{ Published time.Time }
		_ = json.Unmarshal(body, &r) // one that is malformed is old
		return r.Published
	}
	var all []time.Time
	if err := eachRecord(w.advisories, func(_ *tar.Header, body []byte) error {
		all = append(all, published(body))
		return nil
	}); err != nil {
		return "", "", err
	}
	slices.SortFunc(all, func(a, b time.Time) int { return b.Compare(a) })
	since := all[min(monthN, len(all)/10)]
	older, newer = filepath.Join(w.Dir, "older.tar.zst"), filepath.Join(w.Dir, "newer.tar.zst")
	a, err := newArchive(older)
	if err != nil {
		return "", "", err
	}
	b, err := newArchive(newer)
	if err != nil {
		return "", "", errors.Join(err, a.close())
	}
	err = eachRecord(w.advisories, func(h *tar.Header, body []byte) error {
		if published(body).After(since) {
			return b.add(h.Name, body)
		}
		return a.add(h.Name, body)
	})
	err = errors.Join(err, a.close(), b.close())
	w.printf("  %d advisories, and %d that were published since %s", a.n, b.n, since.Format(time.DateOnly))
	return older, newer, err
}

// eachRecord calls fn with every file of a tar.zst.
func eachRecord(path string, fn func(h *tar.Header, body []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(1<<27))
	if err != nil {
		return err
	}
	defer z.Close()
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(t)
		if err == nil {
			err = fn(h, body)
		}
		if err != nil {
			return err
		}
	}
}

// archive is a tar.zst that is written.
type archive struct {
	f *os.File
	z *zstd.Encoder
	t *tar.Writer
	n int
}

func newArchive(path string) (*archive, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f)
	return &archive{f: f, z: z, t: tar.NewWriter(z)}, err
}

func (a *archive) add(name string, body []byte) error {
	a.n++
	if err := a.t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := a.t.Write(body)
	return err
}

func (a *archive) close() error { return errors.Join(a.t.Close(), a.z.Close(), a.f.Close()) }
