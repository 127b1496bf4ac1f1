package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// A log that an earlier version wrote comes along whole, its term and its vote too, however often a crash cuts the
// first start short.
func TestEarlierLog(t *testing.T) {
	dir := t.TempDir()
	w := startReady(t, dir, nil)
	propose(t, w, found(1))
	for i := range 30 {
		propose(t, w, account(i))
	}
	want := w.hash(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	// The same log, as the earlier version had it.
	node := filepath.Join(dir, "raft")
	logger := newLogger(w.log)
	d, err := openLog(node, logger)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(node, earlierName), 0o700); err != nil {
		t.Fatal(err)
	}
	old, err := wal.Open(filepath.Join(node, earlierName), wal.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := d.FirstIndex()
	last, err := d.LastIndex()
	if err != nil || last < 30 {
		t.Fatal(last, err)
	}
	var entries []raft.Log
	for i := first; i <= last; i++ {
		var l raft.Log
		if err := d.GetLog(i, &l); err != nil {
			t.Fatal(err)
		}
		if err := old.StoreLog(&l); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, l)
	}
	values := map[string]string{}
	for _, k := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		v, err := d.Get([]byte(k))
		if err != nil || len(v) == 0 {
			t.Fatalf("%s is %x, %v", k, v, err)
		}
		values[k] = string(v)
		if k == "LastVoteCand" {
			err = old.Set([]byte(k), v)
		} else {
			var n uint64
			if n, err = d.GetUint64([]byte(k)); err == nil {
				err = old.SetUint64([]byte(k), n)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(node, entriesName)); err != nil {
		t.Fatal(err)
	}
	// What a crash in the middle of copying leaves.
	if err := os.MkdirAll(filepath.Join(node, entriesName+tempEnd, "junk"), 0o700); err != nil {
		t.Fatal(err)
	}

	if d, err = openLog(node, logger); err != nil {
		t.Fatal(err)
	}
	for i, want := range entries {
		var l raft.Log
		if err := d.GetLog(first+uint64(i), &l); err != nil || l.Term != want.Term || l.Type != want.Type || string(l.Data) != string(want.Data) {
			t.Fatalf("entry %d: %+v, %v", first+uint64(i), l, err)
		}
		if l.Type == raft.LogCommand {
			if _, err := entry.Read(l.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k, want := range values {
		if v, err := d.Get([]byte(k)); err != nil || string(v) != want {
			t.Errorf("%s is %x, %v; want %x", k, v, err, want)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(node, earlierName)); !os.IsNotExist(err) {
		t.Errorf("the earlier log is left: %v", err)
	}
	w = startReady(t, dir, nil)
	if got := w.hash(t); got != want {
		t.Errorf("the rows are %s, want %s", got, want)
	}
	propose(t, w, account(99))
}
