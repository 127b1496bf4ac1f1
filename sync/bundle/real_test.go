package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// realChanges is a log of changes with every record of the recorded real data that canonical reads.
var realChanges = sync.OnceValues(func() ([]model.AdvisoryChange, error) {
	dir := os.Getenv("SKERRY_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(dir, "data", "dev-osv.tar.zst"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(1<<27))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out []model.AdvisoryChange
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		a, err := canonical.DecodeFile("", h.Name, raw)
		if err != nil {
			continue
		}
		a.Cursor = cursor(len(out) + 1)
		id := a.ID // about what grouping would come to; the count is not what is measured
		for _, name := range merge.RecordOf(a).IDs {
			if model.IsCVE(name) {
				id = name
				break
			}
		}
		out = append(out, model.AdvisoryChange{Key: a.AdvisoryKey, Cursor: a.Cursor, Advisory: &a, Canonical: id})
	}
})

func real(b testing.TB) WriteConfig {
	b.Helper()
	changes, err := realChanges()
	if errors.Is(err, os.ErrNotExist) {
		b.Skipf("SKIPPED, NOTHING MEASURED: %v (set SKERRY_SHARED to the folder that holds data/dev-osv.tar.zst)", err)
	}
	if err != nil {
		b.Fatal(err)
	}
	c := testConfig(b, changes)
	c.ExpiresAt = c.To.At.Add(90 * 24 * time.Hour)
	return c
}

// BenchmarkReal measures, over all of the recorded real data, the writing of a bundle beside the compressor alone at the same
// setting, and the reading of it.
func BenchmarkReal(b *testing.B) {
	c := real(b)
	file := write(b, c)
	v := good(b)
	v.Now = c.To.At
	r, err := Verify(b.Context(), bytes.NewReader(file), v)
	if err != nil {
		b.Fatal(err)
	}
	m := r.Manifest()
	size := m.Parts[0].Size + m.Parts[1].Size
	b.Logf("%d records, %d canonicals, %d bytes of lines, a bundle of %d bytes", m.Counts.Edges, m.Counts.Canonicals, size, len(file))
	var lines bytes.Buffer
	for _, ch := range mustChanges(b, c) {
		_, line, err := encodeLine(ch)
		if err != nil {
			b.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	compress := func() error {
		z, err := compressor(io.Discard, levels[0])
		if err != nil {
			return err
		}
		if _, err := z.Write(lines.Bytes()); err != nil {
			return err
		}
		return z.Close()
	}
	export := func() error {
		_, err := Write(b.Context(), io.Discard, c)
		return err
	}
	// Each turn does both, so that what else the machine does meets both alike. Rates are of lines, by the clock and by the
	// time of processors.
	b.Run("write", func(b *testing.B) {
		var alone, whole spent
		for b.Loop() {
			alone.add(b, compress)
			whole.add(b, export)
		}
		mb := float64(size) * float64(b.N) / 1e6
		b.ReportMetric(mb/alone.wall.Seconds(), "zstd-MB/s")
		b.ReportMetric(mb/whole.wall.Seconds(), "write-MB/s")
		b.ReportMetric(100*alone.wall.Seconds()/whole.wall.Seconds(), "%-of-zstd")
		b.ReportMetric(alone.cpu.Seconds()/float64(b.N), "zstd-cpu-s")
		b.ReportMetric(whole.cpu.Seconds()/float64(b.N), "write-cpu-s")
	})
	b.Run("verify", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := Verify(b.Context(), bytes.NewReader(file), v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("each", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if err := r.Each(b.Context(), func(model.AdvisoryChange) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("split", func(b *testing.B) {
		b.SetBytes(size)
		c := c
		c.Split = 1 << 20
		for b.Loop() {
			p, err := Prepare(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(p.Files()), "parts")
			if err := p.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// spent is time by the clock and of processors.
type spent struct{ wall, cpu time.Duration }

func (s *spent) add(b *testing.B, fn func() error) {
	b.Helper()
	start, used := time.Now(), processors(b)
	if err := fn(); err != nil {
		b.Fatal(err)
	}
	s.wall += time.Since(start)
	s.cpu += processors(b) - used
}

// processors returns how much time of processors this process has used.
func processors(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mustChanges(b testing.TB, c WriteConfig) []model.AdvisoryChange {
	b.Helper()
	var out []model.AdvisoryChange
	if err := c.Changes(func(ch model.AdvisoryChange) error { out = append(out, ch); return nil }); err != nil {
		b.Fatal(err)
	}
	return out
}
