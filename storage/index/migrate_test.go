package index

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/key"
)

// schema1 writes the store of schema 1 that is kept in testdata to dir: made by the last program that wrote
// such, with 39 hosts of which some hold what no sane agent reports.
func schema1(t testing.TB, disk vfs.FS, dir string) {
	t.Helper()
	unpack(t, disk, "testdata/schema1.tar.gz", "", dir)
}

// unpack writes what an archive has in a folder to dir.
func unpack(t testing.TB, disk vfs.FS, archive, folder, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	ok(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	ok(t, err)
	for r := tar.NewReader(z); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		name, is := strings.CutPrefix(e.Name, folder)
		if !is || name == "" {
			continue
		}
		path := disk.PathJoin(dir, name)
		if e.Typeflag == tar.TypeDir {
			ok(t, disk.MkdirAll(path, 0o700))
			continue
		}
		ok(t, disk.MkdirAll(disk.PathDir(path), 0o700))
		out, err := disk.Create(path, vfs.WriteCategoryUnspecified)
		ok(t, err)
		_, err = io.Copy(out, r)
		ok(t, err)
		ok(t, out.Sync())
		ok(t, out.Close())
	}
	for d, above := disk.PathJoin(dir, "1"), ""; d != above; d, above = disk.PathDir(d), d {
		ok(t, syncDir(disk, d))
	}
}

// hasSchema1 requires every row that testdata has.
func hasSchema1(t testing.TB, s *Store) {
	t.Helper()
	want, err := os.ReadFile("testdata/schema1.ndjson")
	ok(t, err)
	var got bytes.Buffer
	v := s.View()
	defer v.Close()
	ok(t, v.EachHost(func(h model.Host) error {
		b, err := model.Encode(h)
		got.Write(append(b, '\n'))
		return err
	}))
	var expected bytes.Buffer
	sums := model.SiteCounts{Site: model.SiteID{1}}
	for line := range bytes.Lines(want) {
		var h model.Host
		ok(t, model.Decode(bytes.TrimSpace(line), &h))
		h.Status = query.StatusOf(h.Status) // what nobody knows is unknown
		if h.Site == sums.Site {
			sums.Add(&h, 1)
		}
		b, err := model.Encode(h)
		ok(t, err)
		expected.Write(append(b, '\n'))
	}
	if want = expected.Bytes(); !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("the hosts changed on the way:\n%s\nwant\n%s", got.Bytes(), want)
	}
	n, found, err := v.Counts(model.SiteID{1})
	ok(t, err)
	if !found || !n.SameSums(sums) || n.Hosts == 0 || n.JudgedAt != 1_700_000_500_000 {
		t.Errorf("the counts are %+v, want %+v", n, sums)
	}
	if all, found, err := v.Counts(model.SiteID{}); err != nil || !found || all.Hosts != int64(bytes.Count(want, []byte{'\n'})) {
		t.Errorf("the counts of all sites are %+v, %v", all, err)
	}
	if n, err := v.count([]byte{byte(key.SpaceHostSite)}); err != nil || n != 0 {
		t.Errorf("%d entries of the index by site are left, %v", n, err)
	}
	if s.Applied() != 4 {
		t.Errorf("the position is %d", s.Applied())
	}
	sound(t, s)
}

func TestSchema1IsMovedForward(t *testing.T) {
	disk := NewMemDisk()
	schema1(t, disk.fs, testDir)
	for range 2 { // moved once, then simply opened
		s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
		ok(t, err)
		hasSchema1(t, s)
		ok(t, s.Close())
	}
	// The old rows are kept, as they were, for whoever goes back.
	ok(t, disk.fs.Rename(testDir+"/schema-1", testDir+"/7"))
	s := &Store{dir: testDir, disk: disk}
	ok(t, s.writeCurrent(7))
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	hasSchema1(t, s)
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutHost(full(100)))
		recount(t, tx)
	})
	sound(t, s)
	ok(t, s.Close())
}

// A snapshot that an older node wrote may take the place of newer rows.
func TestReplaceWithSchema1(t *testing.T) {
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	write(t, s, func(tx *Tx) { ok(t, tx.PutHost(full(100))) })
	schema1(t, disk.fs, "/data/other")
	ok(t, s.Replace("/data/other/1"))
	hasSchema1(t, s)
	ok(t, s.Close())
}

// A row that does not read stops the move, names the row and leaves the old store as it was.
func TestDamagedSchema1(t *testing.T) {
	disk := NewMemDisk()
	schema1(t, disk.fs, testDir)
	s := &Store{dir: testDir, disk: disk, rows: must(newRowCodec()), log: discard}
	db, _, err := s.openDB(1, false)
	ok(t, err)
	ok(t, db.Set(key.Host(model.HostID{15: 5}), []byte{formJSON, '{'}, nil))
	ok(t, closeDB(db))
	for range 2 {
		_, err := Open(testDir, Options{Disk: disk})
		kind(t, err, fault.Corrupt, "host/", "does not decode")
	}
}

