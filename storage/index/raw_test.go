package index

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestTapAndRaw: what is handed out is all that was written, and a database of its own takes it.
func TestTapAndRaw(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "index"), Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	var batches [][]byte
	s.Tap(func(b []byte) { batches = append(batches, bytes.Clone(b)) })
	for n := range 3 {
		write(t, s, func(tx *Tx) { ok(t, tx.PutHost(full(n))) })
	}
	s.Tap(nil)
	write(t, s, func(tx *Tx) { ok(t, tx.PutHost(full(3))) })
	if len(batches) != 3 {
		t.Fatalf("%d batches were handed out", len(batches))
	}
	raw := filepath.Join(dir, "raw")
	commit, end, err := s.Raw(raw)
	ok(t, err)
	for _, b := range batches {
		ok(t, commit(b))
	}
	ok(t, end())
	db, err := openPebble(raw, s.options(false))
	ok(t, err)
	defer func() { ok(t, closeDB(db)) }()
	r := Reader{from: db, rows: s.rows}
	for n := range 4 {
		h, there, err := r.Host(hostID(n))
		if err != nil || there != (n < 3) || there && h.Serial != full(n).Serial {
			t.Errorf("host %d: %+v, %v, %v", n, h, there, err)
		}
	}
	_, _, err = s.Raw(filepath.Join(dir, "index", currentName, "x"))
	kind(t, err, fault.Invalid)
}

// TestCompact: the rows are what they were, and what was overwritten is gone.
func TestCompact(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	for round := range 4 {
		write(t, s, func(tx *Tx) {
			for n := range 2000 {
				h := full(n)
				h.LastSeen += model.Time(round)
				ok(t, tx.PutHost(h))
			}
		})
	}
	before, err := s.Hash(t.Context())
	ok(t, err)
	ok(t, s.Compact(t.Context()))
	after, err := s.Hash(t.Context())
	ok(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the rows changed")
	}
	levels := s.life.db.Metrics().Levels
	for i, l := range levels[:len(levels)-1] {
		if l.TablesCount > 0 {
			t.Errorf("level %d still has %d tables", i, l.TablesCount)
		}
	}
}
