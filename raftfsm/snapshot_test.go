package raftfsm

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// sink is a raft.SnapshotSink in memory.
type sink struct{ bytes.Buffer }

func (*sink) ID() string    { return "test" }
func (*sink) Cancel() error { return nil }
func (*sink) Close() error  { return nil }

// archive returns the snapshot of what f has applied.
func archive(t testing.TB, f *FSM) []byte {
	t.Helper()
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Release()
	var s sink
	if err := snap.Persist(&s); err != nil {
		t.Fatal(err)
	}
	return s.Bytes()
}

func reader(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

func leftovers(t *testing.T, f *FSM) {
	t.Helper()
	names, err := os.ReadDir(f.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		t.Errorf("%s is left in the scratch folder", n.Name())
	}
}

func TestSnapshotAndRestore(t *testing.T) {
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
	f.ApplyBatch(logs[200:]) // while it is written: it must not be in it
	var out sink
	if err := snap.Persist(&out); err != nil {
		t.Fatal(err)
	}
	snap.Release()
	leftovers(t, f)
	applied, err := SnapshotApplied(bytes.NewReader(out.Bytes()))
	if err != nil || applied == 0 || applied >= s.Applied() {
		t.Fatalf("the snapshot says %d, %v; the store is at %d", applied, err, s.Applied())
	}

	g, other := newFSM(t)
	g.Apply(logged(t, 1, model.Note{Stamp: stamp(1), Action: "test.note", OK: true})) // rows that must go
	old := other.View()
	before := hash(t, other)
	if err := g.Restore(reader(out.Bytes())); err != nil {
		t.Fatal(err)
	}
	leftovers(t, g)
	if got := hash(t, other); got != want || got == before || other.Applied() != applied {
		t.Fatalf("after the restore: hash %s at %d, want %s at %d", got, other.Applied(), want, applied)
	}
	if e, ok, err := old.LastAudit(); err != nil || !ok || e.Action != "test.note" {
		t.Errorf("a view from before the restore: %+v, %t, %v", e, ok, err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	g.ApplyBatch(logs) // what the snapshot covers is skipped
	if a, b := hash(t, s), hash(t, other); a != b {
		t.Errorf("the two go apart after the restore: %s, %s", a, b)
	}
}

// edit rewrites a snapshot entry by entry.
func edit(t *testing.T, b []byte, fn func(w *tar.Writer, h *tar.Header, body []byte)) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(b)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fn(w, h, body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func add(t *testing.T, w *tar.Writer, h tar.Header, body string) {
	t.Helper()
	h.Size = int64(len(body))
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	f, s := newFSM(t)
	f.Apply(logged(t, 1, found()))
	f.Apply(logged(t, 2, account(2, "ann")))
	good := archive(t, f)
	f.Apply(logged(t, 3, account(3, "bob")))
	want := hash(t, s)

	// onFile changes the first file of the checkpoint that has bytes.
	onFile := func(change func(w *tar.Writer, h tar.Header, body string)) []byte {
		done := false
		return edit(t, good, func(w *tar.Writer, h *tar.Header, body []byte) {
			if !done && h.Name != headName && len(body) > 0 {
				done = true
				change(w, *h, string(body))
				return
			}
			add(t, w, *h, string(body))
		})
	}
	extra := func(h tar.Header, body string) []byte {
		return onFile(func(w *tar.Writer, was tar.Header, old string) {
			add(t, w, was, old)
			add(t, w, h, body)
		})
	}
	withHead := func(head string) []byte {
		return edit(t, good, func(w *tar.Writer, h *tar.Header, body []byte) {
			if h.Name == headName {
				body = []byte(head)
			}
			add(t, w, *h, string(body))
		})
	}
	for name, tc := range map[string]struct {
		b    []byte
		kind fault.Kind
	}{
		"empty":       {nil, fault.Corrupt},
		"garbage":     {bytes.Repeat([]byte("garbage "), 500), fault.Corrupt},
		"half":        {good[:len(good)/2], fault.Corrupt},
		"without end": {good[:len(good)-2048], fault.Corrupt},
		"head only":   {good[:1024], fault.Corrupt},
		"a flipped bit": {onFile(func(w *tar.Writer, h tar.Header, body string) {
			add(t, w, h, body[:len(body)-1]+string(body[len(body)-1]^1))
		}), fault.Corrupt},
		"a shorter file": {onFile(func(w *tar.Writer, h tar.Header, body string) { add(t, w, h, body[1:]) }), fault.Corrupt},
		"a missing file": {onFile(func(*tar.Writer, tar.Header, string) {}), fault.Corrupt},
		"a renamed file": {onFile(func(w *tar.Writer, h tar.Header, body string) { h.Name = "zzz"; add(t, w, h, body) }), fault.Corrupt},
		"an extra file":  {extra(tar.Header{Typeflag: tar.TypeReg, Name: "extra"}, "x"), fault.Corrupt},
		"a path":         {extra(tar.Header{Typeflag: tar.TypeReg, Name: "../../escape"}, "x"), fault.Corrupt},
		"a hidden file":  {extra(tar.Header{Typeflag: tar.TypeReg, Name: "."}, "x"), fault.Corrupt},
		"a link":         {extra(tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/etc/passwd"}, ""), fault.Corrupt},
		"a long name":    {extra(tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("n", maxName+1)}, "x"), fault.Corrupt},
		"a file twice":   {onFile(func(w *tar.Writer, h tar.Header, body string) { add(t, w, h, body); add(t, w, h, body) }), fault.Corrupt},
		"no head":        {withHead(""), fault.Corrupt},
		"format 0":       {withHead(`{"format":0,"applied":2}`), fault.Corrupt},
		"format 2":       {withHead(`{"format":2,"applied":2}`), fault.Version},
		"a long head":    {withHead(`{"format":1,"applied":2}` + strings.Repeat(" ", maxHead)), fault.Corrupt},
		"something behind": {edit(t, good, func(w *tar.Writer, h *tar.Header, body []byte) {
			add(t, w, *h, string(body))
			if h.Name == listName {
				add(t, w, tar.Header{Typeflag: tar.TypeReg, Name: "behind"}, "x")
			}
		}), fault.Corrupt},
	} {
		if err := f.Restore(reader(tc.b)); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, want kind %s", name, err, tc.kind)
		}
	}
	leftovers(t, f)
	if _, err := os.Stat(filepath.Join(f.Scratch, "..", "escape")); err == nil {
		t.Error("a snapshot wrote outside of its folder")
	}
	if got := hash(t, s); got != want || f.Err() != nil {
		t.Fatalf("refused snapshots changed the rows: %v", f.Err())
	}
	sparse := bytes.ReplaceAll(extra(tar.Header{Typeflag: tar.TypeReg, Name: "extra", PAXRecords: map[string]string{
		"GNU_sparse.major": "1", "GNU_sparse.minor": "0", "GNU_sparse.name": "extra", "GNU_sparse.realsize": "1000000000000",
	}}, "0\n"+strings.Repeat("\x00", 510)), []byte("GNU_sparse"), []byte("GNU.sparse"))
	if err := f.Restore(reader(sparse)); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "sparse") {
		t.Errorf("a sparse file of a terabyte: %v", err)
	}
	// A whole archive of something that is no index is refused by the index, and the rows stay too.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("no index"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteArchive(&b, dir, 7); err != nil {
		t.Fatal(err)
	}
	if err := f.Restore(reader(b.Bytes())); err == nil {
		t.Error("a snapshot without an index was restored")
	}
	if got := hash(t, s); got != want {
		t.Error("it changed the rows")
	}
	if err := f.Restore(reader(good)); err != nil {
		t.Fatalf("the good snapshot: %v", err)
	}
	if hasAccount(t, s, "bob") || !hasAccount(t, s, "ann") || s.Applied() != 2 {
		t.Errorf("after the restore, applied %d", s.Applied())
	}
	// Rows and head that disagree are found at the last moment there is: the node stops.
	if err := f.Restore(reader(withHead(`{"format":1,"applied":9}`))); !fault.Is(err, fault.ReadOnly) || f.Err() == nil {
		t.Errorf("a snapshot with a wrong head: %v", err)
	}
}

func FuzzReadArchive(f *testing.F) {
	dir := f.TempDir()
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), bytes.Repeat([]byte{byte(i)}, 100*i), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := WriteArchive(&b, dir, 42); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:700])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		to := filepath.Join(t.TempDir(), "a", "b")
		if err := os.Mkdir(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		applied, err := ReadArchive(bytes.NewReader(b), to)
		if err == nil {
			var again bytes.Buffer
			if err := WriteArchive(&again, to, applied); err != nil {
				t.Fatalf("what was unpacked does not pack: %v", err)
			}
		} else if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
			t.Fatalf("kind %s: %v", k, err)
		}
		names, err := os.ReadDir(filepath.Dir(to))
		if err != nil || len(names) > 1 {
			t.Fatalf("it wrote beside its folder: %v, %v", names, err)
		}
	})
}

// told keeps what a Watch was told.
type told []string

func (t *told) Begin(what string) { *t = append(*t, what) }
func (t *told) End()              { *t = append(*t, "") }

// What a snapshot makes durable could hang like any other write, while nothing is applied: whoever watches is told.
func TestSnapshotIsWatched(t *testing.T) {
	f, _ := newFSM(t)
	f.ApplyBatch(history(t, rand.New(rand.NewPCG(1, 0)), 20))
	var w told
	f.Watch = &w
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	snap.Release()
	if len(w) != 2 || w[0] != "making rows durable" || w[1] != "" {
		t.Errorf("it was told of %q", w)
	}
}