func TestPowerCutInMigration(t *testing.T) {
	powerCuts(t, func(disk vfs.FS) { schema1(t, disk, testDir) }, func(s *Store) { hasSchema1(t, s) })
}

// powerCuts cuts the power before each operation that changes the disk on which older makes a store, while that is moved
// to the schema of today; what is left opens with all its rows.
func powerCuts(t *testing.T, older func(vfs.FS), has func(*Store)) {
	mem := &memDisk{MemFS: vfs.NewCrashableMem()}
	older(mem)
	rng := seeded(t)
	var mu sync.Mutex // the injector is called from Pebble's goroutines too
	var cuts []*vfs.MemFS
	disk := &Disk{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpRename, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			mu.Lock()
			defer mu.Unlock()
			// All or nothing of what is not durable yet: Pebble names a new manifest and points to it within one sync
			// of the folder, and a disk that kept the pointer alone would lose the database, old schema or new.
			cuts = append(cuts, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 * rng.IntN(2), RNG: rng}))
		}
		return nil
	}))}
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	ok(t, s.Close())
	for i, cut := range cuts {
		if i%2 == rng.IntN(2) {
			continue // any of them will do, and the next run takes others
		}
		s, err := Open(testDir, Options{Disk: &Disk{cut}, CacheBytes: 1 << 20})
		if err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		has(s)
		ok(t, s.Close())
	}
	if len(cuts) < 20 {
		t.Fatalf("only %d cuts", len(cuts))
	}
}

// A site of before schema 3 is given the alert rules that a new one has; a controller is not.
func TestSchema2IsGivenRules(t *testing.T) {
	for role, want := range map[model.Role]int{model.RoleSite: len(alert.Defaults()), model.RoleController: 0} {
		disk := NewMemDisk()
		s, err := Open(testDir, Options{Disk: disk})
		ok(t, err)
		write(t, s, func(tx *Tx) {
			ok(t, tx.PutSelf(model.Found{Stamp: model.Stamp{Actor: "system", At: 5}, Self: model.NodeID{1}, Role: role}))
			ok(t, tx.setNumber(key.MetaSchema, 2))
		})
		ok(t, s.Close())
		for range 2 {
			s, err = Open(testDir, Options{Disk: disk})
			ok(t, err)
			rules := read(t, s, func(v *View) ([]model.Rule, error) { return v.Rules() })
			if len(rules) != want || want > 0 && (rules[0].Origin != model.NodeID{1} || rules[0].At != 5) {
				t.Errorf("a %s has %+v", role, rules)
			}
			sound(t, s)
			ok(t, s.Close())
		}
	}
}

// The counts of alerts and their indexes are held against the rows.
func TestCheckAlerts(t *testing.T) {
	s, err := Open(testDir, Options{Disk: NewMemDisk()})
	ok(t, err)
	defer s.Close()
	a := model.Alert{ID: model.AlertID{1}, Rule: "r", Severity: model.AlertWarning, State: model.AlertOpen}
	n := model.AlertCounts{Site: model.SiteID{7}, Warning: 1}
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutSelf(model.Found{Self: model.NodeID{7}, Role: model.RoleSite}))
		ok(t, tx.PutAlert(a))
		ok(t, tx.PutAlertCounts(n))
	})
	sound(t, s)
	a.State, a.End.At = model.AlertResolved, 9
	n.Warning, n.Ended = 0, 1
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutAlert(a))
		ok(t, tx.PutAlertCounts(n))
	})
	sound(t, s)
	for name, damage := range map[string]func(*Tx){
		"the counts":       func(tx *Tx) { ok(t, tx.PutAlertCounts(model.AlertCounts{Site: n.Site, Warning: 1})) },
		"is missing":       func(tx *Tx) { ok(t, tx.remove(key.AlertEnded(9, a.ID))) },
		"no row asks":      func(tx *Tx) { ok(t, tx.mark(key.AlertOpen(a.ID))) },
		"holds the row of": func(tx *Tx) { ok(t, tx.put(key.Rule("x"), model.Rule{Name: "y"})) },
	} {
		write(t, s, damage)
		r, err := s.Check(t.Context())
		if err != nil || r.OK() || !strings.Contains(strings.Join(r.Faults, "\n"), name) {
			t.Errorf("%s: %v, %q", name, err, r.Faults)
		}
	}
}
