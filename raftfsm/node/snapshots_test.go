package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
)

func newSnapshots(t testing.TB, dir string) *snapshots {
	t.Helper()
	s, err := openSnapshots(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

var group = raft.Configuration{Servers: []raft.Server{
	{Suffrage: raft.Voter, ID: "a", Address: "127.0.0.1:1"}, {Suffrage: raft.Nonvoter, ID: "b", Address: "127.0.0.1:2"},
}}

// rowsOf makes a folder of files that look like a checkpoint's.
func rowsOf(t testing.TB, dir string, files map[string][]byte) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// keep puts a snapshot of some files into a store and returns its id.
func keep(t testing.TB, s *snapshots, index, term uint64, files map[string][]byte) string {
	t.Helper()
	k, err := s.Create(1, index, term, group, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.(raftfsm.Taker).Take(rowsOf(t, filepath.Join(t.TempDir(), "rows"), files), index-1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Close(), k.Close(), k.Cancel()); err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

func listed(t testing.TB, s *snapshots) []string {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return out
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %q, want %q", what, got, want)
	}
}

func TestSnapshotStore(t *testing.T) {
	dir := t.TempDir()
	s := newSnapshots(t, dir)
	s.now = func() time.Time { return time.UnixMilli(1000) }
	files := map[string][]byte{"000001.sst": []byte("rows"), "MANIFEST-000001": []byte("list")}
	a := keep(t, s, 10, 1, files)
	b := keep(t, s, 10, 1, files) // within the same millisecond
	equal(t, "two", listed(t, s), []string{b, a})
	equal(t, "ids", []string{a, b}, []string{"1-10-1000", "1-10-1001"})

	meta, r, err := s.Open(a)
	if err != nil || meta.Index != 10 || meta.Term != 1 || meta.Size != 8 || meta.ConfigurationIndex != 2 || len(meta.Configuration.Servers) != 2 || meta.Configuration.Servers[1] != group.Servers[1] {
		t.Fatalf("%+v, %v", meta, err)
	}
	if rows, applied := r.(raftfsm.Folder).Rows(); applied != 9 || rows != filepath.Join(dir, "snapshots", a, "rows") {
		t.Fatalf("%s at %d", rows, applied)
	}
	c := keep(t, s, 9, 2, files)   // of a later term, and older all the same
	d := keep(t, s, 100, 2, files) // by number, not by text
	equal(t, "a is being read", names(t, filepath.Join(dir, "snapshots")), []string{a, b, d})
	equal(t, "newest first", listed(t, s), []string{d, b, a})
	if rows, _ := r.(raftfsm.Folder).Rows(); len(names(t, rows)) != 2 {
		t.Fatal("a snapshot that is being read was changed")
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	equal(t, "a is read no more", listed(t, s), []string{d, b})
	if _, _, err := s.Open(c); !fault.Is(err, fault.Corrupt) {
		t.Errorf("open what is gone: %v", err)
	}

	// What a crash left goes at the next start.
	k, err := s.Create(1, 200, 2, group, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "unfinished", listed(t, s), []string{d, b})
	if err := k.Cancel(); err != nil {
		t.Fatal(err)
	}
	equal(t, "given up", names(t, filepath.Join(dir, "snapshots")), []string{b, d})
	if k, err = s.Create(1, 200, 2, group, 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.(raftfsm.Taker).Take(rowsOf(t, filepath.Join(t.TempDir(), "rows"), files), 1); err != nil {
		t.Fatal(err)
	}
	s = newSnapshots(t, dir)
	equal(t, "after a start", names(t, filepath.Join(dir, "snapshots")), []string{b, d})

	// A damaged one is passed over, unless it is the one that the log is cut behind.
	for _, damage := range []func(b []byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { return nil },
		func(b []byte) []byte { return bytes.Replace(b, []byte(`"applied":`), []byte(`"applied":1`), 1) },
		func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), maxMeta)...) },
	} {
		for i, id := range []string{b, d} {
			path := filepath.Join(dir, "snapshots", id, metaName)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			list, err := s.List()
			if i == 0 && (err != nil || len(list) != 1 || list[0].ID != d) || i == 1 && !fault.Is(err, fault.Corrupt) {
				t.Errorf("%s damaged: %v, %v", id, list, err)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(dir, "snapshots", d, metaName)
	if err := os.WriteFile(path, []byte(`{"format":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); !fault.Is(err, fault.Version) {
		t.Errorf("a newer form: %v", err)
	}
}

// TestSinkForms: whatever is written to a sink, what is kept is a folder, or nothing.
func TestSinkForms(t *testing.T) {
	dir := t.TempDir()
	s := newSnapshots(t, dir)
	files := map[string][]byte{"000001.sst": bytes.Repeat([]byte("rows"), 100_000), "MANIFEST-000001": []byte("list")}
	id := keep(t, s, 10, 1, files)
	_, r, err := s.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(r) // a reader that does not know of folders
	if err != nil {
		t.Fatal(err)
	}
	if applied, err := raftfsm.SnapshotApplied(bytes.NewReader(archive)); applied != 9 || err != nil {
		t.Fatal(applied, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, r, err = s.Open(id); err != nil { // one that stops in the middle
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	manifest := []byte(`{"format":1,"id":"1-1-1","applied":5,"files":[]}`)
	for name, tc := range map[string]struct {
		b    []byte
		kind fault.Kind
	}{
		"an archive":          {archive, 0},
		"padded":              {append(bytes.Clone(archive), make([]byte, 100_000)...), 0},
		"half an archive":     {archive[:len(archive)/2], fault.Corrupt},
		"garbage":             {bytes.Repeat([]byte("garbage"), 1000), fault.Corrupt},
		"nothing":             {nil, fault.Corrupt},
		"a manifest alone":    {manifest, fault.Conflict},
		"half a manifest":     {manifest[:20], fault.Corrupt},
		"an endless manifest": {append([]byte("{"), bytes.Repeat([]byte(" "), raftfsm.MaxManifest)...), fault.Corrupt},
	} {
		k, err := s.Create(1, 50, 3, group, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{k}, struct{ io.Reader }{bytes.NewReader(tc.b)}, make([]byte, 777))
		if err == nil {
			err = k.Close()
		} else if e := k.Cancel(); e != nil {
			t.Fatal(e)
		}
		if tc.kind == 0 && err != nil || tc.kind != 0 && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range names(t, filepath.Join(dir, "snapshots")) {
			if filepath.Ext(n) == tempEnd {
				t.Errorf("%s left %s", name, n)
			}
		}
		if err == nil {
			meta, r, err := s.Open(k.ID())
			if err != nil || meta.Size != 400_004 {
				t.Fatal(meta, err)
			}
			if rows, applied := r.(raftfsm.Folder).Rows(); applied != 9 || len(names(t, rows)) != 2 {
				t.Errorf("%s: %q at %d", name, names(t, rows), applied)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEarlierForm: a snapshot that Raft's own store kept is unpacked at the first start, and only the newest.
func TestEarlierForm(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{"000001.sst": bytes.Repeat([]byte("rows"), 1000), "MANIFEST-000001": []byte("list")}
	earlier, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, newLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	_, trans := raft.NewInmemTransport("a")
	put := func(index uint64, applied uint64) {
		k, err := earlier.Create(1, index, 3, group, 7, trans)
		if err != nil {
			t.Fatal(err)
		}
		if err := raftfsm.WriteArchive(k, rowsOf(t, filepath.Join(t.TempDir(), fmt.Sprint(index)), files), applied); err != nil {
			t.Fatal(err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	put(20, 18)
	put(30, 29)
	s := newSnapshots(t, dir)
	check := func() {
		t.Helper()
		list, err := s.List()
		if err != nil || len(list) != 1 || list[0].Index != 30 || list[0].Term != 3 || list[0].ConfigurationIndex != 7 || len(list[0].Configuration.Servers) != 2 || list[0].Configuration.Servers[1] != group.Servers[1] {
			t.Fatalf("%+v, %v", list, err)
		}
		_, r, err := s.Open(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if rows, applied := r.(raftfsm.Folder).Rows(); applied != 29 || len(names(t, rows)) != 2 {
			t.Fatalf("%q at %d", names(t, rows), applied)
		}
		if n := names(t, filepath.Join(dir, "snapshots")); len(n) != 1 {
			t.Fatalf("left: %q", n)
		}
	}
	check()
	put(30, 29) // as after a crash between the two steps
	s = newSnapshots(t, dir)
	check()
	put(40, 39)
	damaged, err := filepath.Glob(filepath.Join(dir, "snapshots", "3-40-*", stateName))
	if err != nil || len(damaged) != 1 {
		t.Fatal(damaged, err)
	}
	if err := os.Truncate(damaged[0], 2000); err != nil {
		t.Fatal(err)
	}
	if _, err := openSnapshots(dir, slog.New(slog.DiscardHandler)); !fault.Is(err, fault.Corrupt) {
		t.Fatalf("a damaged one: %v", err)
	}
	if _, err := os.Stat(damaged[0]); err != nil {
		t.Errorf("it was taken away: %v", err)
	}
}

// The form of meta.json is the same for ever: a later version must read this one.
func TestMetaForm(t *testing.T) {
	m := folderMeta{Format: 1, Version: 1, ID: "2-17-1700000000000", Index: 17, Term: 2, Applied: 16, Size: 300, Since: 3, Servers: []folderServer{{"a", "127.0.0.1:1", raft.Voter}, {"b", "127.0.0.1:2", raft.Nonvoter}}}
	m.Sum = m.sum()
	b, err := model.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"format":1,"version":1,"id":"2-17-1700000000000","index":17,"term":2,"applied":16,"size":300,"servers":[{"id":"a","address":"127.0.0.1:1","suffrage":0},{"id":"b","address":"127.0.0.1:2","suffrage":1}],"servers_index":3,"sum":"`
	if !bytes.HasPrefix(b, []byte(want)) || len(b) != len(want)+66 {
		t.Errorf("it is %s", b)
	}
}
