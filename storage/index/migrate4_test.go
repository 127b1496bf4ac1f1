package index

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	logged "github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/key"
)

// schema3 opens a store that the last program of schema 3 wrote: a controller's after all entries of testdata/schema3.hex
// (long/) or the first eight (short/), or that of a site that was sent most of it (site/).
func schema3(t testing.TB, folder string) *Store {
	t.Helper()
	disk := NewMemDisk()
	unpack(t, disk.fs, "testdata/schema3.tar.gz", folder, testDir)
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

// replay applies entries of the log to s as a state machine does, from the one behind its position on.
func replay(t testing.TB, s *Store, role model.Role) {
	t.Helper()
	b, err := os.ReadFile("testdata/schema3.hex")
	ok(t, err)
	for i, line := range strings.Fields(string(b)) {
		if uint64(i+1) <= s.Applied() {
			continue
		}
		raw, err := hex.DecodeString(line)
		ok(t, err)
		e, err := logged.Read(raw)
		ok(t, err)
		tx := s.Begin()
		for _, c := range e.Changes {
			_, err := apply.Change(tx, apply.Env{Role: role, Version: e.Version}, c)
			ok(t, err)
		}
		ok(t, tx.Commit(uint64(i+1), true))
	}
}

// Whenever a node of a group moves to the new schema, it comes to the rows that all others have: before the first entry of
// a log, in its middle, or behind its end.
func TestNodesMoveToSchema4AtAnyTime(t *testing.T) {
	fresh := openMem(t)
	short, long := schema3(t, "short/"), schema3(t, "long/")
	want, err := long.Hash(t.Context())
	ok(t, err)
	for name, s := range map[string]*Store{"from the first entry on": fresh, "in the middle": short, "at the end": long} {
		replay(t, s, model.RoleController)
		sound(t, s)
		if got, err := s.Hash(t.Context()); err != nil || !bytes.Equal(got, want) {
			v := s.View()
			ok(t, v.scan(nil, func(k, v []byte) error { t.Logf("%s: %s = %s", name, key.Describe(k), v); return nil }))
			v.Close()
			t.Errorf("%s: other rows, %v", name, err)
		}
	}
	v := long.View()
	defer v.Close()
	c, found, err := v.Canonical("CVE-2024-0001")
	ok(t, err)
	if !found || len(c.Members) != 3 || c.Hash != merge.Hash("CVE-2024-0001") || c.Since >= c.Changed {
		t.Errorf("%+v", c)
	}
	items, _, err := v.Directives(model.NodeID{1, 6: 0x70, 8: 0x80, 15: 2}, 0, 100, 1<<20, true)
	ok(t, err)
	var kinds []string
	for _, i := range items {
		kinds = append(kinds, string(i.Kind))
	}
	// Those of single records are gone, and the last generation tells how far they go, under its number.
	if !slices.Equal(kinds, []string{"signer", "shelf", "signer"}) || items[1].Seq != 14 {
		t.Errorf("what goes down: %+v", items)
	}
	var told model.Cursor
	ok(t, model.Decode(items[1].Payload, &told))
	shelf, err := v.Shelf()
	ok(t, err)
	if told != shelf.Cursor || told.IsZero() {
		t.Errorf("told %s of %s", told, shelf.Cursor)
	}
	if oldest, newest, err := v.EventBounds(); err != nil || oldest != 0 || newest != 0 {
		t.Errorf("events of before: %d to %d, %v", oldest, newest, err)
	}
}

// A site goes on with a log of its own, above every cursor that it gave out before, and holds as much of the controller's as before.
func TestASiteMovesToSchema4(t *testing.T) {
	s := schema3(t, "site/")
	sound(t, s)
	v := s.View()
	defer v.Close()
	shelf, err := v.Shelf()
	ok(t, err)
	group := model.NodeID{1, 6: 0x70, 8: 0x80, 15: 1}
	held := shelf.Imported[group.String()]
	if len(shelf.Imported) != 1 || held.Seq != 11 || shelf.AdvisoryN != 5 {
		t.Fatalf("%+v", shelf)
	}
	last, records, gone := model.Cursor{}, 0, 0
	ok(t, v.AdvisoriesAfter(model.Cursor{}, func(c model.AdvisoryChange) error {
		if c.Cursor.Seq <= held.Seq || c.Cursor.Seq <= last.Seq || c.Cursor.At < last.At {
			t.Errorf("%s has %s behind %s", c.Key, c.Cursor, last)
		}
		last = c.Cursor
		if c.Advisory == nil {
			gone++
			return nil
		}
		records++
		if c.Advisory.Cursor != c.Cursor || c.Advisory.Origin != group || c.Canonical == "" {
			t.Errorf("%+v", c.Advisory)
		}
		return nil
	}))
	if records != 5 || gone != 0 || shelf.Cursor != last {
		t.Errorf("%d records, %d gone, up to %s of %s", records, gone, last, shelf.Cursor)
	}
	if shelf.Generation == 0 {
		t.Error("the findings are of a generation, which is lost")
	}
	if _, known, err := v.CursorOf(shelf.Generation); err != nil || known {
		t.Errorf("nobody can say what that generation held: %v", err)
	}
}

func TestPowerCutOnTheWayToSchema4(t *testing.T) {
	for _, folder := range []string{"long/", "site/"} {
		want, err := schema3(t, folder).Hash(t.Context())
		ok(t, err)
		powerCuts(t, func(disk vfs.FS) { unpack(t, disk, "testdata/schema3.tar.gz", folder, testDir) }, func(s *Store) {
			if got, err := s.Hash(t.Context()); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s other rows, %v", folder, err)
			}
		})
	}
}
