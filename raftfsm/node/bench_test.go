package node

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// BenchmarkPropose is a group of one: small changes by one caller and by many.
func BenchmarkPropose(b *testing.B) {
	w, err := start(filepath.Join(b.TempDir(), "a"), true, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.stop()
	ctx := b.Context()
	if err := w.WaitLeader(ctx); err != nil {
		b.Fatal(err)
	}
	if err := w.Propose(ctx, found(1)); err != nil {
		b.Fatal(err)
	}
	note := model.Note{Stamp: stamp(1), Action: "bench", OK: true}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if err := w.Propose(ctx, note); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		var n atomic.Int64
		b.SetParallelism(32)
		began := time.Now()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := w.Propose(ctx, note); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
		b.ReportMetric(float64(n.Load())/time.Since(began).Seconds(), "changes/s")
	})
}
