package raftfsm

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// taker is a sink that keeps the folder it is given, and a reader of it.
type taker struct {
	sink
	dir     string
	rows    string
	applied uint64
}

func (k *taker) Take(rows string, applied uint64) error {
	k.rows, k.applied = filepath.Join(k.dir, "kept"), applied
	return os.Rename(rows, k.rows)
}

func (k *taker) Rows() (string, uint64) { return k.rows, k.applied }
func (k *taker) Close() error           { return nil }

// files returns the files of a folder by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[n.Name()] = string(b)
	}
	return all
}

// TestFolders: a snapshot that is a folder is moved, restored by links, and stays as it is whatever
// is done to the rows that came from it.
func TestFolders(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	logs := history(t, rand.New(rand.NewPCG(seed, 0)), 300)
	f, s := newFSM(t)
	f.ApplyBatch(logs[:200])
	want := hash(t, s)
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	k := &taker{dir: filepath.Dir(f.Scratch)}
	if err := snap.Persist(k); err != nil {
		t.Fatal(err)
	}
	snap.Release()
	leftovers(t, f)
	if k.Len() != 0 || k.applied != s.Applied() {
		t.Fatalf("%d bytes were written to a sink that takes folders; applied %d, want %d", k.Len(), k.applied, s.Applied())
	}
	kept := files(t, k.rows)
	f.ApplyBatch(logs[200:])
	end := hash(t, s)
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same snapshot twice
		if err := f.Restore(k); err != nil {
			t.Fatal(err)
		}
		leftovers(t, f)
		if got := hash(t, s); got != want || s.Applied() != k.applied {
			t.Fatalf("after the restore: hash %s at %d", got, s.Applied())
		}
		f.ApplyBatch(logs)
		if got := hash(t, s); got != end {
			t.Fatal("the log behind the snapshot gives other rows")
		}
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(kept, files(t, k.rows)) {
		t.Error("the snapshot changed with the rows that came from it")
	}
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.sst", i)), bytes.Repeat([]byte{byte(i)}, 100*i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := MakeManifest(t.Context(), dir, "2-17-1700000000000", 16)
	if err != nil || m.Bytes() != 300 || len(m.Files) != 3 {
		t.Fatal(m, err)
	}
	b, err := model.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ReadManifest(b); err != nil || again.ID != m.ID || again.Applied != 16 || again.Files[2] != m.Files[2] {
		t.Fatal(again, err)
	}
	good := string(b)
	for name, tc := range map[string]struct {
		b    string
		kind fault.Kind
	}{
		"empty":       {"", fault.Corrupt},
		"half":        {good[:len(good)/2], fault.Corrupt},
		"no format":   {`{}`, fault.Corrupt},
		"newer":       {strings.Replace(good, `"format":1`, `"format":2`, 1), fault.Version},
		"a path":      {strings.Replace(good, "0.sst", "../x", 1), fault.Corrupt},
		"hidden":      {strings.Replace(good, "0.sst", ".sst", 1), fault.Corrupt},
		"no name":     {strings.Replace(good, "0.sst", "", 1), fault.Corrupt},
		"twice":       {strings.Replace(good, "1.sst", "0.sst", 1), fault.Corrupt},
		"order":       {strings.Replace(good, "0.sst", "9.sst", 1), fault.Corrupt},
		"a long name": {strings.Replace(good, "2.sst", strings.Repeat("n", maxName+1), 1), fault.Corrupt},
		"below zero":  {strings.Replace(good, `"size":100`, `"size":-1`, 1), fault.Corrupt},
		"too much":    {strings.Replace(good, `"size":100`, `"size":9223372036854775807`, 1), fault.Corrupt},
		"id":          {strings.Replace(good, `2-17-1700000000000`, `../..`, 1), fault.Corrupt},
		"long id":     {strings.Replace(good, `2-17-1700000000000`, `2-17-`+strings.Repeat("1", 60), 1), fault.Corrupt},
		"sum":         {strings.Replace(good, m.Files[1].SHA256, strings.ToUpper(m.Files[1].SHA256), 1), fault.Corrupt},
		"no sum":      {strings.Replace(good, m.Files[1].SHA256, "", 1), fault.Corrupt},
		"long":        {good + strings.Repeat(" ", MaxManifest), fault.Corrupt},
	} {
		if tc.b == good {
			t.Fatalf("%s: the case is the good one", name)
		}
		if _, err := ReadManifest([]byte(tc.b)); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, want kind %s", name, err, tc.kind)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"2-17-1700000000000","applied":16,"files":[{"name":"000004.sst","size":100,"sha256":"` + strings.Repeat("0a", 32) + `"}]}`))
	f.Add([]byte(`{"format":1,"id":"1-1-1","applied":0,"files":[]}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"id":"1-1-1","files":[{"name":"a","size":-9223372036854775808,"sha256":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadManifest(b)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		if m.Bytes() < 0 || len(m.Files) > maxFiles || !SnapshotID(m.ID) {
			t.Fatalf("accepted: %+v", m)
		}
		for _, x := range m.Files {
			if filepath.Base(x.Name) != x.Name || x.Name == "." || x.Name == ".." {
				t.Fatalf("accepted the name %q", x.Name)
			}
		}
		again, err := model.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadManifest(again); err != nil {
			t.Fatalf("what was accepted is refused when written again: %v", err)
		}
	})
}
