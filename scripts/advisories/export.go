package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/bundle"
)

// turns is how often an export and the compressor alone are measured, one behind the other, so that both meet the same machine.
const turns = 4

// spent is time by the clock and of processors, of so many turns.
type spent struct {
	clock, processor time.Duration
	turns            int
}

func (s *spent) add(clock, processor time.Duration) {
	s.clock += clock
	s.processor += processor
	s.turns++
}

// String gives the mean of a turn.
func (s spent) String() string {
	n := float64(s.turns)
	return fmt.Sprintf("%.2f s (%.2f s of processors)", s.clock.Seconds()/n, s.processor.Seconds()/n)
}

// beside says how fast a whole is beside a part of its work that was measured as often, in per cent of the part's rate.
func beside(whole, part spent) string {
	return fmt.Sprintf("%.0f %% of its rate by the clock, %.0f %% by processor time",
		100*part.clock.Seconds()/whole.clock.Seconds(), 100*part.processor.Seconds()/whole.processor.Seconds())
}

// export makes a bundle by the whole command, beside the compressor alone.
func (b *bench) export(ctx context.Context, g *local.Group, hq *local.Process, out string, args []string) error {
	var whole, alone [2]spent // the first turn, the others
	var body []byte
	var packed int64
	for turn := range turns {
		before, err := local.UsageOf(hq.PID())
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := g.Run(ctx, "hq", "skerry", args...); err != nil {
			return err
		}
		took := time.Since(began)
		after, err := local.UsageOf(hq.PID())
		if err != nil {
			return err
		}
		whole[min(turn, 1)].add(took, after.CPU-before.CPU)
		if turn == 0 {
			if packed, body, err = opened(out); err != nil {
				return err
			}
		}
		if err := alone[min(turn, 1)].of(func() error { return zstdAlone(body) }); err != nil {
			return err
		}
	}
	b.printf("  export   %8.2f s  %d bytes of %d", whole[0].clock.Seconds(), packed, len(body))
	for i, which := range []string{"the first", "each further"} {
		b.printf("    %-12s %s; zstd alone at that level %s: %s", which, whole[i], alone[i], beside(whole[i], alone[i]))
	}
	return nil
}

// writer stops the controller and has its bundle written in this process, beside the compressor alone.
func (b *bench) writer(ctx context.Context, g *local.Group, hq *local.Process) error {
	if err := g.End(hq, syscall.SIGTERM); err != nil {
		return err
	}
	store, err := index.Open(filepath.Join(b.dir, "hq", "index"), index.Options{CacheBytes: index.ControllerCache, MemBytes: index.ControllerMem})
	if err != nil {
		return err
	}
	defer store.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	v := store.View()
	defer v.Close()
	self, _, err := v.Self()
	if err != nil {
		return err
	}
	shelf, err := v.Shelf()
	if err != nil {
		return err
	}
	c := bundle.WriteConfig{
		Origin: self.Self, OriginName: self.Name, To: shelf.Cursor, ExpiresAt: shelf.Cursor.At.Add(24 * time.Hour), Signer: key, Spool: b.dir,
		Changes: func(fn func(model.AdvisoryChange) error) error { return v.ChangesAfter(model.Cursor{}, fn) },
	}
	path := filepath.Join(b.dir, "written.zst")
	var whole, alone spent
	var body []byte
	var packed int64
	for turn := range turns {
		if err := whole.of(func() error { return writeBundle(ctx, path, c) }); err != nil {
			return err
		}
		if turn == 0 {
			if packed, body, err = opened(path); err != nil {
				return err
			}
		}
		if err := alone.of(func() error { return zstdAlone(body) }); err != nil {
			return err
		}
	}
	b.printf("\nwriter alone, in process, %d times: %d bytes of %d", turns, packed, len(body))
	b.printf("  writer       %s; zstd alone at that level %s: %s", whole, alone, beside(whole, alone))
	return nil
}

// writeBundle writes a bundle to a file, durably, as the command does.
func writeBundle(ctx context.Context, path string, c bundle.WriteConfig) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = bundle.Write(ctx, f, c)
	return errors.Join(err, f.Sync(), f.Close())
}

// of measures fn in this process.
func (s *spent) of(fn func() error) error {
	used, err := processors()
	if err != nil {
		return err
	}
	began := time.Now()
	err = fn()
	took := time.Since(began)
	now, e := processors()
	s.add(took, now-used)
	return errors.Join(err, e)
}

// processors returns how much processor time this process has used.
func processors() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// opened returns the size of a bundle file, and the tar that is in it.
func opened(path string) (packed int64, body []byte, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(4<<30))
	if err != nil {
		return 0, nil, err
	}
	defer d.Close()
	body, err = d.DecodeAll(raw, nil)
	return int64(len(raw)), body, err
}

// zstdAlone compresses body at the level, and with the window, of the bundle's writer.
func zstdAlone(body []byte) error {
	e, err := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	_, err = e.Write(body)
	return errors.Join(err, e.Close())
}
