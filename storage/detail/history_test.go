package detail

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func numbers(t *testing.T, s *Store, h int, kind Kind) (out []uint64) {
	t.Helper()
	list, err := s.History(host(h), kind, 0, MaxVersions+1)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		out = append(out, v.N)
	}
	return out
}

func TestHistory(t *testing.T) {
	c := newClocks()
	compared := 0
	compare := func(kind Kind, from, to []byte) (Counts, error) {
		compared++
		if string(from) == "odd" {
			return Counts{}, fmt.Errorf("it is odd")
		}
		return Counts{len(to), len(from), int(kind)}, nil
	}
	dir := t.TempDir()
	s := openWith(t, dir, Options{Now: c.now, Uptime: c.uptime, Compare: compare})
	for i, body := range []string{"a", "bb", "bb", "a", "odd", "ccc"} {
		put(t, s, 1, Packages, model.Time(100+i), body)
		c.pass(day)
	}
	put(t, s, 2, Packages, 1, "a")
	put(t, s, 2, Packages, 2, "bb") // the same change: counted once for all
	if compared != 4 {
		t.Errorf("compared %d times, want 4", compared)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openWith(t, dir, Options{Now: c.now, Uptime: c.uptime})
	list, err := s.History(host(1), Packages, 0, 10)
	if err != nil || len(list) != 5 {
		t.Fatalf("%d versions, %v", len(list), err)
	}
	start := newClocks().now()
	for i, want := range []struct {
		body    string
		asOf    model.Time
		day     int
		counted bool
		counts  Counts
	}{
		{"ccc", 105, 5, false, Counts{}},
		{"odd", 104, 4, true, Counts{3, 1, 1}},
		{"a", 103, 3, true, Counts{1, 2, 1}},
		{"bb", 101, 1, true, Counts{2, 1, 1}},
		{"a", 100, 0, false, Counts{}},
	} {
		got := list[i]
		at := model.TimeOf(start.AddDate(0, 0, want.day))
		if got.N != uint64(5-i) || got.Digest != digestOf([]byte(want.body)).String() || got.AsOf != want.asOf || got.At != at ||
			got.Counted != want.counted || got.Counts != want.counts || got.Size != len(want.body) {
			t.Errorf("version %d is %+v, want %+v at %s", i, got, want, at)
		}
		if ok, err := s.Has(host(1), Packages, got.Digest); err != nil || !ok {
			t.Errorf("it has version %d: %t, %v", i, ok, err)
		}
	}
	page, err := s.History(host(1), Packages, 4, 2)
	if err != nil || len(page) != 2 || page[0].N != 3 || page[1].N != 2 {
		t.Errorf("before 4: %v, %v", page, err)
	}
	if page, err = s.History(host(1), Packages, 1, 2); err != nil || len(page) != 0 {
		t.Errorf("before 1: %v, %v", page, err)
	}
	if v, ok, err := s.Version(host(1), Packages, 2); err != nil || !ok || v != list[3] {
		t.Errorf("version 2: %+v, %t, %v", v, ok, err)
	}
	if _, ok, err := s.Version(host(1), Packages, 6); err != nil || ok {
		t.Errorf("version 6: %t, %v", ok, err)
	}
	for _, other := range []struct {
		h    int
		kind Kind
		body string
	}{{1, Certificates, "a"}, {2, Packages, "ccc"}, {3, Packages, "a"}} {
		if ok, err := s.Has(host(other.h), other.kind, digestOf([]byte(other.body)).String()); err != nil || ok {
			t.Errorf("%+v: %t, %v", other, ok, err)
		}
	}
	if _, err := s.Has(host(1), Packages, "x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("no digest: %v", err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	s := open(t, t.TempDir())
	const extra = 7
	entries := make([]Entry, 0, MaxVersions+extra)
	for i := range MaxVersions + extra {
		entries = append(entries, Entry{Host: host(1), Kind: OSFacts, AsOf: 1, Body: fmt.Append(nil, i)})
	}
	if _, err := s.PutAll(entries); err != nil {
		t.Fatal(err)
	}
	got := numbers(t, s, 1, OSFacts)
	if len(got) != MaxVersions || got[0] != MaxVersions+extra || got[len(got)-1] != 1+extra {
		t.Fatalf("%d versions, %d to %d", len(got), got[len(got)-1], got[0])
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, u := rows(t, s, prefixBody), rows(t, s, prefixUser); b != MaxVersions || u != MaxVersions {
		t.Fatalf("%d bodies with %d user rows", b, u)
	}
}

func TestEvents(t *testing.T) {
	s := open(t, t.TempDir())
	event := func(h int, kind Kind, id byte, body string) {
		t.Helper()
		if _, err := s.PutAll([]Entry{{Host: host(h), Kind: kind, ID: [16]byte{id}, AsOf: 5, Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	event(1, Output, 1, "one")
	event(1, Output, 2, "two")
	event(1, Output, 1, "one") // said again
	event(2, Output, 1, "other")
	event(1, Audit, 1, "refused")
	event(2, Output, 1, "corrected")
	for _, want := range []struct {
		h    int
		kind Kind
		id   byte
		body string
	}{{1, Output, 1, "one"}, {1, Output, 2, "two"}, {2, Output, 1, "corrected"}, {1, Audit, 1, "refused"}} {
		body, v, ok, err := s.Event(host(want.h), want.kind, [16]byte{want.id})
		if err != nil || !ok || string(body) != want.body || v.AsOf != 5 || v.Size != len(want.body) || v.Digest != digestOf(body).String() {
			t.Errorf("%+v: %q, %+v, %t, %v", want, body, v, ok, err)
		}
		if ok, err := s.Has(host(want.h), want.kind, v.Digest); err != nil || !ok {
			t.Errorf("it has %+v: %t, %v", want, ok, err)
		}
	}
	if _, _, ok, err := s.Event(host(1), Output, [16]byte{3}); ok || err != nil {
		t.Errorf("no such event: %t, %v", ok, err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, u := rows(t, s, prefixBody), rows(t, s, prefixUser); b != 4 || u != 4 {
		t.Errorf("%d bodies with %d user rows", b, u)
	}
	if err := s.Delete(host(1)); err != nil {
		t.Fatal(err)
	}
	if _, _, ok, _ := s.Event(host(1), Output, [16]byte{1}); ok {
		t.Error("the output outlived its host")
	}
	if _, _, ok, _ := s.Event(host(1), Audit, [16]byte{1}); !ok {
		t.Error("the audit record went with the host")
	}
}

// A thousand hosts with the same software, through three upgrades, cost little more than one.
func TestEqualInventoriesAreStoredOnce(t *testing.T) {
	inventory := func(n int) []byte {
		var b strings.Builder
		for i := range 600 {
			fmt.Fprintf(&b, `{"name":"package-%d-%x","version":"%d.%d"}`, i, digestOf(fmt.Append(nil, i)), n, i)
		}
		return []byte(b.String())
	}
	size := func(hosts int) (bytes int64, bodies int) {
		dir := t.TempDir()
		s := open(t, dir)
		for n := range 4 {
			body := inventory(n)
			entries := make([]Entry, hosts)
			for h := range entries {
				entries[h] = Entry{Host: host(h), Kind: Packages, AsOf: model.Time(n + 1), Body: body}
			}
			if _, err := s.PutAll(entries); err != nil {
				t.Fatal(err)
			}
		}
		if got := numbers(t, s, hosts-1, Packages); len(got) != 4 {
			t.Fatalf("%d versions", len(got))
		}
		bodies = rows(t, s, prefixBody)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return folderSize(t, dir), bodies
	}
	one, bodies := size(1)
	if bodies != 4 {
		t.Fatalf("%d bodies for one host", bodies)
	}
	all, bodies := size(1000)
	if bodies != 4 {
		t.Fatalf("%d bodies for 1,000 hosts", bodies)
	}
	perHost := float64(all-one) / 999
	t.Logf("one host %d bytes, 1,000 hosts %d: %.0f more for each host with 4 versions; each body is %d bytes", one, all, perHost, len(inventory(0)))
	if perHost > 1500 { // 9 rows of a host; a copy of its bodies would be 4 times 25,000
		t.Errorf("%.0f bytes for each host", perHost)
	}
}

// folderSize is what the files take, without the holes of those that Badger makes large in advance.
func folderSize(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "DISCARD" {
			continue
		}
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// testdata/format1 was written by a program that knew format 1 alone.
func TestOldFolderIsBroughtForward(t *testing.T) {
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join("testdata", "format1", "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		from, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		to, err := os.Create(filepath.Join(dir, filepath.Base(f)))
		if err == nil {
			_, err = io.Copy(to, from)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = from.Close(), to.Close()
	}
	check := func(s *Store) {
		t.Helper()
		for h := range 4 {
			wantBody(t, s, h, Packages, 100, "the same packages")
			wantBody(t, s, h, Certificates, 101, fmt.Sprint("certificates of ", h))
		}
		wantBody(t, s, 4, Packages, 200, "newer packages")
		if _, asOf, sum, ok, err := s.Get(host(5), Packages); err != nil || !ok || asOf != 300 || len(sum) != 64 {
			t.Fatalf("the large body: as of %d, %t, %v", asOf, ok, err)
		}
		for h := range 5 {
			if got := numbers(t, s, h, Packages); len(got) != 1 || got[0] != 1 {
				t.Fatalf("host %d has versions %v", h, got)
			}
		}
		if p, h, u := rows(t, s, prefixPointer), rows(t, s, prefixVersion), rows(t, s, prefixUser); p != 11 || h != 11 || u != 11 {
			t.Fatalf("%d pointers, %d versions, %d user rows", p, h, u)
		}
	}
	s := open(t, dir)
	check(s)
	if v, ok, err := s.Version(host(5), Packages, 1); err != nil || !ok || v.Size != 3000 {
		t.Fatalf("the large version: %+v, %t, %v", v, ok, err)
	}
	// As it looks when the power went in the middle.
	if err := s.db.Update(func(tx *badger.Txn) error {
		p, _, err := getPointer(tx, host(0), Packages)
		if err != nil {
			return err
		}
		if err := dropRecord(tx, versionKey(host(0), Packages, 1), p.sum); err != nil {
			return err
		}
		h := host(0)
		if err := tx.Set(append(append(usersKey(p.sum), h[:]...), byte(Packages)), nil); err != nil {
			return err
		}
		if err := tx.Set(pointerKey(host(0), Packages), p.encode()[:pointerLen1]); err != nil {
			return err
		}
		return tx.Set(keyMigrate, []byte{0, 0, 0, 1})
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	check(s)
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(s)
	put(t, s, 0, Packages, 400, "after")
	if got := numbers(t, s, 0, Packages); len(got) != 2 || got[0] != 2 {
		t.Fatalf("versions %v after a change", got)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(record{at: 1, asOf: 2, age: 3, size: 4, sum: digest{5}, counted: true, counts: [3]uint32{6, 7, 8}}.encode())
	f.Add(pointer{asOf: 1, sum: digest{2}, n: 3}.encode())
	f.Add(pointer{asOf: 1, sum: digest{2}}.encode()[:pointerLen1])
	f.Add(versionKey(host(1), Packages, 9))
	f.Add(eventKey(host(1), Output, [16]byte{7}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := decodeRecord(b); ok && string(r.encode()) != string(b) {
			t.Errorf("%x became %x", b, r.encode())
		}
		if p, ok := decodePointer(b); ok && string(p.encode()[:len(b)]) != string(b) {
			t.Errorf("%x became %x", b, p.encode())
		}
		if h, kind, n, ok := recordKey(b); ok && b[0] == prefixVersion && string(versionKey(h, kind, n)) != string(b) {
			t.Errorf("key %x became %x", b, versionKey(h, kind, n))
		}
	})
}
