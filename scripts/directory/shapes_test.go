package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/storage/index"
)

// TestShapes: each reading is as many batches as were delivered, of operations that Pebble takes; index keys that a
// host had go when it has others, and those that did not change are left alone where they may be.
func TestShapes(t *testing.T) {
	f := fleet.New(fleet.Config{Seed: 3, Hosts: 2000, Sites: 2})
	var list []delivery
	stream := f.DeltasFrom(1, 0, 1)
	rows := 0
	for range 4 {
		list = append(list, delivery{stream.Next(200), 2})
		rows += 200
	}
	var own repr
	own.set([]byte("k"), []byte("v"))
	ours := [][]byte{own.done(), own.done(), own.done(), own.done()}
	known := named(f, list)
	if len(known) < 100 {
		t.Fatalf("only %d hosts are named", len(known))
	}
	shapes, err := shapesOf(list, ours, known)
	if err != nil {
		t.Fatal(err)
	}
	if len(shapes) != 4 {
		t.Fatalf("%d readings", len(shapes))
	}
	store, err := index.Open(filepath.Join(t.TempDir(), "store"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, s := range shapes {
		commit, closeDB, err := store.Raw(filepath.Join(t.TempDir(), "raw"))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.batches) != len(list) {
			t.Errorf("%s: %d batches for %d deliveries", s.name, len(s.batches), len(list))
		}
		for _, b := range s.batches {
			if err := commit(b); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
		if err := closeDB(); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %.0f bytes a row", s.name, s.size(rows))
	}
	if all, some := shapes[3].size(rows), shapes[2].size(rows); all < 2*some {
		t.Errorf("whole rows take %.0f bytes, changed keys %.0f", all, some)
	}
}

// TestIndexKeys counts what one change of a host writes.
func TestIndexKeys(t *testing.T) {
	f := fleet.New(fleet.Config{Seed: 3, Hosts: 100, Sites: 1})
	old := f.Host(0, 0)
	beat, moved := old, old
	beat.LastSeen++
	moved.LastSeen++
	if moved.Status = "down"; old.Status == "down" {
		moved.Status = "up"
	}
	for _, c := range []struct {
		name      string
		was, is   bool
		now       fleet.Host
		all       bool
		operation uint32
	}{
		{"new", false, true, old, false, 6},
		{"gone", true, false, fleet.Host{}, false, 6},
		{"the same", true, true, old, false, 0},
		{"the same, all", true, true, old, true, 6},
		{"a heartbeat", true, true, beat, false, 4},
		{"a heartbeat, all", true, true, beat, true, 8},
		{"another status", true, true, moved, false, 8},
	} {
		var r repr
		r.index(old, c.was, c.now, c.is, c.all)
		if r.n != c.operation {
			t.Errorf("%s: %d operations, want %d", c.name, r.n, c.operation)
		}
		if b := r.done(); binary.LittleEndian.Uint32(b[8:]) != r.n || !bytes.Equal(b[reprHead:], r.b) {
			t.Errorf("%s: the batch is not what was written", c.name)
		}
	}
}
